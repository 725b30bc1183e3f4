#include "src/vmm/pvm/page_walker.h"

#include <memory>

#include <gtest/gtest.h>

#include "support/scripted_vcpu.h"

namespace veneer {
namespace {

constexpr std::uint64_t kPage = 0x7f0000123000;
constexpr Gpa kTarget{0x5000};
constexpr Gpa kTables{0x100000};

class PageWalkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto memory = GuestMemory::CreateFlat(4U << 20U);
    ASSERT_TRUE(memory);
    memory_ = std::move(*memory);
    tables_ = std::make_unique<PageTableBuilder>(*memory_, kTables);
    system_.cr0 = kCr0ProtectedMode | kCr0Paging | kCr0WriteProtect;
    system_.cr3 = kTables.value;
    system_.cr4 = kCr4PhysicalAddressExtension;
    system_.efer = kEferLongModeActive | kEferNoExecute;
  }

  WalkResult Walk(std::uint64_t linear, AccessKind access, unsigned cpl = 0,
                  std::uint64_t rflags = 2) {
    return PageWalker(*memory_, system_, rflags, cpl).Walk(linear, access);
  }
  static void ExpectGpa(const WalkResult& result, std::uint64_t gpa) {
    ASSERT_TRUE(std::holds_alternative<Gpa>(result));
    EXPECT_EQ(std::get<Gpa>(result).value, gpa);
  }
  static void ExpectFault(const WalkResult& result, std::uint32_t error_code) {
    ASSERT_TRUE(std::holds_alternative<PageFault>(result));
    EXPECT_EQ(std::get<PageFault>(result).error_code, error_code);
  }

  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<PageTableBuilder> tables_;
  SystemRegisters system_;
};

TEST_F(PageWalkerTest, WithoutPagingAddressesArePhysical) {
  system_.cr0 = kCr0ProtectedMode;
  ExpectGpa(Walk(0x12345678, AccessKind::kWrite), 0x12345678);
}

TEST_F(PageWalkerTest, ReadSetsAccessedAndWriteSetsDirty) {
  tables_->Map(kPage, kTarget, PageTableBuilder::kKernelData);
  ExpectGpa(Walk(kPage + 0x123, AccessKind::kRead), kTarget.value + 0x123);
  EXPECT_NE(tables_->Entry(kPage) & PageTableBuilder::kAccessed, 0U);
  EXPECT_EQ(tables_->Entry(kPage) & PageTableBuilder::kDirty, 0U);
  ExpectGpa(Walk(kPage, AccessKind::kWrite), kTarget.value);
  EXPECT_NE(tables_->Entry(kPage) & PageTableBuilder::kDirty, 0U);
  const auto root_entry = memory_->Read<std::uint64_t>(kTables + (kPage >> 39U & 0x1ff) * 8);
  EXPECT_NE(root_entry.value() & PageTableBuilder::kAccessed, 0U);
}

TEST_F(PageWalkerTest, MissingPageSaysWhoWantedWhat) {
  ExpectFault(Walk(kPage, AccessKind::kRead), 0);
  ExpectFault(Walk(kPage, AccessKind::kWrite), 2);
  ExpectFault(Walk(kPage, AccessKind::kWrite, 3), 6);
  ExpectFault(Walk(kPage, AccessKind::kFetch), 0x10);
}

TEST_F(PageWalkerTest, ReadOnlyPageRefusesWritesUnlessWriteProtectionIsOff) {
  tables_->Map(kPage, kTarget, PageTableBuilder::kPresent);
  ExpectGpa(Walk(kPage, AccessKind::kRead), kTarget.value);
  ExpectFault(Walk(kPage, AccessKind::kWrite), 3);
  EXPECT_EQ(tables_->Entry(kPage) & PageTableBuilder::kDirty, 0U);
  system_.cr0 &= ~kCr0WriteProtect;
  ExpectGpa(Walk(kPage, AccessKind::kWrite), kTarget.value);
}

TEST_F(PageWalkerTest, UserCodeNeedsUserPages) {
  tables_->Map(kPage, kTarget, PageTableBuilder::kKernelData);
  ExpectFault(Walk(kPage, AccessKind::kRead, 3), 5);
  tables_->Map(kPage, kTarget, PageTableBuilder::kPresent | PageTableBuilder::kUser);
  ExpectGpa(Walk(kPage, AccessKind::kRead, 3), kTarget.value);
  system_.cr0 &= ~kCr0WriteProtect;
  ExpectFault(Walk(kPage, AccessKind::kWrite, 3), 7);
}

