#include "elf_loader.h"

#include <algorithm>
#include <span>
#include <vector>

#include <elf.h>

#include "elf_file.h"
#include "elf_notes.h"
#include "guest_copy.h"
#include "guest_fit.h"

namespace veneer {
namespace {

constexpr std::uint64_t kMaxNoteBytes = std::uint64_t{64} << 10U;

// The segments that take up memory, by address.
Result<std::vector<ElfSegment>> SelectLoads(const ElfFile& file, const GuestMemory& memory) {
  std::vector<ElfSegment> loads;
  for (const ElfSegment& segment : file.segments) {
    if (segment.type != PT_LOAD || segment.memory_size == 0) {
      continue;
    }
    if (segment.file_size > segment.memory_size) {
      return UsageError("the ELF segment at {:#x} is damaged: larger in the file than in memory",
                        segment.paddr);
    }
    VENEER_TRY(CheckKernelFits(Gpa{segment.paddr}, segment.memory_size, memory));
    loads.push_back(segment);
  }
  if (loads.empty()) {
    return UsageError("this ELF file has nothing to load");
  }
  std::sort(loads.begin(), loads.end(),
            [](const ElfSegment& a, const ElfSegment& b) { return a.paddr < b.paddr; });
  for (std::size_t i = 1; i < loads.size(); ++i) {
    if (loads[i].paddr - loads[i - 1].paddr < loads[i - 1].memory_size) {
      return UsageError("the ELF segments at {:#x} and {:#x} overlap in memory", loads[i - 1].paddr,
                        loads[i].paddr);
    }
  }
  return loads;
}

// Something to be read from the file: a segment, or a note that is not part of one.
struct Extent {
  const ElfSegment* segment;
  std::vector<std::byte>* notes;  // null: goes to guest memory
};

// The loaded segment that holds all of `note`'s bytes, or null.
const ElfSegment* FindHolder(const ElfSegment& note, std::uint64_t size,
                             std::span<const ElfSegment> loads) {
  for (const ElfSegment& load : loads) {
    if (note.offset >= load.offset && note.offset - load.offset <= load.file_size &&
        size <= load.file_size - (note.offset - load.offset)) {
      return &load;
    }
  }
  return nullptr;
}

struct NoteSegment {
  ElfSegment header;
  const ElfSegment* holder;
  std::vector<std::byte> bytes;
};

std::vector<NoteSegment> SelectNotes(const ElfFile& file, std::span<const ElfSegment> loads) {
  std::vector<NoteSegment> notes;
  for (const ElfSegment& segment : file.segments) {
    if (segment.type == PT_NOTE && segment.file_size > 0) {
      const std::uint64_t size = std::min(segment.file_size, kMaxNoteBytes);
      notes.push_back(
          NoteSegment{segment, FindHolder(segment, size, loads), std::vector<std::byte>(size)});
    }
  }
  return notes;
}

// One pass through the file in ascending order, which is all that packed data allows.
Result<void> ReadExtents(ByteSource& source, std::vector<Extent> extents, GuestMemory& memory) {
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.segment->offset < b.segment->offset; });
  for (const Extent& extent : extents) {
    if (extent.notes != nullptr) {
      VENEER_TRY(source.ReadAt(extent.segment->offset, *extent.notes));
    } else {
      VENEER_TRY(CopyToGuest(source, extent.segment->offset, extent.segment->file_size, memory,
                             Gpa{extent.segment->paddr}));
    }
  }
  return {};
}

std::optional<std::uint64_t> PvhEntry(std::span<NoteSegment> notes, const GuestMemory& memory) {
  for (NoteSegment& note : notes) {
    if (note.holder != nullptr) {
      const Gpa gpa{note.holder->paddr + (note.header.offset - note.holder->offset)};
      if (!memory.ReadBytes(gpa, note.bytes)) {
        continue;
      }
    }
    if (const auto entry = FindPvhEntry(note.bytes, note.header.align)) {
      return entry;
    }
  }
  return std::nullopt;
}

