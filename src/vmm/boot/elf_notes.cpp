#include "elf_notes.h"

#include <xen/elfnote.h>

#include <cstring>
#include <string_view>

#include <elf.h>

namespace veneer {
namespace {

using namespace std::string_view_literals;

// Cuts `length` bytes and the padding after them off `rest`; nullopt if there are not so many.
std::optional<std::span<const std::byte>> Cut(std::span<const std::byte>& rest,
                                              std::uint64_t length, std::uint64_t align) {
  if (length > rest.size()) {
    return std::nullopt;
  }
  const std::span<const std::byte> part = rest.first(length);
  const std::uint64_t padded = (length + align - 1) / align * align;
  // The padding of the last note may be missing.
  rest = rest.subspan(padded < rest.size() ? padded : rest.size());
  return part;
}

std::optional<std::uint64_t> AsNumber(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  if (bytes.size() != sizeof(std::uint32_t) && bytes.size() != sizeof(std::uint64_t)) {
    return std::nullopt;
  }
  std::memcpy(&value, bytes.data(), bytes.size());  // little-endian, as the host is
  return value;
}

}  // namespace

std::optional<std::uint64_t> FindPvhEntry(std::span<const std::byte> notes, std::uint64_t align) {
  constexpr std::string_view kOwner = "Xen\0"sv;
  const std::uint64_t padding = align == 8 ? 8 : 4;
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr header{};  // the 32-bit form is the same
    std::memcpy(&header, notes.data(), sizeof(header));
    notes = notes.subspan(sizeof(header));
    const auto owner = Cut(notes, header.n_namesz, padding);
    const auto value = owner ? Cut(notes, header.n_descsz, padding) : std::nullopt;
    if (!value) {
      return std::nullopt;
    }
    if (header.n_type == XEN_ELFNOTE_PHYS32_ENTRY && owner->size() == kOwner.size() &&
        std::memcmp(owner->data(), kOwner.data(), kOwner.size()) == 0) {
      return AsNumber(*value);
    }
  }
  return std::nullopt;
}

}  // namespace veneer
