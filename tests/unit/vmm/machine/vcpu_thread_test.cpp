#include "src/vmm/machine/vcpu_thread.h"

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scripted_vcpu.h"

namespace veneer {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::byte kUntouched{0xcc};

struct Access {
  bool write = false;
  std::uint64_t offset = 0;
  unsigned size = 0;
  std::uint64_t value = 0;  // written or, for a read, answered
  friend bool operator==(const Access&, const Access&) = default;
};

// Answers reads with one byte pattern after the other and remembers everything.
class RecordingDevice final : public BusDevice {
 public:
  std::uint64_t Read(std::uint64_t offset, unsigned size) override {
    answer += 0x1010101010101010;
    accesses.push_back({false, offset, size, answer});
    return answer;
  }
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override {
    accesses.push_back({true, offset, size, value});
  }
  std::uint64_t answer = 0x0807060504030201;
  std::vector<Access> accesses;
};

// Bytes 1, 2, 3, …
std::vector<std::byte> Counting(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(i + 1);
  }
  return bytes;
}

// The first `size` bytes of Counting(), read as a little-endian number.
std::uint64_t CountingValue(unsigned size) { return 0x0807060504030201 & AllOnes(size); }

// Does what a test tells it to, and keeps the number of its calls.
class FakeHandler final : public ExitHandler {
 public:
  Outcome OnExit(Vcpu& vcpu, const VcpuExit& exit) override {
    ++exits;
    return on_exit ? on_exit(vcpu, exit) : Outcome::kNotMine;
  }
  void BeforeRun(Vcpu& vcpu) override {
    ++runs;
    if (before_run) {
      before_run(vcpu);
    }
  }
  void AfterPause(Vcpu& /*vcpu*/) override { ++pauses; }
  void OnTaken(Vcpu& /*vcpu*/) override { ++takings; }
  std::function<Outcome(Vcpu&, const VcpuExit&)> on_exit;
  std::function<void(Vcpu&)> before_run;
  int exits = 0;
  int runs = 0;
  int pauses = 0;
  int takings = 0;
};

class VcpuThreadTest : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kPort = 0x300;
  static constexpr std::uint64_t kRegister = 0xfed00000;

  VcpuThreadTest() {
    EXPECT_TRUE(ports_.Attach(kPort, 8, device_));
    EXPECT_TRUE(mmio_.Attach(kRegister, 0x100, device_));
    auto vcpu = std::make_unique<ScriptedVcpu>(*memory_, 2);
    vcpu_ = vcpu.get();
    thread_ = std::make_unique<VcpuThread>(
        std::move(vcpu), VcpuContext{gate_, ports_, mmio_, *memory_, metrics_,
                                     [this](const MachineStop& stop) { stops_.push_back(stop); }});
  }

  FakeHandler& AddFakeHandler() {
    auto handler = std::make_unique<FakeHandler>();
    FakeHandler& added = *handler;
    thread_->AddExitHandler(std::move(handler));
    return added;
  }
  // Ends the loop at the first exit after the script.
  void StopAfterScript() {
    AddFakeHandler().on_exit = [this](Vcpu&, const VcpuExit& exit) {
      if (std::holds_alternative<InterruptedExit>(exit)) {
        gate_.Stop();
      }
      return ExitHandler::Outcome::kNotMine;
    };
  }
  void RunScript() {
    StopAfterScript();
    ASSERT_TRUE(thread_->Start());
    thread_->Join();
  }
  std::uint64_t Count(const char* name) { return metrics_.Get(name).value(); }

  const std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(kPageSize).value();
  Metrics metrics_;
  RunGate gate_;
  Bus ports_{"port", metrics_.Get("bus.port.unclaimed")};
  Bus mmio_{"memory", metrics_.Get("bus.memory.unclaimed")};
  RecordingDevice device_;
  std::vector<MachineStop> stops_;
  ScriptedVcpu* vcpu_ = nullptr;
  std::unique_ptr<VcpuThread> thread_;
};

