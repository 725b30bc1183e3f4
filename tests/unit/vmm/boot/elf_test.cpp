#include <xen/elfnote.h>

#include <elf.h>
#include <gtest/gtest.h>

#include "boot_test_util.h"
#include "src/vmm/boot/elf_notes.h"

namespace veneer::testing {
namespace {

using namespace std::string_view_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kBase = 0x200000;

ElfSpec OneSegment(std::uint64_t memory_size = 0) {
  ElfSpec spec;
  spec.entry = kBase + 0x10;
  spec.segments.push_back(TestSegment{kBase, Pattern(10000, 1), memory_size, true});
  return spec;
}

template <typename Header>
void Edit(Bytes& file, std::size_t offset, void (*edit)(Header&)) {
  Header header;
  std::memcpy(&header, file.data() + offset, sizeof(header));
  edit(header);
  std::memcpy(file.data() + offset, &header, sizeof(header));
}

Bytes Spoilt(void (*edit)(Elf64_Phdr&), ElfSpec spec = OneSegment()) {
  Bytes file = MakeElf64(spec);
  Edit(file, sizeof(Elf64_Ehdr), edit);
  return file;
}

class LoadElf : public ::testing::Test {
 protected:
  std::string Message(const Bytes& file, KernelEntry entry = KernelEntry::kAuto) {
    return UsageMessage(Load(file, *memory_, entry));
  }
  std::unique_ptr<GuestMemory> memory_ = FlatMemory(4);
};

TEST_F(LoadElf, SegmentsGoToTheirPhysicalAddresses) {
  ElfSpec spec = OneSegment();
  const Bytes data = Pattern(5000, 2);
  spec.segments.push_back(TestSegment{0x300000, data, 0x8000, false});
  const auto kernel = Load(MakeElf64(spec), *memory_);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->protocol, BootProtocol::kLinux64);
  EXPECT_EQ(kernel->entry, Gpa{kBase + 0x10});
  EXPECT_EQ(kernel->end, Gpa{0x308000});
  EXPECT_TRUE(kernel->setup_header.empty());
  ASSERT_EQ(kernel->segments.size(), 2U);
  EXPECT_EQ(kernel->segments[0].base, Gpa{kBase});
  EXPECT_EQ(kernel->segments[0].file_size, 10000U);
  EXPECT_TRUE(kernel->segments[0].executable);
  EXPECT_EQ(kernel->segments[1].memory_size, 0x8000U);
  EXPECT_FALSE(kernel->segments[1].executable);
  EXPECT_EQ(ReadGuest(*memory_, kBase, 10000), spec.segments[0].data);
  EXPECT_EQ(ReadGuest(*memory_, 0x300000, 5000), data);
}

TEST_F(LoadElf, BssIsNotTouched) {
  ASSERT_TRUE(memory_->Fill(Gpa{kBase + 10000}, 0x1000, std::byte{0x5a}));
  ASSERT_TRUE(Load(MakeElf64(OneSegment(0x10000)), *memory_));
  EXPECT_EQ(ReadGuest(*memory_, kBase + 10000, 1)[0], std::byte{0x5a});
}

TEST_F(LoadElf, SegmentsMayComeInAnyOrder) {
  ElfSpec spec = OneSegment();
  spec.segments.insert(spec.segments.begin(), TestSegment{0x380000, Pattern(100, 9), 0, false});
  const auto kernel = Load(MakeElf64(spec), *memory_);
  ASSERT_TRUE(kernel);
  EXPECT_EQ(kernel->segments[0].base, Gpa{kBase});
  EXPECT_EQ(kernel->segments[1].base, Gpa{0x380000});
}

TEST_F(LoadElf, SegmentMayEndWithRam) {
  ElfSpec spec = OneSegment();
  spec.segments.push_back(TestSegment{0x3ff000, Pattern(0x1000, 2), 0, false});
  EXPECT_TRUE(Load(MakeElf64(spec), *memory_));
  spec.segments.back().memory_size = 0x1001;
  EXPECT_THAT(Message(MakeElf64(spec)), AllOf(HasSubstr("does not fit"), HasSubstr("4 MiB")));
}

TEST_F(LoadElf, AddressesOutsideRamAreRefused) {
  for (const std::uint64_t paddr :
       {std::uint64_t{0x400000}, std::uint64_t{1} << 40U, ~std::uint64_t{0} - 100}) {
    ElfSpec spec = OneSegment();
    spec.segments.push_back(TestSegment{paddr, Pattern(200, 2), 0, false});
    EXPECT_THAT(Message(MakeElf64(spec)), HasSubstr("does not fit")) << paddr;
  }
  EXPECT_THAT(Message(Spoilt([](Elf64_Phdr& header) { header.p_memsz = ~0ULL; })),
              HasSubstr("does not fit"));
}

TEST_F(LoadElf, TheFirstMiBIsNotForKernels) {
  ElfSpec spec = OneSegment();
  spec.segments[0].paddr = 0xff000;
  EXPECT_THAT(Message(MakeElf64(spec)), HasSubstr("first MiB"));
}

TEST_F(LoadElf, SegmentsThatOverlapInMemoryAreRefused) {
  ElfSpec spec = OneSegment();
  spec.segments.push_back(TestSegment{kBase + 9999, Pattern(10, 2), 0, false});
  EXPECT_THAT(Message(MakeElf64(spec)), HasSubstr("overlap"));
  spec.segments[1].paddr = kBase + 10000;
  EXPECT_TRUE(Load(MakeElf64(spec), *memory_));
  spec.segments[0].memory_size = 10001;
  EXPECT_THAT(Message(MakeElf64(spec)), HasSubstr("overlap"));
}

TEST_F(LoadElf, MoreInTheFileThanInMemoryIsDamage) {
  EXPECT_THAT(Message(Spoilt([](Elf64_Phdr& header) { header.p_memsz = 100; })),
              HasSubstr("larger in the file"));
}

TEST_F(LoadElf, TruncationAnywhereIsReported) {
  const Bytes file = MakeElf64(OneSegment());
  for (const std::size_t size : {std::size_t{4}, std::size_t{20}, std::size_t{63}, std::size_t{64},
                                 std::size_t{119}, std::size_t{120}, file.size() - 1}) {
    const Bytes part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THAT(Message(part), HasSubstr("truncated")) << size;
  }
  EXPECT_THAT(Message(Spoilt([](Elf64_Phdr& header) { header.p_offset = ~0ULL - 10; })),
              HasSubstr("truncated"));
}

TEST_F(LoadElf, EntryMustLieInWhatCameFromTheFile) {
  ElfSpec spec = OneSegment(0x10000);
  for (const std::uint64_t entry :
       {kBase - 1, kBase + 10000, std::uint64_t{0}, ~std::uint64_t{0}}) {
    spec.entry = entry;
    EXPECT_THAT(Message(MakeElf64(spec)), HasSubstr("entry point"));
  }
  spec.entry = kBase + 9999;
  EXPECT_TRUE(Load(MakeElf64(spec), *memory_));
}

TEST_F(LoadElf, OtherElfFilesAreTold) {
  ElfSpec spec = OneSegment();
  spec.machine = EM_AARCH64;
  EXPECT_THAT(Message(MakeElf64(spec)), HasSubstr("ARM64"));
  spec.machine = 4711;
  EXPECT_THAT(Message(MakeElf64(spec)), HasSubstr("another processor"));
  spec = OneSegment();
  spec.type = ET_REL;
  EXPECT_THAT(Message(MakeElf64(spec)), HasSubstr("kernel module"));
  spec.type = ET_CORE;
  EXPECT_THAT(Message(MakeElf64(spec)), HasSubstr("unsuitable"));
  EXPECT_THAT(Message(Spoilt([](Elf64_Phdr& header) { header.p_type = PT_INTERP; })),
              HasSubstr("ordinary Linux program"));
  EXPECT_THAT(Message(Spoilt([](Elf64_Phdr& header) { header.p_type = PT_NULL; })),
              HasSubstr("nothing to load"));
  Bytes big_endian = MakeElf64(OneSegment());
  big_endian[EI_DATA] = std::byte{ELFDATA2MSB};
  EXPECT_THAT(Message(big_endian), HasSubstr("big-endian"));
  Bytes unknown_class = MakeElf64(OneSegment());
  unknown_class[EI_CLASS] = std::byte{9};
  EXPECT_THAT(Message(unknown_class), HasSubstr("class 9"));
}

TEST_F(LoadElf, DamagedHeaderIsReported) {
  for (const auto edit : {+[](Elf64_Ehdr& header) { header.e_phnum = 0; },
                          +[](Elf64_Ehdr& header) { header.e_phnum = 129; },
                          +[](Elf64_Ehdr& header) { header.e_phentsize = 55; }}) {
    Bytes file = MakeElf64(OneSegment());
    Edit(file, 0, edit);
    EXPECT_THAT(Message(file), HasSubstr("header is damaged"));
  }
  Bytes file = MakeElf64(OneSegment());
  Edit(
      file, 0, +[](Elf64_Ehdr& header) { header.e_phoff = ~0ULL - 3; });
  EXPECT_THAT(Message(file), HasSubstr("truncated"));
}

TEST_F(LoadElf, PlainElfHasNoDecompressor) {
  EXPECT_THAT(Message(MakeElf64(OneSegment()), KernelEntry::kDecompressor),
              HasSubstr("no decompressor"));
}

TEST_F(LoadElf, PvhEntryComesFromANoteOfItsOwn) {
  for (const std::size_t value_bytes : {std::size_t{4}, std::size_t{8}}) {
    ElfSpec spec = OneSegment();
    spec.notes = MakePvhNote(kBase + 0x20, value_bytes);
    const auto kernel = Load(MakeElf64(spec), *memory_, KernelEntry::kPvh);
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(kernel->protocol, BootProtocol::kPvh);
    EXPECT_EQ(kernel->entry, Gpa{kBase + 0x20});
  }
}

TEST_F(LoadElf, PvhEntryComesFromANoteInsideASegment) {
  ElfSpec spec = OneSegment();
  const Bytes note = MakePvhNote(kBase + 0x20, 8);
  std::copy(note.begin(), note.end(), spec.segments[0].data.begin() + 5000);
  spec.notes_in_segment = 0;
  spec.note_offset = 5000;
  spec.note_size = note.size();
  const auto kernel = Load(MakeElf64(spec), *memory_, KernelEntry::kPvh);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->entry, Gpa{kBase + 0x20});
}

