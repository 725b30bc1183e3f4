#include "src/vmm/cli/machine_control.h"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/units.h"
#include "veneer/xencompat/xenstore/standard_tree.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FakeMachine final : public Machine {
 public:
  Result<void> Start() override { return {}; }
  void Pause() override { calls.emplace_back("pause"); }
  void Resume() override { calls.emplace_back("resume"); }
  void Stop() override {}
  std::size_t SerialInput(std::span<const std::byte> input) override { return input.size(); }
  std::size_t ConsoleInput(std::span<const std::byte> input) override { return input.size(); }
  void PressPowerButton() override { calls.emplace_back("power button"); }
  void InjectNmi() override { calls.emplace_back("nmi"); }
  XenstoreClient* Store() override { return store; }
  Disks* PvDisks() override { return nullptr; }
  Nics* PvNics() override { return nullptr; }
  Result<void> SetVcpus(unsigned count) override {
    if (count > vcpus.possible) {
      return UsageError("too many");
    }
    calls.push_back(fmt::format("vcpus {}", count));
    vcpus.given = count;
    return {};
  }
  VcpuCounts Vcpus() override { return vcpus; }
  std::vector<VcpuUsage> Usage() const override { return {{.run_ns = 5, .stolen_ns = 6}}; }
  std::uint64_t MemoryBytes() const override { return memory; }
  std::vector<Milestone> Milestones() const override { return {{"console", 7, 0}}; }
  void Report(std::function<void(std::vector<std::string>)> done) override {
    done({"vCPU 0: halted", "port 1: IPI"});
  }
  void CollectStatistics() override {}
  EmulatedDevices Emulated() const override { return emulated; }
  XenPaths Paths() const override {
    return store != nullptr ? XenPaths{"KVM interception", "2-level, delivered by KVM"}
                            : XenPaths{};
  }

  std::vector<std::string> calls;
  XenstoreClient* store = nullptr;
  std::uint64_t memory = 200 * kMiB;
  VcpuCounts vcpus{.given = 2, .online = 1, .possible = 8};
  EmulatedDevices emulated;
};

class MachineControlTest : public ::testing::Test {
 protected:
  MachineControlTest() {
    config_.name = "web";
    config_.vcpus = 2;
    config_.memory_bytes = 256 * kMiB;
    config_.memory_max_bytes = 512 * kMiB;
  }
  MachineControl& Make(bool xen) {
    if (xen) {
      DomainDescription domain;
      domain.uuid = "12345678-9abc-def0-1234-56789abcdef0";
      domain.memory_target_kib = 256 << 10U;
      EXPECT_TRUE(WriteStandardTree(client_, domain));
      machine_.store = &client_;
    }
    control_.emplace(MachineControl::Parts{config_,
                                           machine_,
                                           *loop_,
                                           clock_,
                                           host_,
                                           metrics_,
                                           [this] { stopped_ = true; },
                                           [this] { return ended_; },
                                           {},
                                           [this](const GuestEvent& event) { Note(event); }});
    return *control_;
  }
  void Note(const GuestEvent& event) {
    std::string text(event.name);
    for (const auto& [name, value] : event.members) {
      const auto* const words = std::get_if<std::string>(&value);
      text += fmt::format(" {}={}", name,
                          words != nullptr ? *words : std::to_string(std::get<1>(value)));
    }
    events_.push_back(text);
  }
  // The answer, if it has come at once.
  std::optional<Result<void>> Shutdown(MachineControl& control, ShutdownKind kind) {
    answer_.reset();
    control.Shutdown(kind, [this](Result<void> result) { answer_ = std::move(result); });
    return answer_;
  }
  std::string InStore(const std::string& key) {
    return client_.Read("/local/domain/1/" + key).value_or("<missing>");
  }

  MachineConfig config_;
  XenstoreService service_;
  XenstoreClient client_{service_};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  FakeClock clock_;
  FakeMachine machine_;
  const HostProfile host_{.emulated_kernel = true};
  Metrics metrics_;
  bool stopped_ = false;
  bool ended_ = false;
  std::optional<Result<void>> answer_;
  std::vector<std::string> events_;
  std::optional<MachineControl> control_;
};

TEST_F(MachineControlTest, AXenGuestIsAskedThroughXenstore) {
  MachineControl& control = Make(true);
  EXPECT_FALSE(Shutdown(control, ShutdownKind::kReboot)) << "it has not answered yet";
  EXPECT_EQ(InStore("control/shutdown"), "reboot");
  EXPECT_THAT(machine_.calls, IsEmpty());
}

