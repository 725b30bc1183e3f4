#include "veneer/xencompat/entry/hypercall_page.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stub_interpreter.h"
#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr HypercallPorts kPagePorts = {.call = 0x60, .send = 0x64};
constexpr std::size_t kStub = 32;

class HypercallPage : public ::testing::TestWithParam<GuestWidth> {
 protected:
  HypercallPage() {
    BuildHypercallPage(page_, GetParam(), kPagePorts);
    for (std::size_t i = 0; i < cpu_.gpr.size(); ++i) {
      cpu_.gpr[i] = 0x1111111100000000U * (GetParam() == GuestWidth::k64) + 0x1000U + i;
    }
  }
  StubRun Call(std::uint32_t number) { return cpu_.Run(page_, number * kStub, GetParam()); }
  // The first two arguments' registers.
  std::uint64_t& Command() { return cpu_.gpr[GetParam() == GuestWidth::k64 ? 7 : 3]; }
  std::uint64_t& Argument() { return cpu_.gpr[GetParam() == GuestWidth::k64 ? 6 : 1]; }

  std::array<std::byte, kPageSize> page_{};
  StubCpu cpu_;
};

TEST_P(HypercallPage, EveryStubLeavesWithItsNumberAndKeepsTheArguments) {
  for (std::uint32_t number = 0; number < kPageSize / kStub; ++number) {
    if (number == __HYPERVISOR_iret) {
      continue;
    }
    Command() = 0x7fffffff;
    const auto before = cpu_.gpr;
    cpu_.on_out = [](StubCpu& cpu, std::uint8_t) { cpu.gpr[0] = 0xfeedf00d; };
    const StubRun run = Call(number);
    ASSERT_FALSE(run.error) << number << ": " << *run.error;
    EXPECT_TRUE(run.returned);
    EXPECT_THAT(run.writes, ElementsAre(Pair(kPagePorts.call, number)));
    EXPECT_EQ(cpu_.gpr[0], 0xfeedf00dU) << "the machine's result is what the caller gets";
    for (std::size_t i = 1; i < before.size(); ++i) {
      EXPECT_EQ(cpu_.gpr[i], before[i]) << "stub " << number << " changes register " << i;
    }
  }
}

TEST_P(HypercallPage, NoStubReachesIntoTheNext) {
  for (std::uint32_t number = 0; number < kPageSize / kStub; ++number) {
    Command() = 1;
    EXPECT_LT(Call(number).end, (number + 1U) * kStub);
  }
}

TEST_P(HypercallPage, IretIsUndefined) { EXPECT_TRUE(Call(__HYPERVISOR_iret).undefined); }

TEST_P(HypercallPage, SendWritesThePortAndReturnsSuccess) {
  Command() = EVTCHNOP_send;
  cpu_.words[Argument()] = 1234;
  const auto before = cpu_.gpr;
  const StubRun run = Call(__HYPERVISOR_event_channel_op);
  ASSERT_FALSE(run.error) << *run.error;
  EXPECT_THAT(run.writes, ElementsAre(Pair(kPagePorts.send, 1234)));
  EXPECT_EQ(cpu_.gpr[0], 0U);
  for (std::size_t i = 1; i < before.size(); ++i) {
    EXPECT_EQ(cpu_.gpr[i], before[i]);
  }
}

TEST_P(HypercallPage, SendReturnsTheErrorThatUserspaceLeaves) {
  Command() = EVTCHNOP_send;
  cpu_.words[Argument()] = 1234;
  cpu_.on_out = [](StubCpu& cpu, std::uint8_t) {
    cpu.gpr[0] = static_cast<std::uint64_t>(-XEN_EINVAL);
    cpu.carry = true;
  };
  const StubRun run = Call(__HYPERVISOR_event_channel_op);
  EXPECT_TRUE(run.returned);
  EXPECT_EQ(cpu_.gpr[0], static_cast<std::uint64_t>(-XEN_EINVAL));
}

TEST_P(HypercallPage, OtherEventChannelOperationsDoNotReadTheArgument) {
  for (const std::uint32_t command : {0U, 3U, 5U, 0x104U, 0x80000004U}) {
    Command() = command;
    const StubRun run = Call(__HYPERVISOR_event_channel_op);
    ASSERT_FALSE(run.error) << *run.error;
    EXPECT_THAT(run.writes, ElementsAre(Pair(kPagePorts.call, __HYPERVISOR_event_channel_op)));
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, HypercallPage, ::testing::Values(GuestWidth::k64, GuestWidth::k32),
                         [](const auto& param_info) {
                           return param_info.param == GuestWidth::k64 ? "Wide" : "Narrow";
                         });

TEST(InterceptedPage, EachStubIsTheNumberAndTheProcessorsOwnInstruction) {
  std::array<std::byte, kPageSize> page{};
  for (const auto& [instruction, last] :
       {std::pair(HypercallInstruction::kVmcall, 0xc1), {HypercallInstruction::kVmmcall, 0xd9}}) {
    BuildInterceptedPage(page, instruction);
    for (std::size_t number = 0; number < kPageSize / kStub; ++number) {
      std::array<std::uint8_t, kStub> expected{};
      expected.fill(0xcc);
      if (number == __HYPERVISOR_iret) {
        expected[0] = 0x0f;
        expected[1] = 0x0b;
      } else {
        const std::array<std::uint8_t, 9> stub = {
            0xb8, static_cast<std::uint8_t>(number), 0,   0, 0, 0x0f,
            0x01, static_cast<std::uint8_t>(last),   0xc3};
        std::copy(stub.begin(), stub.end(), expected.begin());
      }
      EXPECT_EQ(std::memcmp(page.data() + number * kStub, expected.data(), kStub), 0) << number;
    }
  }
}

}  // namespace
}  // namespace veneer