TEST_F(LoadElf, AutoIgnoresThePvhEntryOfA64BitKernel) {
  ElfSpec spec = OneSegment();
  spec.notes = MakePvhNote(kBase + 0x20, 8);
  const auto kernel = Load(MakeElf64(spec), *memory_);
  ASSERT_TRUE(kernel);
  EXPECT_EQ(kernel->protocol, BootProtocol::kLinux64);
}

TEST_F(LoadElf, MissingOrBadPvhEntryIsAnError) {
  EXPECT_THAT(Message(MakeElf64(OneSegment()), KernelEntry::kPvh), HasSubstr("no PVH entry"));
  ElfSpec spec = OneSegment();
  spec.notes = MakePvhNote(0x1234, 8);
  EXPECT_THAT(Message(MakeElf64(spec), KernelEntry::kPvh), HasSubstr("entry point"));
}

TEST_F(LoadElf, AMultibootKernelIsNamed) {
  for (const std::uint32_t magic : {0x1badb002U, 0xe85250d6U}) {
    ElfSpec spec = OneSegment();
    std::memcpy(spec.segments[0].data.data() + 0x100, &magic, sizeof magic);
    EXPECT_THAT(Message(MakeElf32(spec)), HasSubstr("Multiboot"));
    EXPECT_THAT(Message(PackGzip(MakeElf32(spec))), HasSubstr("gzip"));
  }
}

