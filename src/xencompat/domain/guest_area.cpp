#include "veneer/xencompat/domain/guest_area.h"

#include <algorithm>

#include "veneer/vmm/base/check.h"

namespace veneer {

std::optional<GuestArea> GuestArea::Resolve(const GuestMemory& memory, const Translate& translate,
                                            std::uint64_t address, std::size_t size) {
  VENEER_CHECK(size >= 1 && size <= kPageSize);
  GuestArea area;
  const std::size_t first = std::min<std::size_t>(size, kPageSize - Gpa{address}.PageOffset());
  const std::array<std::size_t, 2> lengths = {first, size - first};
  for (std::size_t i = 0; i < lengths.size() && lengths[i] != 0; ++i) {
    const std::optional<Gpa> gpa = translate(address);
    if (!gpa || memory.Pin(*gpa, lengths[i]).empty()) {
      return std::nullopt;
    }
    area.pieces_[i] = {*gpa, lengths[i]};
    address += lengths[i];
  }
  return area;
}

void GuestArea::Write(GuestMemory& memory, std::size_t offset,
                      std::span<const std::byte> data) const {
  VENEER_CHECK(offset <= size() && data.size() <= size() - offset);
  for (const Piece& piece : pieces_) {
    if (offset >= piece.length) {
      offset -= piece.length;
      continue;
    }
    const std::size_t length = std::min(data.size(), piece.length - offset);
    // RAM does not go away, so what Resolve() found is still there.
    VENEER_CHECK(memory.WriteBytes(piece.gpa + offset, data.first(length)));
    data = data.subspan(length);
    offset = 0;
  }
}

std::optional<Gpa> GuestArea::Contiguous() const {
  const auto& [first, second] = pieces_;
  return second.length == 0 || second.gpa == first.gpa + first.length ? std::optional(first.gpa)
                                                                      : std::nullopt;
}

}  // namespace veneer
