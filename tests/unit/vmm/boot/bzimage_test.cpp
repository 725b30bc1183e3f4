#include <elf.h>
#include <gtest/gtest.h>

#include "boot_test_util.h"

namespace veneer::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kBase = 0x200000;

Bytes InnerElf() {
  ElfSpec spec;
  spec.entry = kBase;
  spec.segments.push_back(TestSegment{kBase, CompressiblePattern(300000, 1), 400000, true});
  spec.segments.push_back(TestSegment{0x300000, CompressiblePattern(200000, 2), 0, false});
  const Bytes note = MakePvhNote(kBase + 0x40, 8);
  std::copy(note.begin(), note.end(), spec.segments[0].data.begin() + 200000);
  spec.notes_in_segment = 0;
  spec.note_offset = 200000;
  spec.note_size = note.size();
  Bytes elf = MakeElf64(spec);
  // Linux puts its relocations after the ELF file.
  const Bytes relocations = CompressiblePattern(10000, 3);
  elf.insert(elf.end(), relocations.begin(), relocations.end());
  return elf;
}

class LoadBzImage : public ::testing::Test {
 protected:
  std::string Message(const Bytes& file, KernelEntry entry = KernelEntry::kAuto) {
    return UsageMessage(Load(file, *memory_, entry));
  }
  std::string Message(const BzImageSpec& spec, KernelEntry entry = KernelEntry::kAuto) {
    return Message(MakeBzImage(spec), entry);
  }
  static BzImageSpec Spec() {
    BzImageSpec spec;
    spec.payload = PackGzip(InnerElf());
    spec.pref_address = kBase;
    return spec;
  }
  std::unique_ptr<GuestMemory> memory_ = FlatMemory(4);
};

TEST_F(LoadBzImage, UnpacksEveryFormat) {
  for (const auto pack : {PackGzip, PackXz, PackLzma, PackBzip2, PackLz4, PackZstd}) {
    BzImageSpec spec = Spec();
    spec.payload = pack(InnerElf());
    const auto memory = FlatMemory(4);
    const auto kernel = Load(MakeBzImage(spec), *memory);
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(kernel->protocol, BootProtocol::kLinux64);
    EXPECT_EQ(kernel->entry, Gpa{kBase});
    EXPECT_THAT(kernel->description, HasSubstr("bzImage ("));
    ASSERT_EQ(kernel->segments.size(), 2U);
    EXPECT_EQ(ReadGuest(*memory, 0x300000, 200000), CompressiblePattern(200000, 2));
  }
}

TEST_F(LoadBzImage, PvhEntryIsFoundInsideThePackedKernel) {
  const auto kernel = Load(MakeBzImage(Spec()), *memory_, KernelEntry::kPvh);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->protocol, BootProtocol::kPvh);
  EXPECT_EQ(kernel->entry, Gpa{kBase + 0x40});
}

TEST_F(LoadBzImage, ReportsItsLimitsAndItsHeader) {
  BzImageSpec spec = Spec();
  spec.cmdline_size = 1000;
  spec.initrd_addr_max = 0x37ffffff;
  const Bytes file = MakeBzImage(spec);
  const auto kernel = Load(file, *memory_);
  ASSERT_TRUE(kernel);
  EXPECT_EQ(kernel->limits.cmdline_max, 1000U);
  EXPECT_EQ(kernel->limits.initrd_last, Gpa{0x37ffffff});
  // From 0x1f1 to 0x202 plus the byte at 0x201.
  EXPECT_EQ(kernel->setup_header, Bytes(file.begin() + 0x1f1, file.begin() + 0x202 + 0x6a));
}

TEST_F(LoadBzImage, FieldsBeyondTheStatedHeaderAreNotRead) {
  BzImageSpec spec = Spec();
  spec.header_length = 0x38;  // up to cmdline_size, without what follows
  EXPECT_THAT(Message(spec), HasSubstr("payload is empty"));
  spec.header_length = 0xff;
  const auto kernel = Load(MakeBzImage(spec), *memory_);
  ASSERT_TRUE(kernel);
  EXPECT_EQ(kernel->setup_header.size(), 0x290U - 0x1f1U);
}

TEST_F(LoadBzImage, ZeroSetupSectorsMeanFour) {
  BzImageSpec spec = Spec();
  spec.setup_sects = 4;
  Bytes file = MakeBzImage(spec);
  file[0x1f1] = std::byte{0};
  EXPECT_TRUE(Load(file, *memory_));
}

TEST_F(LoadBzImage, OldOrOddKernelsAreTold) {
  BzImageSpec spec = Spec();
  spec.version = 0x207;
  EXPECT_THAT(Message(spec), HasSubstr("2.07 is too old"));
  spec = Spec();
  spec.loadflags = 0;
  EXPECT_THAT(Message(spec), HasSubstr("zImage"));
  spec = Spec();
  spec.payload.clear();
  EXPECT_THAT(Message(spec), HasSubstr("empty"));
}