// Whether a header of the Multiboot specification, version 1 or 2, is where it has to be: in the
// first 8 or 32 KiB of the file. A packed one has been read past that, and says no.
bool IsMultiboot(ByteSource& source) {
  constexpr std::uint32_t kMagic1 = 0x1badb002;
  constexpr std::uint32_t kMagic2 = 0xe85250d6;
  constexpr std::size_t kPlace1 = 8 << 10U;
  constexpr std::size_t kPlace2 = 32 << 10U;
  std::vector<std::uint32_t> words(kPlace2 / sizeof(std::uint32_t));
  if (!source.ReadSome(0, std::as_writable_bytes(std::span(words)))) {
    return false;
  }
  const auto end1 = words.begin() + kPlace1 / sizeof(std::uint32_t);
  return std::find(words.begin(), end1, kMagic1) != end1 ||
         std::find(words.begin(), words.end(), kMagic2) != words.end();
}

Result<void> SetEntry(LoadedKernel& kernel, const ElfFile& file,
                      std::optional<std::uint64_t> pvh_entry, ByteSource& source,
                      KernelEntry wanted) {
  if (!file.is_64bit && !pvh_entry) {
    if (IsMultiboot(source)) {
      return UsageError(
          "this is a Multiboot kernel, which a boot loader such as GRUB starts: boot the disk that "
          "it "
          "is on (veneer run IMAGE), or use a Linux kernel");
    }
    return UsageError("this is a 32-bit kernel without a PVH entry: use an x86-64 one");
  }
  if (wanted == KernelEntry::kPvh && !pvh_entry) {
    return UsageError("this kernel has no PVH entry (it is built without CONFIG_PVH)");
  }
  kernel.protocol = pvh_entry ? BootProtocol::kPvh : BootProtocol::kLinux64;
  kernel.entry = Gpa{pvh_entry ? *pvh_entry : file.entry};
  const bool inside = std::any_of(
      kernel.segments.begin(), kernel.segments.end(), [&kernel](const LoadedSegment& segment) {
        return kernel.entry >= segment.base &&
               kernel.entry.value - segment.base.value < segment.file_size;
      });
  if (!inside) {
    return UsageError("the entry point {:#x} lies outside the kernel's segments",
                      kernel.entry.value);
  }
  return {};
}

}  // namespace

Result<LoadedKernel> LoadElf(ByteSource& source, KernelEntry entry, GuestMemory& memory) {
  VENEER_TRY_ASSIGN(const ElfFile file, ReadElfFile(source));
  VENEER_TRY_ASSIGN(const std::vector<ElfSegment> loads, SelectLoads(file, memory));
  LoadedKernel kernel;
  std::vector<Extent> extents;
  for (const ElfSegment& load : loads) {
    kernel.segments.push_back(
        LoadedSegment{Gpa{load.paddr}, load.file_size, load.memory_size, (load.flags & PF_X) != 0});
    if (load.file_size > 0) {
      extents.push_back(Extent{&load, nullptr});
    }
  }
  kernel.end = kernel.segments.back().base + kernel.segments.back().memory_size;
  kernel.is_64bit = file.is_64bit;
  kernel.description = file.is_64bit ? "ELF vmlinux" : "32-bit ELF";

  // Nobody needs the notes of a 64-bit kernel that is entered at its 64-bit entry.
  std::vector<NoteSegment> notes;
  if (entry == KernelEntry::kPvh || !file.is_64bit) {
    notes = SelectNotes(file, loads);
  }
  for (NoteSegment& note : notes) {
    if (note.holder == nullptr) {
      extents.push_back(Extent{&note.header, &note.bytes});
    }
  }
  VENEER_TRY(ReadExtents(source, std::move(extents), memory));
  VENEER_TRY(SetEntry(kernel, file, PvhEntry(notes, memory), source, entry));
  return kernel;
}

}  // namespace veneer