TEST_F(PageWalkerTest, NoExecutePagesAreNotFetchedFrom) {
  tables_->Map(kPage, kTarget, PageTableBuilder::kKernelData);
  ExpectFault(Walk(kPage, AccessKind::kFetch), 0x11);
  system_.efer &= ~kEferNoExecute;  // the bit is a reserved one then
  ExpectFault(Walk(kPage, AccessKind::kRead), 9);
}

TEST_F(PageWalkerTest, SupervisorAccessPreventionYieldsToAlignmentCheck) {
  tables_->Map(kPage, kTarget,
               PageTableBuilder::kPresent | PageTableBuilder::kUser | PageTableBuilder::kWritable);
  system_.cr4 |= kCr4Smap | kCr4Smep;
  ExpectFault(Walk(kPage, AccessKind::kRead), 1);
  ExpectFault(Walk(kPage, AccessKind::kFetch), 0x11);
  ExpectGpa(Walk(kPage, AccessKind::kWrite, 0, 2 | kRflagsAlignmentCheck), kTarget.value);
}

TEST_F(PageWalkerTest, LargePagesKeepTheirOffset) {
  constexpr std::uint64_t kLarge = 0x83;  // present, writable, large
  const Gpa pdpt{0x110000};
  const Gpa directory{0x111000};
  ASSERT_TRUE(memory_->Write<std::uint64_t>(kTables, pdpt.value | 3));
  ASSERT_TRUE(memory_->Write<std::uint64_t>(pdpt, directory.value | 3));
  ASSERT_TRUE(memory_->Write<std::uint64_t>(directory + 8, 0x200000 | kLarge));
  ASSERT_TRUE(memory_->Write<std::uint64_t>(pdpt + 8, 0x40000000 | kLarge));
  ExpectGpa(Walk(0x312345, AccessKind::kRead), 0x312345);
  ExpectGpa(Walk(0x40000000 + 0x12345678, AccessKind::kRead), 0x40000000 + 0x12345678);
  ASSERT_TRUE(memory_->Write<std::uint64_t>(directory + 8, 0x202000 | kLarge));
  ExpectFault(Walk(0x312345, AccessKind::kRead), 9);
}

TEST_F(PageWalkerTest, FiveLevelsStartOneTableHigher) {
  const Gpa top{0x180000};
  ASSERT_TRUE(memory_->Write<std::uint64_t>(top + 8, kTables.value | 7));
  tables_->Map(kPage, kTarget, PageTableBuilder::kKernelData);
  system_.cr3 = top.value;
  system_.cr4 |= kCr4FiveLevelPaging;
  ExpectGpa(Walk((std::uint64_t{1} << 48U) | kPage, AccessKind::kRead), kTarget.value);
}

TEST_F(PageWalkerTest, LegacyTablesHaveFourByteEntries) {
  system_.efer = 0;
  system_.cr4 = kCr4PageSizeExtension;
  ASSERT_TRUE(memory_->Write<std::uint32_t>(kTables + 4, 0x101003));
  ASSERT_TRUE(memory_->Write<std::uint32_t>(Gpa{0x101000 + 8}, 0x5003));
  ASSERT_TRUE(memory_->Write<std::uint32_t>(kTables + 8, 0x00800083));
  ExpectGpa(Walk(0x402abc, AccessKind::kWrite), 0x5abc);
  EXPECT_EQ(memory_->Read<std::uint32_t>(Gpa{0x101000 + 8}), 0x5063U);
  ExpectGpa(Walk(0x812345, AccessKind::kRead), 0x812345);
  ExpectFault(Walk(0xc00000, AccessKind::kFetch), 0);
}

TEST_F(PageWalkerTest, PaeTablesHaveThreeLevels) {
  system_.efer = kEferNoExecute;
  system_.cr3 = kTables.value + 0x20;
  ASSERT_TRUE(memory_->Write<std::uint64_t>(kTables + 0x20 + 8, 0x101001));
  ASSERT_TRUE(memory_->Write<std::uint64_t>(Gpa{0x101000}, 0x102003));
  ASSERT_TRUE(memory_->Write<std::uint64_t>(Gpa{0x102000 + 8}, 0x5003));
  ExpectGpa(Walk(0x40001abc, AccessKind::kWrite), 0x5abc);
  EXPECT_EQ(memory_->Read<std::uint64_t>(kTables + 0x20 + 8), 0x101001U);
}

TEST_F(PageWalkerTest, TablesOutsideRamAreBroken) {
  system_.cr3 = 0x7fffffff000;
  EXPECT_TRUE(std::holds_alternative<BrokenTables>(Walk(kPage, AccessKind::kRead)));
}

}  // namespace
}  // namespace veneer
