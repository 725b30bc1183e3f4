// The headers of an ELF file (System V gABI, chapters 4 and 5), 32-bit and 64-bit in one shape.
#pragma once

#include <cstdint>
#include <vector>

#include "byte_source.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

struct ElfSegment {
  std::uint32_t type = 0;   // PT_*
  std::uint32_t flags = 0;  // PF_*
  std::uint64_t offset = 0;
  std::uint64_t paddr = 0;
  std::uint64_t file_size = 0;    // bytes
  std::uint64_t memory_size = 0;  // bytes
  std::uint64_t align = 0;        // bytes
};

struct ElfFile {
  bool is_64bit = false;
  std::uint64_t entry = 0;
  std::vector<ElfSegment> segments;  // as in the file: nothing is checked yet
};

// True for anything that starts like an ELF file.
bool HasElfMagic(std::span<const std::byte> head);

// UsageError unless it is an x86 ELF file that could be a kernel.
Result<ElfFile> ReadElfFile(ByteSource& source);

}  // namespace veneer