TEST_F(MachineControlTest, WithoutXenThePowerButtonIsPressed) {
  MachineControl& control = Make(false);
  EXPECT_TRUE(Shutdown(control, ShutdownKind::kPowerOff).value());
  EXPECT_THAT(machine_.calls, ElementsAre("power button"));
  EXPECT_FALSE(Shutdown(control, ShutdownKind::kReboot).value());
  EXPECT_THAT(machine_.calls, ElementsAre("power button"));
}

TEST_F(MachineControlTest, TellsListenersWhatWasDone) {
  MachineControl& control = Make(true);
  EXPECT_TRUE(control.Pause());
  EXPECT_TRUE(control.Pause());
  EXPECT_TRUE(control.Resume());
  EXPECT_TRUE(control.SetVcpus(3));
  EXPECT_FALSE(control.SetVcpus(9));
  EXPECT_TRUE(control.SetMemoryTarget(128 * kMiB));
  EXPECT_FALSE(control.SetMemoryTarget(1));
  EXPECT_THAT(events_,
              ElementsAre("paused", "resumed", "vcpus vcpus=3", "memory-target bytes=134217728"));
}

TEST_F(MachineControlTest, TellsListenersOfADiskThatFails) {
  MachineControl& control = Make(true);
  control.PauseForDisk("disk xvda: no room");
  control.PauseForDisk("disk xvda: no room");
  EXPECT_TRUE(control.Resume());
  EXPECT_THAT(events_, ElementsAre("disk-error error=disk xvda: no room",
                                   "paused reason=disk xvda: no room", "resumed"));
}

TEST_F(MachineControlTest, ReadsMetricsWhileTheGuestRuns) {
  MachineControl& control = Make(true);
  metrics_.Get("exits.pio").Add(3);
  const GuestMetrics metrics = control.ReadMetrics();
  EXPECT_TRUE(metrics.emulated_kernel);
  EXPECT_EQ(metrics.counters.at("exits.pio"), 3U);
  ASSERT_EQ(metrics.milestones.size(), 1U);
  EXPECT_EQ(metrics.milestones[0].name, "console");
  ASSERT_EQ(metrics.vcpus.size(), 1U);
  EXPECT_EQ(metrics.vcpus[0].stolen_ns, 6U);
}

TEST_F(MachineControlTest, PausesOnceAndResumesOnce) {
  MachineControl& control = Make(true);
  EXPECT_TRUE(control.Resume());
  EXPECT_TRUE(control.Pause());
  EXPECT_TRUE(control.Pause());
  EXPECT_EQ(control.Info().state, GuestState::kPaused);
  EXPECT_TRUE(control.Resume());
  EXPECT_TRUE(control.Resume());
  EXPECT_EQ(control.Info().state, GuestState::kRunning);
  EXPECT_THAT(machine_.calls, ElementsAre("pause", "resume"));
}

TEST_F(MachineControlTest, APausedGuestCannotShutDown) {
  MachineControl& control = Make(true);
  ASSERT_TRUE(control.Pause());
  EXPECT_THAT(Shutdown(control, ShutdownKind::kPowerOff).value().error().message,
              HasSubstr("paused"));
  EXPECT_EQ(InStore("control/shutdown"), "");
}

TEST_F(MachineControlTest, AGuestThatHasCrashedStaysThatWay) {
  MachineControl& control = Make(true);
  ended_ = true;
  EXPECT_EQ(control.Info().state, GuestState::kCrashed);
  EXPECT_TRUE(control.Pause());
  EXPECT_FALSE(control.Resume());
  EXPECT_FALSE(Shutdown(control, ShutdownKind::kPowerOff).value());
  EXPECT_THAT(machine_.calls, IsEmpty());
  control.Stop();
  EXPECT_TRUE(stopped_);
}

TEST_F(MachineControlTest, TheNumberOfVcpusLastAskedForIsKeptForTheNextLife) {
  MachineControl& control = Make(true);
  EXPECT_TRUE(control.SetVcpus(5));
  EXPECT_EQ(config_.vcpus, 5U);
  EXPECT_EQ(control.Info().vcpus.given, 5U);
  EXPECT_FALSE(control.SetVcpus(9));
  EXPECT_EQ(config_.vcpus, 5U);
  EXPECT_THAT(machine_.calls, ElementsAre("vcpus 5"));
  ended_ = true;
  EXPECT_THAT(control.SetVcpus(2).error().message, HasSubstr("crashed"));
}