TEST_F(LoadElf, ThirtyTwoBitKernelNeedsAPvhEntry) {
  ElfSpec spec = OneSegment();
  EXPECT_THAT(Message(MakeElf32(spec)), HasSubstr("32-bit kernel"));
  spec.notes = MakePvhNote(kBase + 0x30, 4);
  const auto kernel = Load(MakeElf32(spec), *memory_);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->protocol, BootProtocol::kPvh);
  EXPECT_EQ(kernel->entry, Gpa{kBase + 0x30});
  EXPECT_EQ(ReadGuest(*memory_, kBase, 10000), spec.segments[0].data);
}

TEST(FindPvhEntry, SkipsOtherNotes) {
  Bytes notes = MakeNote("GNU\0"sv, XEN_ELFNOTE_PHYS32_ENTRY, Pattern(20, 1));
  for (const Bytes& note : {MakeNote("Xen\0"sv, 6, Pattern(6, 1)), MakeNote(""sv, 1, {}),
                            MakeNote("Xenon\0"sv, XEN_ELFNOTE_PHYS32_ENTRY, Pattern(8, 1)),
                            MakePvhNote(0x1000850, 8)}) {
    notes.insert(notes.end(), note.begin(), note.end());
  }
  EXPECT_EQ(FindPvhEntry(notes, 4), 0x1000850U);
}

TEST(FindPvhEntry, EightByteAlignmentIsHonoured) {
  Bytes notes = MakeNote("Odd\0"sv, 1, Pattern(4, 1));
  notes.insert(notes.begin() + 16, 4, std::byte{0});  // owner and value padded to 8 bytes each
  notes.insert(notes.end(), 4, std::byte{0});
  Bytes wanted = MakePvhNote(0x2345, 8);
  wanted.insert(wanted.begin() + 16, 4, std::byte{0});
  notes.insert(notes.end(), wanted.begin(), wanted.end());
  EXPECT_EQ(FindPvhEntry(notes, 8), 0x2345U);
}

TEST(FindPvhEntry, MalformedNotesHaveNone) {
  const Bytes good = MakePvhNote(0x1000, 8);
  EXPECT_EQ(FindPvhEntry(good, 4), 0x1000U);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(FindPvhEntry(std::span(good).first(size), 4), std::nullopt) << size;
  }
  for (const std::size_t field : {std::size_t{0}, std::size_t{4}}) {
    Bytes bad = good;
    std::fill_n(bad.begin() + static_cast<std::ptrdiff_t>(field), 4, std::byte{0xff});
    EXPECT_EQ(FindPvhEntry(bad, 4), std::nullopt);
  }
  EXPECT_EQ(FindPvhEntry(MakeNote("Xen\0"sv, XEN_ELFNOTE_PHYS32_ENTRY, Pattern(5, 1)), 4),
            std::nullopt);
}

}  // namespace
}  // namespace veneer::testing
