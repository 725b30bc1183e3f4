#include "elf_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include <elf.h>

namespace veneer {
namespace {

constexpr std::size_t kMaxProgramHeaders = 128;

std::string_view MachineName(std::uint16_t machine) {
  constexpr std::array kNames = {
      std::pair{EM_386, "32-bit x86"},  std::pair{EM_X86_64, "x86-64"},
      std::pair{EM_ARM, "ARM"},         std::pair{EM_AARCH64, "ARM64"},
      std::pair{EM_RISCV, "RISC-V"},    std::pair{EM_PPC, "PowerPC"},
      std::pair{EM_PPC64, "PowerPC64"}, std::pair{EM_S390, "S/390"},
      std::pair{EM_MIPS, "MIPS"},       std::pair{EM_SPARCV9, "SPARC"},
      std::pair{EM_IA_64, "Itanium"},   std::pair{258, "LoongArch"},
  };
  const auto* name = std::find_if(kNames.begin(), kNames.end(),
                                  [machine](const auto& entry) { return entry.first == machine; });
  return name != kNames.end() ? name->second : "another processor";
}

// Both classes have the same field names, so one function reads either.
template <typename Ehdr, typename Phdr>
Result<ElfFile> ReadHeaders(ByteSource& source, std::uint16_t machine) {
  Ehdr header{};
  VENEER_TRY(source.ReadAt(0, std::as_writable_bytes(std::span(&header, 1))));
  if (header.e_machine != machine) {
    return UsageError("this is an ELF file for {}, not an x86-64 kernel",
                      MachineName(header.e_machine));
  }
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
    return UsageError(
        "this ELF file is {}, not a linked kernel (vmlinux)",
        header.e_type == ET_REL ? "an object file or kernel module" : "of an unsuitable type");
  }
  if (header.e_phnum == 0 || header.e_phnum > kMaxProgramHeaders ||
      header.e_phentsize != sizeof(Phdr)) {
    return UsageError("the ELF header is damaged: {} program headers of {} bytes", header.e_phnum,
                      header.e_phentsize);
  }
  std::vector<Phdr> table(header.e_phnum);
  VENEER_TRY(source.ReadAt(header.e_phoff, std::as_writable_bytes(std::span(table))));
  ElfFile file{sizeof(Phdr) == sizeof(Elf64_Phdr), header.e_entry, {}};
  for (const Phdr& entry : table) {
    if (entry.p_type == PT_INTERP) {
      return UsageError("this is an ordinary Linux program, not a kernel");
    }
    file.segments.push_back(ElfSegment{entry.p_type, entry.p_flags, entry.p_offset, entry.p_paddr,
                                       entry.p_filesz, entry.p_memsz, entry.p_align});
  }
  return file;
}

}  // namespace

bool HasElfMagic(std::span<const std::byte> head) {
  return head.size() >= SELFMAG && std::memcmp(head.data(), ELFMAG, SELFMAG) == 0;
}

Result<ElfFile> ReadElfFile(ByteSource& source) {
  std::array<unsigned char, EI_NIDENT> ident{};
  VENEER_TRY(source.ReadAt(0, std::as_writable_bytes(std::span(ident))));
  if (ident[EI_DATA] != ELFDATA2LSB) {
    return UsageError("this is an ELF file for a big-endian processor, not an x86-64 kernel");
  }
  if (ident[EI_CLASS] == ELFCLASS64) {
    return ReadHeaders<Elf64_Ehdr, Elf64_Phdr>(source, EM_X86_64);
  }
  if (ident[EI_CLASS] == ELFCLASS32) {
    return ReadHeaders<Elf32_Ehdr, Elf32_Phdr>(source, EM_386);
  }
  return UsageError("the ELF header is damaged: unknown class {}", ident[EI_CLASS]);
}

}  // namespace veneer
