#include "guest_copy.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
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

const MemoryRegion* FindRegion(const GuestMemory& memory, Gpa gpa, std::uint64_t length) {
  for (const MemoryRegion& region : memory.regions()) {
    if (region.Contains(gpa, length)) {
      return &region;
    }
  }
  return nullptr;
}

// Writing to the memory file takes half the time of writing through the mapping: no page faults,
// and no clearing of pages that are about to be filled.
Result<void> WriteFile(int fd, std::uint64_t offset, std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t done = pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return ErrnoError(done < 0 ? errno : ENOSPC, "cannot write to the guest's memory");
    }
    data = data.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  return {};
}

// Writes the pages of `data` that are not zero, neighbours in one go.
Result<void> WriteNonZeroPages(int fd, std::uint64_t offset, std::span<const std::byte> data) {
  std::size_t begin = 0;  // of the run of pages to be written
  std::size_t at = 0;
  while (at < data.size()) {
    const std::size_t in_page = kPageSize - (offset + at) % kPageSize;
    const std::size_t length = std::min<std::size_t>(in_page, data.size() - at);
    if (IsZero(data.subspan(at, length))) {
      VENEER_TRY(WriteFile(fd, offset + begin, data.subspan(begin, at - begin)));
      begin = at + length;
    }
    at += length;
  }
  return WriteFile(fd, offset + begin, data.subspan(begin));
}

}  // namespace

Result<void> CopyToGuest(ByteSource& source, std::uint64_t offset, std::uint64_t length,
                         GuestMemory& memory, Gpa gpa) {
  const MemoryRegion* region = FindRegion(memory, gpa, length);
  VENEER_CHECK(region != nullptr);
  const std::uint64_t file_offset = region->file_offset + (gpa.value - region->base.value);
  std::vector<std::byte> chunk(std::min<std::uint64_t>(length, kChunkBytes));
  for (std::uint64_t done = 0; done < length; done += chunk.size()) {
    chunk.resize(std::min<std::uint64_t>(chunk.size(), length - done));
    VENEER_TRY(source.ReadAt(offset + done, chunk));
    VENEER_TRY(WriteNonZeroPages(memory.fd(), file_offset + done, chunk));
  }
  return {};
}

}  // namespace veneer
