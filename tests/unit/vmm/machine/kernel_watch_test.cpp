#include "src/vmm/machine/kernel_watch.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scripted_vcpu.h"
#include "veneer/vmm/vcpu/registers.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint32_t kMsrGsBase = 0xc0000101;
constexpr std::uint64_t kMemory = std::uint64_t{8} << 20U;
constexpr Gpa kKernel{std::uint64_t{2} << 20U};
constexpr std::uint64_t kTextBase = 0xffffffff80000000 + (std::uint64_t{16} << 20U);
// Where in the kernel's text the two functions stand.
constexpr std::uint64_t kSites = 0x12340;

class KernelWatchTest : public ::testing::Test {
 protected:
  KernelWatchTest() : memory_(std::move(*GuestMemory::CreateFlat(kMemory))), vcpu_(*memory_) {
    vcpu_.msrs = {{kMsrEfer, 0}, {kMsrGsBase, 0}};
  }

  std::unique_ptr<KernelWatch> Make(KernelWatch::Expects expects) {
    return std::make_unique<KernelWatch>(*memory_, expects, [this] { ++changes_; });
  }
  // The functions of a 64-bit kernel, each in a slot of its own.
  void PutWide(Gpa kernel) {
    constexpr std::array<std::uint8_t, 32> kCode{0x0f, 0x01, 0xd9, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc,
                                                 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
                                                 0x0f, 0x01, 0xc1, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc,
                                                 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc};
    ASSERT_TRUE(memory_->WriteBytes(kernel + kSites, std::as_bytes(std::span(kCode))));
  }
  // Those of a 32-bit one, back to back.
  void PutNarrow(Gpa kernel) {
    constexpr std::array<std::uint8_t, 8> kCode{0x0f, 0x01, 0xd9, 0xc3, 0x0f, 0x01, 0xc1, 0xc3};
    ASSERT_TRUE(memory_->WriteBytes(kernel + kSites + 4, std::as_bytes(std::span(kCode))));
  }
  // The kernel's text as a running 64-bit kernel maps it.
  void MapText() {
    PageTableBuilder tables(*memory_, Gpa{0x100000});
    for (std::uint64_t page = 0; page < (std::uint64_t{2} << 20U); page += kPageSize) {
      tables.Map(kTextBase + page, kKernel + page, PageTableBuilder::kKernelCode);
    }
    vcpu_.system.cr3 = tables.root().value;
    vcpu_.system.cr0 |= kCr0Paging;
    vcpu_.system.efer = kEferLongModeEnable | kEferLongModeActive;
  }
  bool Write(KernelWatch& watch, std::uint32_t index, std::uint64_t value) {
    std::uint8_t fault = 0xff;
    const bool mine = watch.OnMsr(
        vcpu_, MsrExit{.index = index, .write = true, .value = &value, .fault = &fault});
    EXPECT_EQ(fault, mine ? 0 : 0xff);
    return mine;
  }
  // Whether an `out` stands where the first of the instructions stood.
  bool Patched(std::uint64_t offset) {
    return memory_->Read<std::uint8_t>(kKernel + offset) != std::optional<std::uint8_t>(0x0f);
  }
  static std::vector<std::uint32_t> Watched(const KernelWatch& watch) {
    std::vector<std::uint32_t> indices;
    for (const MsrRange& range : watch.Msrs()) {
      EXPECT_EQ(range.count, 1U);
      EXPECT_TRUE(range.writes);
      EXPECT_FALSE(range.reads);
      indices.push_back(range.first);
    }
    return indices;
  }

  std::unique_ptr<GuestMemory> memory_;
  ScriptedVcpu vcpu_;
  unsigned changes_ = 0;
};

TEST_F(KernelWatchTest, AKernelThatWeHaveLoadedIsNotWatched) {
  const auto watch = Make(KernelWatch::Expects::kNothing);
  EXPECT_THAT(Watched(*watch), IsEmpty());
  PutWide(kKernel);
  MapText();
  // One that was under way when the watch ended still does what the guest wanted.
  EXPECT_TRUE(Write(*watch, kMsrEfer, 0xd01));
  EXPECT_EQ(vcpu_.GetMsr(kMsrEfer), 0xd01U);
  EXPECT_FALSE(Patched(kSites));
}

