// Builds small kernel files in memory: ELF, bzImage, and the compressed data inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace veneer::testing {

using Bytes = std::vector<std::byte>;

// `count` bytes that differ from their neighbours and do not repeat soon.
Bytes Pattern(std::size_t count, std::uint32_t seed);
// As Pattern(), but so that compression has something to do.
Bytes CompressiblePattern(std::size_t count, std::uint32_t seed);

struct TestSegment {
  std::uint64_t paddr = 0;
  Bytes data;
  std::uint64_t memory_size = 0;  // 0: as large as data
  bool executable = false;
};

// An ELF64 file as the linker would make it; every field can be spoilt afterwards.
struct ElfSpec {
  std::uint64_t entry = 0x100000;
  std::uint16_t type = 2;      // ET_EXEC
  std::uint16_t machine = 62;  // EM_X86_64
  std::vector<TestSegment> segments;
  std::optional<Bytes> notes;  // a PT_NOTE of its own, after the segments
  std::uint64_t notes_align = 4;
  // Number of the segment whose data the PT_NOTE points into, at `note_offset`.
  std::optional<std::size_t> notes_in_segment;
  std::uint64_t note_offset = 0;
  std::uint64_t note_size = 0;
};
Bytes MakeElf64(const ElfSpec& spec);
// The same as a 32-bit file for i386 (EM_386 if `machine` is left alone).
Bytes MakeElf32(const ElfSpec& spec);

// One ELF note.
Bytes MakeNote(std::string_view owner_with_nul, std::uint32_t type,
               std::span<const std::byte> value);
// Xen's PVH entry note, with a value of 4 or 8 bytes.
Bytes MakePvhNote(std::uint64_t entry, std::size_t value_bytes);

struct BzImageSpec {
  std::uint16_t version = 0x20f;
  std::uint8_t loadflags = 1;    // LOADED_HIGH
  std::uint16_t xloadflags = 1;  // XLF_KERNEL_64
  std::uint32_t cmdline_size = 2047;
  std::uint32_t initrd_addr_max = 0x7fffffff;
  std::uint64_t pref_address = 0x1000000;
  std::uint32_t init_size = 0x200000;
  std::uint8_t setup_sects = 3;
  std::uint8_t header_length = 0x6a;  // at 0x201, counted from 0x202
  Bytes payload;
};
Bytes MakeBzImage(const BzImageSpec& spec);
// Where in such a file the payload lies.
std::size_t PayloadOffset(const BzImageSpec& spec);

// As Linux's build does it, with the unpacked size appended where it is (all but gzip).
Bytes PackGzip(std::span<const std::byte> data);
Bytes PackXz(std::span<const std::byte> data);
Bytes PackLzma(std::span<const std::byte> data);
Bytes PackBzip2(std::span<const std::byte> data);
Bytes PackLz4(std::span<const std::byte> data);
Bytes PackZstd(std::span<const std::byte> data);

}  // namespace veneer::testing
