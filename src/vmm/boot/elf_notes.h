// Xen's notes in an ELF file (<xen/elfnote.h>).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace veneer {

// The PVH entry point (a physical address) in a note segment whose parts are aligned to `align`
// bytes; nullopt if there is none or the notes are malformed before it.
std::optional<std::uint64_t> FindPvhEntry(std::span<const std::byte> notes, std::uint64_t align);

}  // namespace veneer
