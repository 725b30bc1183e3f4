// The domain where KVM's own Xen support does part of its work.
#include "veneer/xencompat/domain/kernel_support.h"

#include <map>
#include <optional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/xen_guest.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::XenGuest;

class FakeKernel final : public KernelSupport {
 public:
  void SetWidth(GuestWidth width) override { widths.push_back(width); }
  void MoveVcpuInfo(unsigned vcpu, Gpa info) override { infos[vcpu] = info; }
  bool KeepRunstate(unsigned vcpu, std::optional<Gpa> area) override {
    runstates[vcpu] = area;
    return keeps;
  }
  void FlagRunstateUpdates(bool on) override { flags_updates = on; }
  std::optional<vcpu_runstate_info_t> ReadRunstate(unsigned) override { return runstate; }
  bool KeepSecondaryTime(unsigned vcpu, std::optional<Gpa> area) override {
    times[vcpu] = area;
    return keeps;
  }

  bool keeps = true;
  std::vector<GuestWidth> widths;
  std::map<unsigned, Gpa> infos;
  std::map<unsigned, std::optional<Gpa>> runstates;
  std::map<unsigned, std::optional<Gpa>> times;
  bool flags_updates = false;
  std::optional<vcpu_runstate_info_t> runstate;
};

class KernelSupportTest : public ::testing::Test {
 protected:
  std::int64_t VcpuOp(std::uint32_t operation, std::uint64_t argument) {
    return guest_.Call(__HYPERVISOR_vcpu_op, {operation, 0, argument});
  }
  // What the guest registers by its address: `area`.
  std::int64_t Register(std::uint32_t operation, std::uint64_t area) {
    return VcpuOp(operation, guest_.Put(guest_.NewWire().Word(area)));
  }
  std::int32_t RunstateAt(std::uint64_t area) {
    return static_cast<std::int32_t>(guest_.Read(area, 4));
  }

  FakeKernel kernel_;
  XenGuest guest_{GuestWidth::k64, 2,
                  [this](XenDomainOptions& options) { options.kernel = &kernel_; }};
};

TEST_F(KernelSupportTest, HearsWhereAVcpuInfoMovesAndKeepsItsClock) {
  ASSERT_TRUE(guest_.domain->MapSharedInfo(0, Gfn{7}));
  ASSERT_TRUE(guest_.domain->RegisterVcpuInfo(0, 1, Gfn{9}, 64));
  EXPECT_THAT(kernel_.infos, ElementsAre(Pair(1U, Gpa{9 * kPageSize + 64})));
  EXPECT_THAT(guest_.machine.times, IsEmpty());
}

TEST_F(KernelSupportTest, HearsOfTheWidth) {
  guest_.domain->LatchWidth(GuestWidth::k32);
  guest_.domain->LatchWidth(GuestWidth::k32);
  EXPECT_THAT(kernel_.widths, ElementsAre(GuestWidth::k32));
}

TEST_F(KernelSupportTest, KeepsTheRunstateAndNobodyElseWritesIt) {
  const std::uint64_t area = guest_.Allocate(sizeof(vcpu_runstate_info_t));
  guest_.domain->SetRunState(0, RunState::kBlocked);
  ASSERT_EQ(Register(VCPUOP_register_runstate_memory_area, area), 0);
  EXPECT_THAT(kernel_.runstates, ElementsAre(Pair(0U, guest_.PhysicalOf(area))));
  guest_.domain->RefreshVcpu(0);
  EXPECT_EQ(RunstateAt(area), 0);
  ASSERT_EQ(Register(VCPUOP_register_runstate_memory_area, 0), 0);
  EXPECT_THAT(kernel_.runstates, ElementsAre(Pair(0U, std::nullopt)));
}

TEST_F(KernelSupportTest, ARunstateThatItDoesNotKeepIsWrittenFromHere) {
  kernel_.keeps = false;
  const std::uint64_t area = guest_.Allocate(sizeof(vcpu_runstate_info_t));
  guest_.domain->SetRunState(0, RunState::kBlocked);
  ASSERT_EQ(Register(VCPUOP_register_runstate_memory_area, area), 0);
  EXPECT_EQ(RunstateAt(area), RUNSTATE_blocked);
}

TEST_F(KernelSupportTest, AnAreaInTwoPiecesIsKeptFromHere) {
  // Every two pages are swapped in this guest.
  const std::uint64_t area = guest_.Allocate(kPageSize * 2) | (kPageSize - 8);
  guest_.domain->SetRunState(0, RunState::kBlocked);
  ASSERT_EQ(Register(VCPUOP_register_runstate_memory_area, area), 0);
  EXPECT_THAT(kernel_.runstates, ElementsAre(Pair(0U, std::nullopt)));
  EXPECT_EQ(RunstateAt(area), RUNSTATE_blocked);
}

TEST_F(KernelSupportTest, KeepsTheSecondClock) {
  const std::uint64_t area = guest_.Allocate(sizeof(vcpu_time_info_t));
  ASSERT_EQ(Register(VCPUOP_register_vcpu_time_memory_area, area), 0);
  EXPECT_THAT(kernel_.times, ElementsAre(Pair(0U, guest_.PhysicalOf(area))));
}

TEST_F(KernelSupportTest, IsAskedForTheRunstate) {
  kernel_.runstate =
      vcpu_runstate_info_t{.state = RUNSTATE_running, .state_entry_time = 5, .time = {1, 2, 3, 4}};
  EXPECT_EQ(guest_.domain->ReadRunstate(0).time[3], 4U);
}

TEST_F(KernelSupportTest, HearsOfTheUpdateFlag) {
  EXPECT_EQ(
      guest_.Call(__HYPERVISOR_vm_assist, {VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag}),
      0);
  EXPECT_TRUE(kernel_.flags_updates);
}

TEST_F(KernelSupportTest, APauseIsNotedInTheVcpusClock) {
  ASSERT_TRUE(guest_.domain->RegisterVcpuInfo(0, 0, Gfn{9}, 0));
  guest_.domain->NoteStopped(0);
  const auto flags = guest_.memory->Read<std::uint8_t>(
      Gpa{9 * kPageSize} + (offsetof(vcpu_info_t, time) + offsetof(vcpu_time_info_t, flags)));
  EXPECT_EQ(flags, 2);
}

}  // namespace
}  // namespace veneer
