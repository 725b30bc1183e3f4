#include <cstring>
#include <functional>
#include <vector>

#include "hypercall_fixture.h"
#include "support/units.h"

namespace veneer {
namespace {

using testing::XenGuest;

class VcpuCalls : public HypercallTest {
 protected:
  // Since Xen 4.18.
  static constexpr std::uint64_t kRunstatePhysArea = 14;
  static constexpr std::uint64_t kTimePhysArea = 15;

  std::int64_t Op(std::uint64_t operation, std::uint64_t vcpu, std::uint64_t address = 0) {
    return guest_.Call(__HYPERVISOR_vcpu_op, {operation, vcpu, address});
  }
  std::uint64_t PutInfo(std::uint64_t frame, std::uint64_t offset) {
    return guest_.Put(guest_.NewWire().U64(frame).U32(offset).U32(0));
  }
  // A page for vcpu_info and its frame.
  Gfn NewFrame() { return Gfn::Of(guest_.PhysicalOf(guest_.Allocate(kPageSize))); }
  EvtchnPort TimerPort(unsigned vcpu = 0) {
    return *guest_.domain->events().BindVirq(VIRQ_TIMER, vcpu);
  }
  // Takes the pending event as the guest's handler does.
  void Handle(EvtchnPort port) {
    ASSERT_TRUE(guest_.Pending(port));
    ASSERT_TRUE(guest_.domain->events().Close(port));
  }
};
VENEER_BOTH_WIDTHS(VcpuCalls);

TEST_P(VcpuCalls, VcpusThatDoNotExist) {
  for (const std::uint64_t vcpu : {2ULL, 31ULL, 4096ULL, 0x80000000ULL, 0xffffffffULL}) {
    for (std::uint64_t operation = 0; operation <= 13; ++operation) {
      EXPECT_EQ(Op(operation, vcpu, kBad), -XEN_ENOENT) << operation << " " << vcpu;
    }
  }
}

TEST_P(VcpuCalls, BadPointersFault) {
  for (const std::uint64_t operation :
       {VCPUOP_initialise, VCPUOP_get_runstate_info, VCPUOP_register_runstate_memory_area,
        VCPUOP_set_periodic_timer, VCPUOP_set_singleshot_timer, VCPUOP_register_vcpu_info,
        VCPUOP_register_vcpu_time_memory_area}) {
    EXPECT_EQ(Op(operation, 0, kBad), -XEN_EFAULT) << operation;
    EXPECT_EQ(Op(operation, 0, 0), -XEN_EFAULT) << operation;
  }
}

TEST_P(VcpuCalls, WithoutXensTimeThereAreNoTimers) {
  XenGuest other(GetParam(), 1, [](XenDomainOptions& options) { options.time = false; });
  for (const std::uint64_t operation :
       {VCPUOP_set_periodic_timer, VCPUOP_stop_periodic_timer, VCPUOP_set_singleshot_timer,
        VCPUOP_stop_singleshot_timer, VCPUOP_register_vcpu_time_memory_area}) {
    EXPECT_EQ(other.Call(__HYPERVISOR_vcpu_op, {operation, 0, kBad}), -XEN_ENOSYS) << operation;
  }
  EXPECT_EQ(other.Call(__HYPERVISOR_set_timer_op, {1000, 0}), -XEN_ENOSYS);
  EXPECT_EQ(other.Call(__HYPERVISOR_vcpu_op, {VCPUOP_is_up, 0}), 1);
}

TEST_P(VcpuCalls, UpAndDown) {
  EXPECT_EQ(Op(VCPUOP_is_up, 0), 1);
  EXPECT_EQ(Op(VCPUOP_is_up, 1), 0);
  EXPECT_EQ(Op(VCPUOP_up, 0), 0);
  EXPECT_EQ(Op(VCPUOP_up, 1), -XEN_EINVAL) << "not set up yet";
  guest_.machine.online = {0, 1};
  EXPECT_EQ(Op(VCPUOP_is_up, 1), 1);
  EXPECT_EQ(Op(VCPUOP_down, 1), -XEN_EOPNOTSUPP);
  EXPECT_TRUE(guest_.machine.shutdowns.empty());
  guest_.machine.online = {0};
  EXPECT_EQ(Op(VCPUOP_down, 0), 0);
  EXPECT_EQ(guest_.machine.shutdowns, std::vector{ShutdownReason::kPoweroff})
      << "the last vCPU switches the machine off";
}

// Flat segments and no paging.
vcpu_hvm_context_t Context32() {
  vcpu_hvm_context_t context{};
  context.mode = VCPU_HVM_MODE_32B;
  vcpu_hvm_x86_32& registers = context.cpu_regs.x86_32;
  registers.eip = 0x100000;
  registers.cr0 = 1;
  registers.cs_limit = registers.ds_limit = registers.ss_limit = registers.es_limit = 0xffffffff;
  registers.cs_ar = 0xc9b;
  registers.ds_ar = registers.ss_ar = registers.es_ar = 0xc93;
  registers.tr_limit = 0x67;
  registers.tr_ar = 0x89;
  return context;
}

vcpu_hvm_context_t Context64() {
  vcpu_hvm_context_t context{};
  context.mode = VCPU_HVM_MODE_64B;
  vcpu_hvm_x86_64& registers = context.cpu_regs.x86_64;
  registers.rip = 0xffff'8000'0000'0000;
  registers.cr0 = 0x80000001;
  registers.cr4 = 0x20;
  registers.efer = 0x100;
  return context;
}

TEST_P(VcpuCalls, AVcpuStartsWithTheRegistersThatItWasGiven) {
  for (const vcpu_hvm_context_t& context : {Context32(), Context64()}) {
    XenGuest guest(GetParam(), 2);
    const std::uint64_t address = guest.Put(std::as_bytes(std::span(&context, 1)));
    const auto op = [&](std::uint64_t operation, std::uint64_t vcpu, std::uint64_t argument) {
      return guest.Call(__HYPERVISOR_vcpu_op, {operation, vcpu, argument});
    };
    EXPECT_EQ(op(VCPUOP_initialise, 0, address), -XEN_EEXIST) << "it runs";
    EXPECT_EQ(op(VCPUOP_initialise, 1, address), 0);
    EXPECT_EQ(op(VCPUOP_initialise, 1, address), -XEN_EEXIST);
    EXPECT_EQ(op(VCPUOP_is_up, 1, 0), 0);
    EXPECT_TRUE(guest.machine.started.empty());
    EXPECT_EQ(op(VCPUOP_up, 1, 0), 0);
    ASSERT_TRUE(guest.machine.started.contains(1));
    EXPECT_EQ(std::memcmp(&guest.machine.started[1], &context, sizeof context), 0);
    guest.machine.started.clear();
    EXPECT_EQ(op(VCPUOP_up, 1, 0), 0);
    EXPECT_EQ(op(VCPUOP_initialise, 1, address), -XEN_EEXIST);
    EXPECT_TRUE(guest.machine.started.empty()) << "once";
  }
}

TEST_P(VcpuCalls, AVcpuThatTheHostHasNotGivenDoesNotStart) {
  const vcpu_hvm_context_t context = Context32();
  const std::uint64_t address = guest_.Put(std::as_bytes(std::span(&context, 1)));
  guest_.machine.taken = {1};
  EXPECT_EQ(Op(VCPUOP_initialise, 1, address), 0);
  EXPECT_EQ(Op(VCPUOP_up, 1), -XEN_ENOENT);
  EXPECT_EQ(Op(VCPUOP_is_up, 1), 0);
}

TEST_P(VcpuCalls, WhatAVcpuWasGivenIsForgottenWithTheGuest) {
  const vcpu_hvm_context_t context = Context32();
  const std::uint64_t address = guest_.Put(std::as_bytes(std::span(&context, 1)));
  EXPECT_EQ(Op(VCPUOP_initialise, 1, address), 0);
  guest_.domain->StartOver(0);
  EXPECT_EQ(Op(VCPUOP_up, 1), -XEN_EINVAL);
  EXPECT_EQ(Op(VCPUOP_initialise, 1, address), 0);
}

TEST_P(VcpuCalls, RegistersThatXenRefuses) {
  const auto refused = [&](vcpu_hvm_context_t context, const auto& spoil) {
    spoil(context);
    return Op(VCPUOP_initialise, 1, guest_.Put(std::as_bytes(std::span(&context, 1)))) ==
           -XEN_EINVAL;
  };
  using Spoil = std::function<void(vcpu_hvm_context_t&)>;
  const std::vector<Spoil> both = {[](auto& c) { c.pad = 1; }, [](auto& c) { c.mode = 2; }};
  const std::vector<Spoil> narrow = {
      [](auto& c) { c.cpu_regs.x86_32.pad1 = 1; },
      [](auto& c) { c.cpu_regs.x86_32.pad2[2] = 1; },
      [](auto& c) { c.cpu_regs.x86_32.cs_ar = 0; },
      [](auto& c) { c.cpu_regs.x86_32.cs_ar = 0xc93; },   // data
      [](auto& c) { c.cpu_regs.x86_32.cs_ar = 0xc1b; },   // not present
      [](auto& c) { c.cpu_regs.x86_32.cs_ar = 0x1c9b; },  // an unused bit
      [](auto& c) { c.cpu_regs.x86_32.ss_ar = 0xc91; },   // read-only
      [](auto& c) { c.cpu_regs.x86_32.ss_ar = 0xcf3; },   // another level than the code's
      [](auto& c) { c.cpu_regs.x86_32.ds_ar = 0xc99; },   // code that cannot be read
      [](auto& c) { c.cpu_regs.x86_32.es_ar = 0xc83; },   // a system segment
      [](auto& c) { c.cpu_regs.x86_32.es_ar = 0xcf3; },   // less privileged than the code
      [](auto& c) { c.cpu_regs.x86_32.tr_ar = 0x93; },    // data
      [](auto& c) { c.cpu_regs.x86_32.tr_ar = 0x82; },    // an LDT
      [](auto& c) { c.cpu_regs.x86_32.efer = 0x400; },    // active, but not enabled
      [](auto& c) {
        c.cpu_regs.x86_32.cs_ar = 0x49b;
        c.cpu_regs.x86_32.cs_limit = 0xfffff;
      },  // EIP beyond the limit
  };
  const std::vector<Spoil> wide = {
      [](auto& c) { c.cpu_regs.x86_64.rip = 0x0000'8000'0000'0000; },
      [](auto& c) { c.cpu_regs.x86_64.cr0 = 1; },
      [](auto& c) { c.cpu_regs.x86_64.cr4 = 0; },
      [](auto& c) { c.cpu_regs.x86_64.efer = 0; },
  };
  for (std::size_t i = 0; i < both.size(); ++i) {
    EXPECT_TRUE(refused(Context32(), both[i])) << i;
    EXPECT_TRUE(refused(Context64(), both[i])) << i;
  }
  for (std::size_t i = 0; i < narrow.size(); ++i) {
    EXPECT_TRUE(refused(Context32(), narrow[i])) << i;
  }
  for (std::size_t i = 0; i < wide.size(); ++i) {
    EXPECT_TRUE(refused(Context64(), wide[i])) << i;
  }
  // No data segments at all are fine.
  vcpu_hvm_context_t bare = Context32();
  bare.cpu_regs.x86_32.ds_ar = bare.cpu_regs.x86_32.es_ar = 0;
  EXPECT_EQ(Op(VCPUOP_initialise, 1, guest_.Put(std::as_bytes(std::span(&bare, 1)))), 0);
}

TEST_P(VcpuCalls, SendNmi) {
  EXPECT_EQ(Op(VCPUOP_send_nmi, 1), 0);
  EXPECT_EQ(guest_.machine.nmis, std::vector<unsigned>{1});
  EXPECT_EQ(Op(VCPUOP_send_nmi, 1, guest_.Allocate(8)), -XEN_EINVAL);
}

TEST_P(VcpuCalls, PhysicalIdsAreNotForGuests) {
  EXPECT_EQ(Op(VCPUOP_get_physid, 0, guest_.Allocate(8)), -XEN_EINVAL);
}

TEST_P(VcpuCalls, RegisterVcpuInfoMovesItAndMarksEverythingPending) {
  const Gfn frame = NewFrame();
  EXPECT_EQ(Op(VCPUOP_register_vcpu_info, 0, PutInfo(frame.value, 128)), 0);
  const Gpa info = frame.Address() + 128;
  EXPECT_EQ(guest_.memory->Read<std::uint8_t>(info), 1) << "evtchn_upcall_pending";
  if (Wide()) {
    EXPECT_EQ(guest_.memory->Read<std::uint64_t>(info + 8), ~0ULL);
  } else {
    EXPECT_EQ(guest_.memory->Read<std::uint32_t>(info + 4), 0xffffffffU);
  }
  EXPECT_EQ(guest_.machine.times.at(0), info + 32) << "where KVM keeps the clock";
  EXPECT_EQ(guest_.sink.Take(), std::vector<std::uint32_t>{0});
  EXPECT_EQ(Op(VCPUOP_register_vcpu_info, 0, PutInfo(frame.value, 0)), -XEN_EINVAL) << "twice";
}

TEST_P(VcpuCalls, RegisterVcpuInfoChecksItsPlace) {
  const Gfn frame = NewFrame();
  const auto try_offset = [&](std::uint64_t offset) {
    return Op(VCPUOP_register_vcpu_info, 0, PutInfo(frame.value, offset));
  };
  EXPECT_EQ(try_offset(kPageSize - 63), -XEN_ENXIO);
  EXPECT_EQ(try_offset(0xffffffff), -XEN_ENXIO);
  EXPECT_EQ(try_offset(1), -XEN_ENXIO);
  EXPECT_EQ(try_offset(2), -XEN_ENXIO);
  for (const std::uint64_t gfn :
       {XenGuest::kRamPages, XenGuest::kHole.value, std::uint64_t{1} << 52, ~std::uint64_t{0}}) {
    EXPECT_EQ(Op(VCPUOP_register_vcpu_info, 0, PutInfo(gfn, 0)), -XEN_EINVAL) << gfn;
  }
  EXPECT_TRUE(guest_.machine.times.empty());
  EXPECT_EQ(try_offset(kPageSize - 64), 0) << "the last place in the page";
}

TEST_P(VcpuCalls, ThirtyTwoBitsNeedLessAlignment) {
  EXPECT_EQ(Op(VCPUOP_register_vcpu_info, 0, PutInfo(NewFrame().value, 4)),
            Wide() ? -XEN_ENXIO : 0);
}

TEST_P(VcpuCalls, RegisterVcpuInfoForOthersWhileTheyAreOffline) {
  EXPECT_EQ(Op(VCPUOP_register_vcpu_info, 1, PutInfo(NewFrame().value, 0)), 0);
  XenGuest running(GetParam());
  running.machine.online = {0, 1};
  const std::uint64_t info = running.Put(running.NewWire().U64(8).U32(0).U32(0));
  EXPECT_EQ(running.Call(__HYPERVISOR_vcpu_op, {VCPUOP_register_vcpu_info, 1, info}), -XEN_EINVAL);
  EXPECT_EQ(running.CallOn(1, __HYPERVISOR_vcpu_op, {VCPUOP_register_vcpu_info, 1, info}), 0);
}

TEST_P(VcpuCalls, SingleshotTimerFiresOnce) {
  const EvtchnPort port = TimerPort();
  const std::uint64_t op = guest_.Put(guest_.NewWire().U64(10 * kMs).U32(0));
  EXPECT_EQ(Op(VCPUOP_set_singleshot_timer, 0, op), 0);
  guest_.Advance(10 * kMs - 1);
  EXPECT_FALSE(guest_.Pending(port));
  guest_.Advance(1);
  Handle(port);
  const EvtchnPort again = TimerPort();
  guest_.Advance(100 * kMs);
  EXPECT_FALSE(guest_.Pending(again));
}

TEST_P(VcpuCalls, SingleshotTimerInThePastFiresAtOnce) {
  guest_.Advance(20 * kMs);
  const EvtchnPort port = TimerPort();
  EXPECT_EQ(Op(VCPUOP_set_singleshot_timer, 0, guest_.Put(guest_.NewWire().U64(5).U32(0))), 0);
  EXPECT_TRUE(guest_.Pending(port));
}

TEST_P(VcpuCalls, SingleshotTimerThatMustBeInTheFuture) {
  guest_.Advance(20 * kMs);
  const EvtchnPort port = TimerPort();
  const auto set = [&](std::uint64_t deadline) {
    return Op(VCPUOP_set_singleshot_timer, 0,
              guest_.Put(guest_.NewWire().U64(deadline).U32(VCPU_SSHOTTMR_future)));
  };
  EXPECT_EQ(set(20 * kMs - 1), -XEN_ETIME);
  EXPECT_FALSE(guest_.Pending(port));
  EXPECT_EQ(set(20 * kMs + 1), 0);
  guest_.Advance(1);
  EXPECT_TRUE(guest_.Pending(port));
}

TEST_P(VcpuCalls, SingleshotTimersAreSetByTheirOwnVcpuOnly) {
  EXPECT_EQ(Op(VCPUOP_set_singleshot_timer, 1, kBad), -XEN_EINVAL);
  EXPECT_EQ(Op(VCPUOP_stop_singleshot_timer, 1), -XEN_EINVAL);
}

TEST_P(VcpuCalls, SingleshotTimerStops) {
  const EvtchnPort port = TimerPort();
  EXPECT_EQ(Op(VCPUOP_set_singleshot_timer, 0, guest_.Put(guest_.NewWire().U64(kMs).U32(0))), 0);
  EXPECT_EQ(Op(VCPUOP_stop_singleshot_timer, 0), 0);
  guest_.Advance(5 * kMs);
  EXPECT_FALSE(guest_.Pending(port));
}

TEST_P(VcpuCalls, PeriodicTimerTicksOnTheRightVcpu) {
  const EvtchnPort port = TimerPort(1);
  EXPECT_EQ(Op(VCPUOP_set_periodic_timer, 1, guest_.Put(guest_.NewWire().U64(2 * kMs))), 0);
  EXPECT_FALSE(guest_.Pending(port));
  guest_.Advance(2 * kMs);
  Handle(port);
  const EvtchnPort second = TimerPort(1);
  guest_.Advance(2 * kMs);
  Handle(second);
  EXPECT_EQ(Op(VCPUOP_stop_periodic_timer, 1), 0);
  const EvtchnPort third = TimerPort(1);
  guest_.Advance(20 * kMs);
  EXPECT_FALSE(guest_.Pending(third));
}

TEST_P(VcpuCalls, PeriodsOutOfRange) {
  for (const std::uint64_t period : {0ULL, 1ULL, 999'999ULL, (1ULL << 56) + 1, ~0ULL}) {
    EXPECT_EQ(Op(VCPUOP_set_periodic_timer, 0, guest_.Put(guest_.NewWire().U64(period))),
              -XEN_EINVAL)
        << period;
  }
  EXPECT_FALSE(guest_.wakeup.deadline());
}

TEST_P(VcpuCalls, RunstateTellsWhereTheTimeWent) {
  guest_.domain->SetRunState(0, RunState::kRunning);
  guest_.Advance(7 * kMs);
  guest_.domain->SetRunState(0, RunState::kBlocked);
  guest_.Advance(3 * kMs);
  guest_.domain->SetRunState(0, RunState::kRunning);
  const std::uint64_t out = guest_.Allocate(48);
  EXPECT_EQ(Op(VCPUOP_get_runstate_info, 0, out), 0);
  const std::uint64_t entry = out + (Wide() ? 8 : 4);
  EXPECT_EQ(guest_.Read(out, 4), static_cast<unsigned>(RUNSTATE_running));
  EXPECT_EQ(guest_.Read(entry, 8), 10 * kMs);
  EXPECT_EQ(guest_.Read(entry + 8, 8), 7 * kMs);
  EXPECT_EQ(guest_.Read(entry + 16, 8), 0U);
  EXPECT_EQ(guest_.Read(entry + 24, 8), 3 * kMs);
}

TEST_P(VcpuCalls, RunstateAreaIsWrittenAtOnceAndWithEveryRefresh) {
  const std::uint64_t page = guest_.Allocate(2 * kPageSize);
  const std::uint64_t area = page / kPageSize * kPageSize + kPageSize - 20;  // crosses a page
  const std::uint64_t entry = area + (Wide() ? 8 : 4);
  guest_.domain->SetRunState(0, RunState::kRunning);
  guest_.Advance(5 * kMs);
  EXPECT_EQ(Op(VCPUOP_register_runstate_memory_area, 0, guest_.Put(guest_.NewWire().U64(area))), 0);
  EXPECT_EQ(guest_.Read(entry + 8, 8), 5 * kMs);
  guest_.machine.stolen_ns = 2 * kMs;
  guest_.Advance(4 * kMs);
  guest_.domain->RefreshVcpu(0);
  EXPECT_EQ(guest_.Read(entry + 8, 8), 7 * kMs) << "running";
  EXPECT_EQ(guest_.Read(entry + 16, 8), 2 * kMs) << "stolen";
  EXPECT_EQ(Op(VCPUOP_register_runstate_memory_area, 0, guest_.Put(guest_.NewWire().U64(0))), 0);
  guest_.Advance(4 * kMs);
  guest_.domain->RefreshVcpu(0);
  EXPECT_EQ(guest_.Read(entry + 8, 8), 7 * kMs) << "no longer registered";
}

TEST_P(VcpuCalls, AreasMustBeMappedWhole) {
  const std::uint64_t end = guest_.Base() + XenGuest::kRam;
  for (const std::uint64_t operation :
       {VCPUOP_register_runstate_memory_area, VCPUOP_register_vcpu_time_memory_area}) {
    for (const std::uint64_t area : {kBad, end - 8, end}) {
      EXPECT_EQ(Op(operation, 0, guest_.Put(guest_.NewWire().U64(area))), -XEN_EFAULT);
    }
  }
}

TEST_P(VcpuCalls, SecondaryTimeFollowsThePrimary) {
  const Gfn frame = NewFrame();
  ASSERT_EQ(Op(VCPUOP_register_vcpu_info, 0, PutInfo(frame.value, 0)), 0);
  const Gpa primary = frame.Address() + 32;
  ASSERT_TRUE(guest_.memory->Write<std::uint32_t>(primary, 6));                     // version
  ASSERT_TRUE(guest_.memory->Write<std::uint64_t>(primary + 16, 0x123456789abcU));  // system_time
  const std::uint64_t area = guest_.Allocate(32);
  EXPECT_EQ(Op(VCPUOP_register_vcpu_time_memory_area, 0, guest_.Put(guest_.NewWire().U64(area))),
            0);
  EXPECT_EQ(guest_.Read(area, 4) % 2, 0U);
  EXPECT_EQ(guest_.Read(area + 16, 8), 0x123456789abcU);
  ASSERT_TRUE(guest_.memory->Write<std::uint64_t>(primary + 16, 5));
  guest_.domain->RefreshVcpu(0);
  EXPECT_EQ(guest_.Read(area + 16, 8), 0x123456789abcU) << "same version: nothing has changed";
  ASSERT_TRUE(guest_.memory->Write<std::uint32_t>(primary, 7));
  guest_.domain->RefreshVcpu(0);
  EXPECT_EQ(guest_.Read(area + 16, 8), 0x123456789abcU) << "changing just now";
  ASSERT_TRUE(guest_.memory->Write<std::uint32_t>(primary, 8));
  guest_.domain->RefreshVcpu(0);
  EXPECT_EQ(guest_.Read(area + 16, 8), 5U);
}

TEST_P(VcpuCalls, AreasByPhysicalAddressAreKept) {
  const Gpa area = NewFrame().Address() + 64;
  const auto at = [&](std::uint64_t address) { return guest_.Put(guest_.NewWire().U64(address)); };
  guest_.domain->SetRunState(0, RunState::kRunning);
  guest_.Advance(1000);
  EXPECT_EQ(Op(kRunstatePhysArea, 0, at(area.value)), 0);
  const std::uint64_t times = Wide() ? 16 : 12;
  EXPECT_EQ(guest_.memory->Read<std::uint64_t>(area + times), 1000U) << "at once";
  guest_.Advance(500);
  guest_.domain->RefreshVcpu(0);
  EXPECT_EQ(guest_.memory->Read<std::uint64_t>(area + times), 1500U);

  EXPECT_EQ(Op(kRunstatePhysArea, 0, at(~std::uint64_t{0})), 0);
  guest_.Advance(500);
  guest_.domain->RefreshVcpu(0);
  EXPECT_EQ(guest_.memory->Read<std::uint64_t>(area + times), 1500U) << "no longer";
}

TEST_P(VcpuCalls, AreasByPhysicalAddressLieInOnePageOfRam) {
  const Gfn frame = NewFrame();
  for (const std::uint64_t operation : {kRunstatePhysArea, kTimePhysArea}) {
    const auto try_at = [&](std::uint64_t address) {
      return Op(operation, 0, guest_.Put(guest_.NewWire().U64(address)));
    };
    EXPECT_EQ(try_at(frame.Address().value + 2), -XEN_ENXIO);
    EXPECT_EQ(try_at(frame.Address().value + 4), Wide() ? -XEN_ENXIO : 0);
    EXPECT_EQ(try_at(frame.Address().value + kPageSize - 16), -XEN_ENXIO);
    EXPECT_EQ(try_at(XenGuest::kHole.Address().value), -XEN_EINVAL);
    EXPECT_EQ(try_at(~std::uint64_t{0} - 4095), -XEN_EINVAL);
    EXPECT_EQ(try_at(~std::uint64_t{0} - 7), -XEN_ENXIO);
    EXPECT_EQ(try_at(frame.Address().value), 0);
    EXPECT_EQ(Op(operation, 7, guest_.Allocate(8)), -XEN_ENOENT);
    EXPECT_EQ(Op(operation, 0, kBad), -XEN_EFAULT);
  }
}

TEST_P(VcpuCalls, TheFeaturesTellOfAreasByPhysicalAddress) {
  const std::uint64_t info = guest_.Put(guest_.NewWire().U32(0).U32(0));
  EXPECT_EQ(guest_.Call(__HYPERVISOR_xen_version, {XENVER_get_features, info}), 0);
  EXPECT_EQ(guest_.Read(info + 4, 4) >> 18U & 3U, 3U);
}

}  // namespace
}  // namespace veneer
