#include "linear_memory.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

// The guest may be writing at the same time; see GuestMemory.
__attribute__((no_sanitize("thread"))) void CopyRacing(std::byte* to, const std::byte* from,
                                                       std::size_t length) {
  std::memcpy(to, from, length);
}

bool IsAlignedWord(std::span<const std::byte> guest, std::size_t size) {
  // The address as a number, for its alignment.
  return guest.size() == size && reinterpret_cast<std::uintptr_t>(guest.data()) % size == 0;
}

template <typename T>
bool LoadWord(std::span<std::byte> guest, std::span<std::byte> to) {
  if (!IsAlignedWord(guest, sizeof(T))) {
    return false;
  }
  const T value = SharedWord<T>(guest.data()).load(std::memory_order_acquire);
  std::memcpy(to.data(), &value, sizeof(T));
  return true;
}

template <typename T>
bool StoreWord(std::span<std::byte> guest, std::span<const std::byte> from) {
  if (!IsAlignedWord(guest, sizeof(T))) {
    return false;
  }
  T value;
  std::memcpy(&value, from.data(), sizeof(T));
  SharedWord<T>(guest.data()).store(value, std::memory_order_release);
  return true;
}

}  // namespace

void LinearRange::CopyOut(std::span<std::byte> to) const {
  VENEER_CHECK(to.size() == size_);
  const std::span<std::byte> word = pieces_[0];
  if (piece_count_ == 1 &&
      (LoadWord<std::uint64_t>(word, to) || LoadWord<std::uint32_t>(word, to) ||
       LoadWord<std::uint16_t>(word, to))) {
    return;
  }
  for (const std::span<std::byte> piece : std::span(pieces_).first(piece_count_)) {
    CopyRacing(to.data(), piece.data(), piece.size());
    to = to.subspan(piece.size());
  }
}

void LinearRange::CopyIn(std::span<const std::byte> from) {
  VENEER_CHECK(from.size() == size_);
  const std::span<std::byte> word = pieces_[0];
  if (piece_count_ == 1 &&
      (StoreWord<std::uint64_t>(word, from) || StoreWord<std::uint32_t>(word, from) ||
       StoreWord<std::uint16_t>(word, from))) {
    return;
  }
  for (const std::span<std::byte> piece : std::span(pieces_).first(piece_count_)) {
    CopyRacing(piece.data(), from.data(), piece.size());
    from = from.subspan(piece.size());
  }
}

std::span<std::byte> LinearRange::Contiguous() const {
  return piece_count_ == 1 ? pieces_[0] : std::span<std::byte>{};
}

LinearMemory::Resolved LinearMemory::Resolve(std::uint64_t linear, std::size_t size,
                                             AccessKind access) const {
  VENEER_CHECK(size > 0 && size <= LinearRange::kMaxSize);
  const PageWalker walker(memory_, system_, rflags_, cpl_);
  // Outside 64-bit mode linear addresses have 32 bits.
  const bool wide = (system_.efer & kEferLongModeActive) != 0 && system_.cs.long_mode;
  const std::uint64_t mask = wide ? ~std::uint64_t{0} : 0xffffffff;
  LinearRange range;
  range.size_ = size;
  for (std::size_t done = 0; done < size;) {
    const std::uint64_t address = (linear + done) & mask;
    const std::size_t length = std::min(size - done, kPageSize - (address & (kPageSize - 1)));
    const WalkResult walk = walker.Walk(address, access);
    if (const auto* fault = std::get_if<PageFault>(&walk)) {
      return tl::unexpected<Completion>(
          Faulted{Exception{kVectorPageFault, fault->error_code}, address});
    }
    const auto* gpa = std::get_if<Gpa>(&walk);
    if (gpa == nullptr) {
      return tl::unexpected<Completion>(NotKnown{});
    }
    const std::span<std::byte> piece = memory_.Pin(*gpa, length);
    if (piece.empty()) {
      return tl::unexpected<Completion>(NotKnown{});
    }
    range.pieces_[range.piece_count_++] = piece;
    done += length;
  }
  return range;
}

}  // namespace veneer
