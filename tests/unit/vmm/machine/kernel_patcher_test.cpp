#include "src/vmm/machine/kernel_patcher.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/scripted_vcpu.h"

namespace veneer {
namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20U;
constexpr std::uint64_t kTextSize = 2 * kMib;
constexpr Gpa kText{4 * kMib};
constexpr std::uint64_t kSite = 0x2000;
constexpr std::uint64_t kLinearText = 0xffffffff80000000;

// The two hypercall functions of Linux 6.1 as they stand in its text.
constexpr std::array<std::uint8_t, 32> kPair = {
    0x0f, 0x01, 0xd9, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
    0x0f, 0x01, 0xc1, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc};

class KernelPatcherTest : public ::testing::Test {
 protected:
  void PutPair(Gpa at) { ASSERT_TRUE(memory_->WriteBytes(at, std::as_bytes(std::span(kPair)))); }
  bool Untouched(Gpa at) {
    std::array<std::uint8_t, kPair.size()> found{};
    EXPECT_TRUE(memory_->ReadBytes(at, std::as_writable_bytes(std::span(found))));
    return found == kPair;
  }
  // Pages of 2 MiB are all that is looked at, by their first address.
  void Map(std::uint64_t linear, Gpa gpa) {
    tables_.Map(linear, gpa, PageTableBuilder::kKernelCode);
  }
  static LoadedKernel Loaded(std::vector<LoadedSegment> segments) {
    LoadedKernel kernel;
    kernel.segments = std::move(segments);
    return kernel;
  }
  std::optional<unsigned> PatchRunning() {
    vcpu_.system.efer = kEferLongModeEnable | kEferLongModeActive;
    vcpu_.system.cr0 |= kCr0Paging;
    vcpu_.system.cr3 = tables_.root().value;
    return PatchRunningKernel(*memory_, vcpu_);
  }

  const std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(16 * kMib).value();
  PageTableBuilder tables_{*memory_, Gpa{kMib}};
  ScriptedVcpu vcpu_{*memory_};
};

TEST_F(KernelPatcherTest, ALoadedKernelsSitesAreRewritten) {
  PutPair(kText + kSite);
  const std::vector<LoadedSegment> segments = {
      {.base = kText, .file_size = kTextSize, .memory_size = kTextSize, .executable = true}};
  EXPECT_EQ(PatchLoadedKernel(*memory_, Loaded(segments)), 2U);
  EXPECT_FALSE(Untouched(kText + kSite));
}

TEST_F(KernelPatcherTest, DataIsLeftAlone) {
  PutPair(kText + kSite);
  PutPair(kText + kTextSize + kSite);
  const std::vector<LoadedSegment> segments = {
      {.base = kText, .file_size = kTextSize, .memory_size = kTextSize, .executable = false},
      // Beyond what came from the file is zero-initialised data.
      {.base = kText + kTextSize,
       .file_size = 0x1000,
       .memory_size = kTextSize,
       .executable = true}};
  EXPECT_EQ(PatchLoadedKernel(*memory_, Loaded(segments)), 0U);
  EXPECT_TRUE(Untouched(kText + kSite));
  EXPECT_TRUE(Untouched(kText + kTextSize + kSite));
}

TEST_F(KernelPatcherTest, AKernelThatHasUnpackedItselfIsFoundInItsOwnPageTables) {
  PutPair(kText + kSite);
  Map(kLinearText + 8 * kTextSize, kText);  // where address randomisation has put it
  EXPECT_EQ(PatchRunning(), 2U);
  EXPECT_FALSE(Untouched(kText + kSite));
}

TEST_F(KernelPatcherTest, APairInTheSecondOfTwoAdjoiningPagesIsFoundToo) {
  PutPair(kText + kTextSize + kSite);
  Map(kLinearText, kText);
  Map(kLinearText + kTextSize, kText + kTextSize);
  EXPECT_EQ(PatchRunning(), 2U);
}

TEST_F(KernelPatcherTest, TextThatIsMappedPastTheGuestsMemoryIsNoneToPatch) {
  Map(kLinearText, Gpa{64 * kMib});
  EXPECT_EQ(PatchRunning().value_or(0), 0U);
}

// A guest that maps all of the range, to the same memory again and again, does not keep its vCPU
// in there.
TEST_F(KernelPatcherTest, NoMoreIsLookedThroughThanAKernelHas) {
  constexpr std::uint64_t kMost = 256 * kMib / kTextSize;
  PutPair(kText + kSite);
  for (std::uint64_t page = 0; page < kMost; ++page) {
    Map(kLinearText + page * kTextSize, kText + kTextSize);
  }
  Map(kLinearText + kMost * kTextSize, kText);
  EXPECT_EQ(PatchRunning(), 0U);
  EXPECT_TRUE(Untouched(kText + kSite));
  Map(kLinearText + (kMost - 1) * kTextSize, kText);
  EXPECT_EQ(PatchRunning(), 2U);
}

TEST_F(KernelPatcherTest, BeforeTheKernelIsMappedNothingIsFound) {
  PutPair(kText + kSite);
  EXPECT_EQ(PatchRunning(), std::nullopt);
  EXPECT_TRUE(Untouched(kText + kSite));
}

}  // namespace
}  // namespace veneer
