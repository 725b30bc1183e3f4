#include "veneer/xencompat/hypercall/guest_virtual_memory.h"

#include <algorithm>
#include <utility>

namespace veneer {
namespace {

// Calls `copy(page-bounded piece)` for each piece of [address, address + length) that lies in one
// page; false as soon as one fails or the range wraps.
template <typename Copy>
bool ForEachPiece(std::uint64_t address, std::size_t length, Copy copy) {
  if (length != 0 && address + (length - 1) < address) {
    return false;
  }
  for (std::size_t done = 0; done < length;) {
    const std::uint64_t at = address + done;
    const std::size_t piece =
        std::min<std::size_t>(length - done, kPageSize - Gpa{at}.PageOffset());
    if (!copy(at, done, piece)) {
      return false;
    }
    done += piece;
  }
  return true;
}

}  // namespace

PagedGuestMemory::PagedGuestMemory(GuestMemory& memory, TranslatePage translate)
    : memory_(memory), translate_(std::move(translate)) {}

std::optional<Gpa> PagedGuestMemory::Translate(std::uint64_t address) {
  const std::uint64_t page = Gpa{address}.PageBase().value;
  if (!cached_ || cached_->linear != page) {
    const std::optional<Gpa> gpa = translate_(page);
    if (!gpa) {
      return std::nullopt;
    }
    cached_ = Page{page, gpa->PageBase()};
  }
  return cached_->gpa + Gpa{address}.PageOffset();
}

bool PagedGuestMemory::Read(std::uint64_t address, std::span<std::byte> out) {
  return ForEachPiece(address, out.size(),
                      [&](std::uint64_t at, std::size_t done, std::size_t length) {
                        const std::optional<Gpa> gpa = Translate(at);
                        return gpa && memory_.ReadBytes(*gpa, out.subspan(done, length));
                      });
}

bool PagedGuestMemory::Write(std::uint64_t address, std::span<const std::byte> data) {
  return ForEachPiece(address, data.size(),
                      [&](std::uint64_t at, std::size_t done, std::size_t length) {
                        const std::optional<Gpa> gpa = Translate(at);
                        return gpa && memory_.WriteBytes(*gpa, data.subspan(done, length));
                      });
}

}  // namespace veneer