TEST_F(KernelWatchTest, TheFirstKernelIsFoundWhenItWritesEfer) {
  const auto watch = Make(KernelWatch::Expects::kAtBoot);
  EXPECT_THAT(Watched(*watch), ElementsAre(kMsrEfer));
  PutWide(kKernel);
  MapText();
  EXPECT_TRUE(Write(*watch, kMsrEfer, 0xd01));
  EXPECT_TRUE(Patched(kSites));
  EXPECT_TRUE(Patched(kSites + 16));
  EXPECT_THAT(Watched(*watch), IsEmpty());
  EXPECT_EQ(changes_, 1U);
}

TEST_F(KernelWatchTest, AfterAKexecTheBaseOfGsTells) {
  const auto watch = Make(KernelWatch::Expects::kNothing);
  watch->Arm();
  EXPECT_EQ(changes_, 1U);
  EXPECT_THAT(Watched(*watch), ElementsAre(kMsrEfer, kMsrGsBase));
  PutWide(kKernel);
  // Not yet at its place: as the decompressor does it.
  vcpu_.system.cr3 = 0;
  vcpu_.system.cr0 |= kCr0Paging;
  vcpu_.system.efer = kEferLongModeEnable | kEferLongModeActive;
  EXPECT_TRUE(Write(*watch, kMsrGsBase, 0x1000));
  EXPECT_FALSE(Patched(kSites));
  MapText();
  EXPECT_TRUE(Write(*watch, kMsrGsBase, 0xffffffff82000000));
  EXPECT_EQ(vcpu_.GetMsr(kMsrGsBase), 0xffffffff82000000U);
  EXPECT_TRUE(Patched(kSites));
  EXPECT_THAT(Watched(*watch), IsEmpty());
  // And the next one.
  watch->Arm();
  PutWide(kKernel);
  EXPECT_FALSE(Patched(kSites));
  EXPECT_TRUE(Write(*watch, kMsrGsBase, 0xffffffff82000000));
  EXPECT_TRUE(Patched(kSites));
}

TEST_F(KernelWatchTest, A32BitKernelIsFoundAroundItsFirstInstructions) {
  const auto watch = Make(KernelWatch::Expects::kNothing);
  watch->Arm();
  PutNarrow(kKernel);
  vcpu_.system.efer = 0;
  vcpu_.system.cr0 = kCr0ProtectedMode;
  vcpu_.registers.rip = kKernel.value + 0x1a2;
  EXPECT_TRUE(Write(*watch, kMsrEfer, 0x800));
  EXPECT_TRUE(Patched(kSites + 4));
  EXPECT_TRUE(Patched(kSites + 8));
  EXPECT_THAT(Watched(*watch), IsEmpty());
}

TEST_F(KernelWatchTest, APlaceOutsideMemoryIsNoKernel) {
  const auto watch = Make(KernelWatch::Expects::kNothing);
  watch->Arm();
  vcpu_.system.efer = 0;
  vcpu_.system.cr0 = kCr0ProtectedMode;
  for (const std::uint64_t rip : {kMemory, ~std::uint64_t{0}, kMemory - 1}) {
    vcpu_.registers.rip = rip;
    EXPECT_TRUE(Write(*watch, kMsrEfer, 0x800));
  }
}

TEST_F(KernelWatchTest, AGuestWithoutSitesIsNotWatchedForEver) {
  const auto watch = Make(KernelWatch::Expects::kNothing);
  watch->Arm();
  MapText();
  unsigned writes = 0;
  while (!Watched(*watch).empty()) {
    ASSERT_LT(++writes, 1000U);
    EXPECT_TRUE(Write(*watch, kMsrGsBase, writes));
  }
  EXPECT_EQ(changes_, 2U);
}

TEST_F(KernelWatchTest, OtherRegistersAreNotItsBusiness) {
  const auto watch = Make(KernelWatch::Expects::kNothing);
  watch->Arm();
  EXPECT_FALSE(Write(*watch, 0x40000000, 0x1000));
  std::uint64_t value = 1;
  std::uint8_t fault = 7;
  EXPECT_FALSE(watch->OnMsr(
      vcpu_, MsrExit{.index = kMsrEfer, .write = false, .value = &value, .fault = &fault}));
  EXPECT_EQ(fault, 7);
}

}  // namespace
}  // namespace veneer
