#include "guest_copy.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

// Small enough to stay in the processor's second-level cache between reading and writing.
constexpr std::size_t kChunkBytes = std::size_t{256} << 10U;

bool IsZero(std::span<const std::byte> bytes) {
  // A block equals itself shifted by one byte, and begins with zero: it is all zero.
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Writes the pages of `data` that are not zero, neighbours in one go.
void WriteNonZeroPages(GuestMemory& memory, Gpa gpa, std::span<const std::byte> data) {
  const auto write = [&](std::size_t begin, std::size_t end) {
    VENEER_CHECK(memory.WriteBytes(gpa + begin, data.subspan(begin, end - begin)));
  };
  std::size_t begin = 0;  // of the run of pages to be written
  std::size_t at = 0;
  while (at < data.size()) {
    const std::size_t in_page = kPageSize - (gpa + at).PageOffset();
    const std::size_t length = std::min<std::size_t>(in_page, data.size() - at);
    if (IsZero(data.subspan(at, length))) {
      write(begin, at);
      begin = at + length;
    }
    at += length;
  }
  write(begin, data.size());
}

}  // namespace

Result<void> CopyToGuest(ByteSource& source, std::uint64_t offset, std::uint64_t length,
                         GuestMemory& memory, Gpa gpa) {
  VENEER_CHECK(!memory.Pin(gpa, length).empty() || length == 0);
  std::vector<std::byte> chunk(std::min<std::uint64_t>(length, kChunkBytes));
  for (std::uint64_t done = 0; done < length; done += chunk.size()) {
    chunk.resize(std::min<std::uint64_t>(chunk.size(), length - done));
    VENEER_TRY(source.ReadAt(offset + done, chunk));
    WriteNonZeroPages(memory, gpa + done, chunk);
  }
  return {};
}

}  // namespace veneer