TEST_F(LoadBzImage, UnknownCompressionIsTold) {
  BzImageSpec spec = Spec();
  spec.payload = Pattern(1000, 4);
  EXPECT_THAT(Message(spec), HasSubstr("unknown format"));
}

TEST_F(LoadBzImage, PayloadMustHoldAnElfFile) {
  BzImageSpec spec = Spec();
  spec.payload = PackZstd(Pattern(1000, 4));
  EXPECT_THAT(Message(spec), AllOf(HasSubstr("zstd"), HasSubstr("not an ELF")));
  spec.payload = PackGzip(std::span<const std::byte>{});
  EXPECT_THAT(Message(spec), HasSubstr("not an ELF"));
}

TEST_F(LoadBzImage, TruncationAnywhereIsReported) {
  const BzImageSpec spec = Spec();
  const Bytes file = MakeBzImage(spec);
  const std::size_t payload = PayloadOffset(spec);
  for (const std::size_t size : {std::size_t{0x210}, std::size_t{0x28f}, payload + 20,
                                 payload + 1000, payload + spec.payload.size() - 1}) {
    const Bytes part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THAT(Message(part), HasSubstr("truncated")) << size;
  }
}

TEST_F(LoadBzImage, DamageAfterTheLastSegmentIsFound) {
  BzImageSpec spec = Spec();
  spec.payload[spec.payload.size() - 8] ^= std::byte{1};  // gzip's checksum
  EXPECT_THAT(Message(spec), HasSubstr("damaged"));
}

TEST_F(LoadBzImage, WhatUnpacksToMoreThanGuestMemoryIsStopped) {
  Bytes bomb = InnerElf();
  bomb.resize(8 * kMiB);
  for (const auto pack : {PackGzip, PackXz, PackLz4, PackZstd}) {
    BzImageSpec spec = Spec();
    spec.payload = pack(bomb);
    EXPECT_THAT(Message(spec), HasSubstr("larger than 4 MiB"));
  }
}

TEST_F(LoadBzImage, SegmentsThatShareBytesOfAPackedFileAreRefused) {
  ElfSpec inner;
  inner.entry = kBase;
  inner.segments.push_back(TestSegment{kBase, CompressiblePattern(200000, 1), 0, true});
  inner.segments.push_back(TestSegment{0x300000, CompressiblePattern(1000, 2), 0, false});
  Bytes elf = MakeElf64(inner);
  // The second segment starts in the middle of the first.
  const std::uint64_t offset = 100000;
  std::memcpy(elf.data() + sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_offset),
              &offset, sizeof(offset));
  BzImageSpec spec = Spec();
  spec.payload = PackGzip(elf);
  EXPECT_THAT(Message(spec), HasSubstr("overlap"));
}

TEST_F(LoadBzImage, DecompressorEntryTakesTheImageAsItIs) {
  const BzImageSpec spec = Spec();
  const Bytes file = MakeBzImage(spec);
  const auto kernel = Load(file, *memory_, KernelEntry::kDecompressor);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->entry, Gpa{kBase + 0x200});
  EXPECT_EQ(kernel->end, Gpa{kBase + spec.init_size});
  ASSERT_EQ(kernel->segments.size(), 1U);
  EXPECT_TRUE(kernel->segments[0].executable);
  const std::size_t start = (spec.setup_sects + std::size_t{1}) * 512;
  EXPECT_EQ(ReadGuest(*memory_, kBase, file.size() - start),
            Bytes(file.begin() + static_cast<std::ptrdiff_t>(start), file.end()));
}

TEST_F(LoadBzImage, DecompressorNeedsA64BitEntryAndRoom) {
  BzImageSpec spec = Spec();
  spec.xloadflags = 0;
  EXPECT_THAT(Message(spec, KernelEntry::kDecompressor), HasSubstr("no 64-bit entry"));
  spec = Spec();
  spec.version = 0x20b;
  EXPECT_THAT(Message(spec, KernelEntry::kDecompressor), HasSubstr("no 64-bit entry"));
  spec = Spec();
  spec.init_size = 0x200001;
  EXPECT_THAT(Message(spec, KernelEntry::kDecompressor), HasSubstr("does not fit"));
  spec = Spec();
  spec.pref_address = ~std::uint64_t{0};
  EXPECT_THAT(Message(spec, KernelEntry::kDecompressor), HasSubstr("does not fit"));
  spec = Spec();
  Bytes file = MakeBzImage(spec);
  file.resize(file.size() - 1);
  EXPECT_THAT(Message(file, KernelEntry::kDecompressor), HasSubstr("truncated"));
}

}  // namespace
}  // namespace veneer::testing