class PortSizes : public VcpuThreadTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  static std::uint8_t Size() { return static_cast<std::uint8_t>(GetParam()); }
};

TEST_P(PortSizes, WritesReachTheDevice) {
  std::vector<std::byte> data = Counting(Size());
  thread_->Handle(PioExit{kPort + 1, Size(), true, 1, data});
  EXPECT_THAT(device_.accesses, ElementsAre(Access{true, 1, Size(), CountingValue(Size())}));
  EXPECT_EQ(Count("exits.pio"), 1U);
}

TEST_P(PortSizes, ReadsFillTheItemAndNothingElse) {
  std::vector<std::byte> data(8, kUntouched);
  thread_->Handle(PioExit{kPort, Size(), false, 1, std::span(data).first(Size())});
  ASSERT_EQ(device_.accesses.size(), 1U);
  EXPECT_EQ(device_.accesses[0].size, Size());
  for (std::size_t i = 0; i < data.size(); ++i) {
    const auto answered = static_cast<std::byte>(device_.accesses[0].value >> (8 * i));
    EXPECT_EQ(data[i], i < Size() ? answered : kUntouched) << i;
  }
}

TEST_P(PortSizes, ReadsOfNobodyAreAllOnes) {
  std::vector<std::byte> data(Size());
  thread_->Handle(PioExit{0x80, Size(), false, 1, data});
  EXPECT_THAT(data, Each(std::byte{0xff}));
  EXPECT_EQ(Count("bus.port.unclaimed"), 1U);
}

TEST_P(PortSizes, StringWritesGoToTheSamePortOneByOne) {
  std::vector<std::byte> data = Counting(std::size_t{3} * Size());
  thread_->Handle(PioExit{kPort, Size(), true, 3, data});
  ASSERT_EQ(device_.accesses.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    std::uint64_t expected = 0;
    std::memcpy(&expected, data.data() + i * Size(), Size());
    EXPECT_EQ(device_.accesses[i], (Access{true, 0, Size(), expected}));
  }
  EXPECT_EQ(Count("exits.pio"), 1U);
}