TEST_F(MachineControlTest, InformationIsOfTheMomentItIsAskedFor) {
  MachineControl& control = Make(true);
  clock_.Advance(3'000'000'000);
  const GuestInfo info = control.Info();
  EXPECT_EQ(info.name, "web");
  EXPECT_EQ(info.vcpus.given, 2U);
  EXPECT_EQ(info.vcpus.online, 1U);
  EXPECT_EQ(info.vcpus.possible, 8U);
  EXPECT_EQ(info.memory_bytes, 200 * kMiB);
  EXPECT_EQ(info.memory_target_bytes, 256 * kMiB);
  EXPECT_EQ(info.memory_max_bytes, 512 * kMiB);
  EXPECT_TRUE(info.xen);
  EXPECT_EQ(info.transport, "KVM interception");
  EXPECT_EQ(info.events, "2-level, delivered by KVM");
  EXPECT_EQ(info.uptime_ns, 3'000'000'000U);
  ASSERT_EQ(info.milestones.size(), 1U);
  EXPECT_EQ(info.milestones[0].at_ns, 7U);
}

TEST_F(MachineControlTest, AnInspectionIsInformationAndTheMachinesReport) {
  std::optional<GuestInfo> inspected;
  Make(true).Inspect([&](GuestInfo info) { inspected = std::move(info); });
  ASSERT_TRUE(inspected.has_value());
  EXPECT_EQ(inspected->name, "web");
  EXPECT_THAT(inspected->debug, ElementsAre("vCPU 0: halted", "port 1: IPI"));
  EXPECT_THAT(control_->Info().debug, IsEmpty());
}

TEST_F(MachineControlTest, EmulatedDevicesAreListedToo) {
  machine_.emulated.disks = {{"ide0", "/a", 512, true}};
  machine_.emulated.nics = {{2, {{0x52, 0x54, 0, 0x12, 0x34, 0x56}}, "user"}};
  const GuestInfo info = Make(false).Info();
  ASSERT_EQ(info.disks.size(), 1U);
  EXPECT_EQ(info.disks[0].name, "ide0");
  EXPECT_EQ(info.disks[0].bus, "ide");
  EXPECT_EQ(info.disks[0].bytes, 512U);
  EXPECT_TRUE(info.disks[0].readonly);
  ASSERT_EQ(info.nics.size(), 1U);
  EXPECT_EQ(info.nics[0].number, 2U);
  EXPECT_EQ(info.nics[0].model, "e1000");
  EXPECT_EQ(info.nics[0].mac, "52:54:00:12:34:56");
}

TEST_F(MachineControlTest, ABalloonHasLimits) {
  MachineControl& control = Make(true);
  for (const std::uint64_t bytes : {std::uint64_t{0}, 31 * kMiB, 513 * kMiB, ~std::uint64_t{0}}) {
    EXPECT_FALSE(control.SetMemoryTarget(bytes)) << bytes;
  }
  EXPECT_EQ(InStore("memory/target"), "262144");
  EXPECT_TRUE(control.SetMemoryTarget(512 * kMiB));
  EXPECT_EQ(InStore("memory/target"), "524288");
  EXPECT_TRUE(control.SetMemoryTarget(32 * kMiB));
  EXPECT_EQ(control.Info().memory_target_bytes, 32 * kMiB);
}

TEST_F(MachineControlTest, WithoutAMaximumTheMemoryIsTheMaximum) {
  config_.memory_max_bytes = 0;
  MachineControl& control = Make(true);
  EXPECT_TRUE(control.SetMemoryTarget(256 * kMiB));
  EXPECT_FALSE(control.SetMemoryTarget(257 * kMiB));
  EXPECT_EQ(control.Info().memory_max_bytes, 256 * kMiB);
}

TEST_F(MachineControlTest, AnNmiAndSysRqNeedAGuestThatRuns) {
  MachineControl& control = Make(true);
  EXPECT_TRUE(control.SendNmi());
  EXPECT_TRUE(control.PressSysRq("s"));
  EXPECT_EQ(machine_.calls, std::vector<std::string>{"nmi"});
  ASSERT_TRUE(control.Pause());
  EXPECT_FALSE(control.SendNmi());
  EXPECT_FALSE(control.PressSysRq("s"));
}

TEST_F(MachineControlTest, WithoutXenThereIsNoStoreAndNoBalloon) {
  MachineControl& control = Make(false);
  EXPECT_FALSE(control.PressSysRq("s"));
  EXPECT_FALSE(control.ListStore());
  EXPECT_FALSE(control.SetMemoryTarget(128 * kMiB));
  EXPECT_FALSE(control.Info().xen);
  EXPECT_EQ(control.Info().memory_target_bytes, 256 * kMiB);
}

TEST_F(MachineControlTest, ListsTheStore) {
  const auto listing = Make(true).ListStore();
  ASSERT_TRUE(listing);
  EXPECT_GT(listing->nodes.size(), 10U);
}

}  // namespace
}  // namespace veneer