TEST_P(PortSizes, StringReadsKeepTheOrderOfAnswers) {
  std::vector<std::byte> data(std::size_t{4} * Size());
  thread_->Handle(PioExit{kPort, Size(), false, 4, data});
  ASSERT_EQ(device_.accesses.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    std::uint64_t item = 0;
    std::memcpy(&item, data.data() + i * Size(), Size());
    EXPECT_EQ(item, device_.accesses[i].value & AllOnes(Size())) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(OneTwoAndFourBytes, PortSizes, ::testing::Values(1U, 2U, 4U));

TEST_F(VcpuThreadTest, AStringOfNoItemsTouchesNothing) {
  thread_->Handle(PioExit{kPort, 4, true, 0, {}});
  EXPECT_THAT(device_.accesses, IsEmpty());
}

class MmioSizes : public VcpuThreadTest, public ::testing::WithParamInterface<unsigned> {};

TEST_P(MmioSizes, WritesReachTheDevice) {
  std::vector<std::byte> data = Counting(GetParam());
  thread_->Handle(MmioExit{Gpa{kRegister + 0x10}, true, data});
  EXPECT_THAT(device_.accesses,
              ElementsAre(Access{true, 0x10, GetParam(), CountingValue(GetParam())}));
  EXPECT_EQ(Count("exits.mmio"), 1U);
}

TEST_P(MmioSizes, ReadsFillTheItemAndNothingElse) {
  std::vector<std::byte> data(12, kUntouched);
  thread_->Handle(MmioExit{Gpa{kRegister}, false, std::span(data).first(GetParam())});
  ASSERT_EQ(device_.accesses.size(), 1U);
  for (std::size_t i = 0; i < data.size(); ++i) {
    const auto answered = static_cast<std::byte>(i < 8 ? device_.accesses[0].value >> (8 * i) : 0);
    EXPECT_EQ(data[i], i < GetParam() ? answered : kUntouched) << i;
  }
}

TEST_P(MmioSizes, ReadsOfNobodyAreAllOnes) {
  std::vector<std::byte> data(GetParam());
  thread_->Handle(MmioExit{Gpa{0xfffffffffffff000}, false, data});
  EXPECT_THAT(data, Each(std::byte{0xff}));
  EXPECT_EQ(Count("bus.memory.unclaimed"), 1U);
}

INSTANTIATE_TEST_SUITE_P(OneToEightBytes, MmioSizes, ::testing::Range(1U, 9U));

TEST_F(VcpuThreadTest, AnMsrThatNobodyWantsIsAFaultAndKeepsItsValue) {
  for (const bool write : {false, true}) {
    std::uint64_t value = 0x1234;
    std::uint8_t fault = 0;
    thread_->Handle(MsrExit{0x10, write, &value, &fault});
    EXPECT_EQ(fault, 1);
    EXPECT_EQ(value, 0x1234U);
  }
  EXPECT_EQ(Count("exits.msr"), 2U);
  EXPECT_THAT(stops_, IsEmpty());
}

TEST_F(VcpuThreadTest, AShutdownStopsTheMachineAsATripleFaultAndSaysWhere) {
  vcpu_->registers.rip = 0xffffffff81234567;
  thread_->Handle(ShutdownExit{});
  ASSERT_EQ(stops_.size(), 1U);
  EXPECT_EQ(stops_[0].reason, StopReason::kTripleFault);
  EXPECT_THAT(stops_[0].detail, AllOf(HasSubstr("vCPU 2"), HasSubstr("0xffffffff81234567")));
}

TEST_F(VcpuThreadTest, AnEmulationFailureStopsTheMachineWithTheInstruction) {
  vcpu_->registers.rip = 0x7c00;
  EmulationFailureExit failure{};
  failure.bytes = {0x0f, 0x01, 0xd0};  // xgetbv
  failure.length = 3;
  thread_->Handle(failure);
  ASSERT_EQ(stops_.size(), 1U);
  EXPECT_EQ(stops_[0].reason, StopReason::kEmulationFailure);
  EXPECT_THAT(stops_[0].detail, AllOf(HasSubstr("7c00"), HasSubstr("0f 01 d0")));
}

TEST_F(VcpuThreadTest, AFatalExitStopsTheMachineWithItsReason) {
  thread_->Handle(FatalExit{"KVM gave up"});
  ASSERT_EQ(stops_.size(), 1U);
  EXPECT_EQ(stops_[0].reason, StopReason::kHostError);
  EXPECT_EQ(stops_[0].detail, "KVM gave up");
}

TEST_F(VcpuThreadTest, AHaltOutsideKvmIsAHostError) {
  thread_->Handle(HaltExit{});
  ASSERT_EQ(stops_.size(), 1U);
  EXPECT_EQ(stops_[0].reason, StopReason::kHostError);
}

TEST_F(VcpuThreadTest, AHypercallThatNobodyAnswersHasNoSuchCall) {
  std::uint64_t result = 0;
  thread_->Handle(XenHypercallExit{17, {}, true, 0, &result});
  EXPECT_EQ(static_cast<std::int64_t>(result), -38);
  EXPECT_THAT(stops_, IsEmpty());
}

TEST_F(VcpuThreadTest, StrayDebugExitsAndInterruptionsChangeNothing) {
  thread_->Handle(DebugExit{0x1000, 1, 1});
  thread_->Handle(InterruptedExit{});
  EXPECT_THAT(stops_, IsEmpty());
  EXPECT_THAT(device_.accesses, IsEmpty());
  EXPECT_EQ(Count("exits.interrupted"), 1U);
}

TEST_F(VcpuThreadTest, TheLoopHandsExitsOnInTheirOrderUntilTheGateIsStopped) {
  std::vector<std::byte> first = Counting(1);
  std::vector<std::byte> second = Counting(2);
  vcpu_->exits = {PioExit{kPort, 1, true, 1, first}, PioExit{kPort, 2, true, 1, second}};
  RunScript();
  EXPECT_THAT(device_.accesses, ElementsAre(Access{true, 0, 1, 0x01}, Access{true, 0, 2, 0x0201}));
}

TEST_F(VcpuThreadTest, TheLoopDoesNotRunTheGuestWhenTheGateIsStoppedBefore) {
  vcpu_->exits = {ShutdownExit{}};
  gate_.Stop();
  RunScript();
  EXPECT_EQ(vcpu_->exits.size(), 1U);
  EXPECT_THAT(stops_, IsEmpty());
  EXPECT_FALSE(thread_->HasRun());
}

TEST_F(VcpuThreadTest, TheLoopStandsStillWhileTheGateIsPaused) {
  std::vector<std::byte> data = Counting(1);
  vcpu_->exits = {PioExit{kPort, 1, true, 1, data}};
  gate_.Pause();
  FakeHandler& handler = AddFakeHandler();
  StopAfterScript();
  ASSERT_TRUE(thread_->Start());
  gate_.WaitUntilHeld(1);
  EXPECT_EQ(vcpu_->exits.size(), 1U);
  gate_.Resume();
  thread_->Join();
  EXPECT_EQ(device_.accesses.size(), 1U);
  EXPECT_EQ(vcpu_->stops_noted, 1) << "the guest's watchdogs must know";
  EXPECT_EQ(handler.pauses, 1);
}

TEST_F(VcpuThreadTest, AHandlerTakesItsExitsAwayFromTheMachine) {
  FakeHandler& handler = AddFakeHandler();
  handler.on_exit = [](Vcpu&, const VcpuExit& exit) {
    return std::holds_alternative<ShutdownExit>(exit) ? ExitHandler::Outcome::kHandled
                                                      : ExitHandler::Outcome::kNotMine;
  };
  std::vector<std::byte> data = Counting(1);
  vcpu_->exits = {ShutdownExit{}, PioExit{kPort, 1, true, 1, data}};
  RunScript();
  EXPECT_THAT(stops_, IsEmpty());
  EXPECT_EQ(device_.accesses.size(), 1U);
  EXPECT_EQ(Count("exits.assist"), 1U);
  EXPECT_EQ(handler.exits, 3);  // two of the script, and the one that ends it
}

TEST_F(VcpuThreadTest, HandlersAreAskedInTheirOrderUntilOneHandlesTheExit) {
  std::string asked;
  AddFakeHandler().on_exit = [&](Vcpu&, const VcpuExit& exit) {
    asked += "a";
    return std::holds_alternative<HaltExit>(exit) ? ExitHandler::Outcome::kHandled
                                                  : ExitHandler::Outcome::kNotMine;
  };
  AddFakeHandler().on_exit = [&](Vcpu&, const VcpuExit& exit) {
    asked += "b";
    return std::holds_alternative<ShutdownExit>(exit) ? ExitHandler::Outcome::kHandled
                                                      : ExitHandler::Outcome::kNotMine;
  };
  vcpu_->exits = {HaltExit{}, ShutdownExit{}};
  RunScript();
  EXPECT_EQ(asked, "aabab");
  EXPECT_THAT(stops_, IsEmpty());
}

TEST_F(VcpuThreadTest, HandlersMayPrepareEveryRun) {
  std::vector<std::size_t> left;  // exits of the script when asked
  AddFakeHandler().before_run = [&](Vcpu&) { left.push_back(vcpu_->exits.size()); };
  vcpu_->exits = {DebugExit{}, DebugExit{}};
  RunScript();
  EXPECT_THAT(left, ElementsAre(2U, 1U, 0U));
}

TEST_F(VcpuThreadTest, AVcpuHasRunOnceItLeavesTheGuestByItself) {
  bool after_interruption = true;
  AddFakeHandler().before_run = [&](Vcpu&) {
    if (vcpu_->exits.size() == 1) {
      after_interruption = thread_->HasRun();
    }
  };
  vcpu_->exits = {InterruptedExit{}, DebugExit{}};
  // The script itself has an interruption, so the loop is ended by hand.
  AddFakeHandler().on_exit = [&](Vcpu&, const VcpuExit& exit) {
    if (std::holds_alternative<DebugExit>(exit)) {
      gate_.Stop();
    }
    return ExitHandler::Outcome::kNotMine;
  };
  EXPECT_FALSE(thread_->HasRun());
  ASSERT_TRUE(thread_->Start());
  thread_->Join();
  EXPECT_FALSE(after_interruption);
  EXPECT_TRUE(thread_->HasRun());
}

TEST_F(VcpuThreadTest, APostedTaskRunsOnTheThreadBeforeTheGuestDoes) {
  gate_.Pause();
  StopAfterScript();
  vcpu_->exits = {DebugExit{}};
  ASSERT_TRUE(thread_->Start());
  gate_.WaitUntilHeld(1);
  std::optional<std::size_t> left;
  bool on_thread = false;
  thread_->Post(VcpuTask::kClock, [&](Vcpu& vcpu) {
    EXPECT_EQ(&vcpu, vcpu_);
    on_thread = thread_->IsCurrentThread();
    left = vcpu_->exits.size();
  });
  EXPECT_EQ(vcpu_->kicks, 1);  // it may be in the guest
  EXPECT_FALSE(left);
  gate_.Resume();
  thread_->Join();
  EXPECT_EQ(left, 1U);
  EXPECT_TRUE(on_thread);
  EXPECT_FALSE(thread_->IsCurrentThread());
}

TEST_F(VcpuThreadTest, PostedTasksRunOnceAndInTheirOrder) {
  gate_.Pause();
  StopAfterScript();
  vcpu_->exits = {DebugExit{}, DebugExit{}};
  ASSERT_TRUE(thread_->Start());
  gate_.WaitUntilHeld(1);
  std::string order;
  thread_->Post(VcpuTask::kNmi, [&](Vcpu&) { order += "a"; });
  thread_->Post(
      VcpuTask::kXenAttribute, [&](Vcpu&) { order += "b"; }, 1);
  thread_->Post(
      VcpuTask::kXenAttribute, [&](Vcpu&) { order += "c"; }, 2);
  gate_.Resume();
  thread_->Join();
  EXPECT_EQ(order, "abc");
}

// A guest may cause them without end while the vCPU cannot get to them.
TEST_F(VcpuThreadTest, OneTaskAboutAThingWaitsAtMost) {
  gate_.Pause();
  StopAfterScript();
  vcpu_->exits = {DebugExit{}};
  ASSERT_TRUE(thread_->Start());
  gate_.WaitUntilHeld(1);
  int nmis = 0;
  std::string order;
  thread_->Post(
      VcpuTask::kXenAttribute, [&](Vcpu&) { order += "old "; }, 1);
  thread_->Post(
      VcpuTask::kXenAttribute, [&](Vcpu&) { order += "other "; }, 2);
  thread_->Post(
      VcpuTask::kXenAttribute, [&](Vcpu&) { order += "new "; }, 1);
  const auto counted = std::make_shared<int>();
  for (int i = 0; i < 1000; ++i) {
    thread_->Post(VcpuTask::kNmi, [&nmis, counted](Vcpu&) { ++nmis; });
  }
  EXPECT_EQ(counted.use_count(), 2) << "this one and the one that waits";
  gate_.Resume();
  thread_->Join();
  EXPECT_EQ(nmis, 1);
  EXPECT_EQ(order, "other new ");
}

TEST_F(VcpuThreadTest, AVcpuThatIsTakenBeforeItsStartRunsWhenItIsGivenBack) {
  FakeHandler& handler = AddFakeHandler();
  vcpu_->exits = {DebugExit{}};
  StopAfterScript();
  thread_->Take();
  thread_->Take();
  EXPECT_TRUE(thread_->taken());
  gate_.Pause();
  ASSERT_TRUE(thread_->Start());
  gate_.WaitUntilHeld(1);
  EXPECT_EQ(handler.runs, 0);
  EXPECT_EQ(vcpu_->exits.size(), 1U);
  gate_.Resume();
  thread_->GiveBack();
  thread_->Join();
  EXPECT_EQ(handler.takings, 1);
  EXPECT_TRUE(vcpu_->awaits_startup);
  EXPECT_THAT(vcpu_->exits, IsEmpty());
  EXPECT_FALSE(thread_->taken());
}

TEST_F(VcpuThreadTest, AVcpuThatIsTakenStopsAndForgetsThatItRan) {
  FakeHandler& handler = AddFakeHandler();
  // The guest ejects the vCPU that does it, which is the hardest case: on its own thread.
  handler.on_exit = [this](Vcpu&, const VcpuExit&) {
    thread_->Take();
    return ExitHandler::Outcome::kHandled;
  };
  vcpu_->exits = {DebugExit{}, DebugExit{}};
  ASSERT_TRUE(thread_->Start());
  std::atomic<bool> looked{false};
  while (!thread_->taken()) {
    std::this_thread::yield();
  }
  // It still does what is posted to it, and comes to the gate.
  thread_->Post(VcpuTask::kClock, [&](Vcpu&) { looked = true; });
  gate_.Pause();
  thread_->Kick();
  gate_.WaitUntilHeld(1);
  gate_.Resume();
  while (!looked) {
    std::this_thread::yield();
  }
  gate_.Stop();
  thread_->Kick();
  thread_->Join();
  EXPECT_EQ(handler.takings, 1);
  EXPECT_EQ(vcpu_->exits.size(), 1U) << "it has not run again";
  EXPECT_FALSE(thread_->HasRun());
}

TEST_F(VcpuThreadTest, AVcpuThatNeverLeavesKvmIsSeenToRun) {
  gate_.Pause();
  StopAfterScript();
  vcpu_->awaits_startup = true;
  ASSERT_TRUE(thread_->Start());
  gate_.WaitUntilHeld(1);
  thread_->LookWhetherItRuns();
  bool ran = true;
  thread_->Post(VcpuTask::kNmi, [&](Vcpu&) {
    ran = thread_->HasRun();
    vcpu_->awaits_startup = false;
    thread_->LookWhetherItRuns();
  });
  gate_.Resume();
  thread_->Join();
  EXPECT_FALSE(ran);
  EXPECT_TRUE(thread_->HasRun());
}

TEST_F(VcpuThreadTest, ATaskPostedByTheThreadItselfRunsAtOnce) {
  bool at_once = false;
  AddFakeHandler().before_run = [&](Vcpu&) {
    bool ran = false;
    thread_->Post(VcpuTask::kNmi, [&](Vcpu&) { ran = true; });
    at_once = ran;
  };
  RunScript();
  EXPECT_TRUE(at_once);
  EXPECT_EQ(vcpu_->kicks, 0);
}

TEST_F(VcpuThreadTest, WhatIsPostedWhileItIsAboutToRunIsDoneFirst) {
  bool done = false;
  bool done_before_run = false;
  bool may_run = true;
  FakeHandler& handler = AddFakeHandler();
  handler.before_run = [&, first = true](Vcpu&) mutable {
    if (std::exchange(first, false)) {
      std::thread([&] {
        thread_->Post(VcpuTask::kFlush, [&done](Vcpu&) { done = true; });
        may_run = thread_->MayRunGuest();
      }).join();
    }
  };
  vcpu_->on_run = [&] {
    done_before_run = done;
    EXPECT_TRUE(thread_->MayRunGuest());
  };
  RunScript();
  EXPECT_FALSE(may_run);
  EXPECT_TRUE(done_before_run);
}

}  // namespace
}  // namespace veneer
