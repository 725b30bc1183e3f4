// Controls a guest from outside, as a user does with `veneer ctl`.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/controlled_guest.h"
#include "support/units.h"

namespace veneer::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

// Far more than each takes; only what hangs gets there.
constexpr std::chrono::seconds kBalloonLimit{300};

// A guest whose memory is watched, from inside and outside.
class MemoryGuest : public ControlledGuest {
 public:
  using ControlledGuest::ControlledGuest;

  std::uint64_t MemoryNow() const {
    const Json info = Info();
    return info.contains("memory") ? info["memory"].value("now", std::uint64_t{0}) : 0;
  }
  // What the guest's kernel counts, bytes.
  std::uint64_t MemTotal() {
    const std::string text = Run("cat /proc/meminfo");
    const std::size_t at = text.find("MemTotal:");
    return at == std::string::npos ? 0 : std::stoull(text.substr(at + 9)) << 10U;
  }
  // Asks again and again until the guest has at most, or at least, that much.
  bool WaitForMemory(std::uint64_t bytes, bool at_most) const {
    const auto deadline = std::chrono::steady_clock::now() + kBalloonLimit;
    while (std::chrono::steady_clock::now() < deadline) {
      const std::uint64_t now = MemoryNow();
      if (at_most ? now <= bytes : now >= bytes) {
        return true;
      }
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
    return false;
  }
  // What the guest's memory, which carries the name of /dev/zero, takes of the host, bytes.
  std::uint64_t HostBytes() const {
    std::ifstream smaps("/proc/" + std::to_string(veneer().pid()) + "/smaps");
    std::uint64_t kib = 0;
    bool guest_ram = false;
    for (std::string line; std::getline(smaps, line);) {
      if (const std::size_t dash = line.find('-'); dash != std::string::npos && dash < 17) {
        guest_ram = line.ends_with("/dev/zero");
      } else if (guest_ram && line.starts_with("Rss:")) {
        kib += std::stoull(line.substr(4));
      }
    }
    return kib << 10U;
  }
};

TEST(Control, PauseInformationAndCleanShutdown) {
  ControlledGuest guest({"--memory", "256M"});
  ASSERT_TRUE(guest.WaitForShell()) << guest.veneer().err();
  EXPECT_THAT(guest.Ctl({"xenstore-ls"}).out, HasSubstr("shutdown = \"\""));

  // Where it stands, while it runs and while it is held.
  const auto report = AllOf(HasSubstr("\nvCPU 0: "), HasSubstr("\nvCPU 0 events: upcall_pending="),
                            HasSubstr("\nxenstore ring: req_cons="),
                            ContainsRegex("\nport [0-9]+: bound to port [0-9]+ of domain 0"),
                            Not(HasSubstr("does not answer")));
  EXPECT_THAT(guest.Ctl({"info", "--debug"}).out, report);
  EXPECT_EQ(guest.Ctl({"pause"}).code, 0);
  EXPECT_EQ(guest.Info()["state"], "paused");
  EXPECT_THAT(guest.Ctl({"info", "--debug"}).out, report);
  EXPECT_THAT(guest.Ctl({"shutdown"}).err, HasSubstr("paused"));
  EXPECT_EQ(guest.Ctl({"resume"}).code, 0);
  EXPECT_EQ(guest.Info()["state"], "running");
  guest.veneer().Send("echo $((6*7))-alive\n");
  EXPECT_TRUE(guest.veneer().WaitForOutput("42-alive", BootLimit()));

  EXPECT_THAT(guest.Ctl({"cpus", "1"}).err, HasSubstr("start it with --cpus-max"));

  const auto shutdown = guest.Ctl({"shutdown"});
  EXPECT_EQ(shutdown.code, 0) << shutdown.err;
  EXPECT_EQ(guest.veneer().WaitForExit(BootLimit()), 0) << guest.veneer().err();
  EXPECT_FALSE(std::filesystem::exists(guest.socket()));
  EXPECT_THAT(guest.Ctl({"info"}).err, HasSubstr("no guest 'guest' is running"));
}

TEST(Control, ABalloonGivesMemoryToTheHostAndTakesItBack) {
  MemoryGuest guest({"--memory", GuestMemory(128)});
  ASSERT_TRUE(guest.WaitForShell()) << guest.veneer().err();
  // Makes the guest use most of its memory, as its page cache would.
  guest.veneer().Send(
      "mount -t tmpfs -o size=" + GuestMemory(100) +
      " t /mnt; dd if=/dev/zero of=/mnt/x bs=1M count=" + std::to_string(GuestMib(70)) +
      "; "
      "rm /mnt/x; echo $((6*7))-filled\n");
  ASSERT_TRUE(guest.veneer().WaitForOutput("42-filled", BootLimit())) << guest.veneer().out();
  const std::uint64_t before = guest.HostBytes();
  EXPECT_GT(before, GuestMib(80) * kMiB);

  EXPECT_EQ(guest.Ctl({"balloon", GuestMemory(80)}).code, 0);
  EXPECT_TRUE(guest.WaitForMemory((GuestMib(80) + 1) * kMiB, /*at_most=*/true));
  EXPECT_LE(guest.HostBytes() + GuestMib(30) * kMiB, before);

  EXPECT_EQ(guest.Ctl({"balloon", GuestMemory(128)}).code, 0);
  EXPECT_TRUE(guest.WaitForMemory((GuestMib(128) - 1) * kMiB, /*at_most=*/false));
  EXPECT_THAT(guest.Ctl({"balloon", GuestMemory(512)}).err,
              HasSubstr(std::to_string(GuestMib(128)) + " MiB"));
  EXPECT_EQ(guest.Ctl({"stop"}).code, 0);
  EXPECT_EQ(guest.veneer().WaitForExit(kCtlLimit), 0);
}

TEST(Control, MemoryIsAddedToARunningGuestAndGivenBack) {
  std::uint64_t plain = 0;
  {
    MemoryGuest guest({"--memory", GuestMemory(128)});
    ASSERT_TRUE(guest.WaitForShell()) << guest.veneer().err();
    plain = guest.MemTotal();
  }
  MemoryGuest guest({"--memory", GuestMemory(128), "--memory-max", "8G"});
  ASSERT_TRUE(guest.WaitForShell()) << guest.veneer().err();
  EXPECT_EQ(guest.MemoryNow(), GuestMib(128) * kMiB);
  EXPECT_NEAR(static_cast<double>(guest.MemTotal()), static_cast<double>(plain),
              static_cast<double>(plain) / 100);

  EXPECT_EQ(guest.Ctl({"balloon", GuestMemory(160)}).code, 0);
  ASSERT_TRUE(guest.WaitForMemory((GuestMib(160) - 1) * kMiB, /*at_most=*/false))
      << guest.veneer().out();
  // Most of it, no two pages alike.
  const std::uint64_t files = GuestMib(100) / 4;
  EXPECT_THAT(guest.Run("mount -t tmpfs -o size=90% t /mnt; "
                        "dd if=/dev/urandom of=/seed bs=1M count=4; "
                        "for i in $(seq " +
                        std::to_string(files) +
                        "); do { echo $i; cat /seed; } >/mnt/$i; done; md5sum /mnt/* >/sums; "
                        "echo good-$(md5sum -c /sums | grep -c OK)"),
              HasSubstr("good-" + std::to_string(files)));
  EXPECT_GE(guest.HostBytes(), GuestMib(100) * kMiB);

  guest.Run("umount /mnt");
  EXPECT_EQ(guest.Ctl({"balloon", GuestMemory(128)}).code, 0);
  EXPECT_TRUE(guest.WaitForMemory((GuestMib(128) + 1) * kMiB, /*at_most=*/true));
  EXPECT_LE(guest.HostBytes(), (GuestMib(128) + 16) * kMiB);

  EXPECT_EQ(guest.Ctl({"balloon", GuestMemory(144)}).code, 0);
  EXPECT_TRUE(guest.WaitForMemory((GuestMib(144) - 1) * kMiB, /*at_most=*/false));
  const std::size_t seen = guest.veneer().out().size();
  EXPECT_EQ(guest.Ctl({"reboot"}).code, 0);
  ASSERT_TRUE(guest.veneer().WaitForOutput("Linux version", BootLimit(), seen))
      << guest.veneer().out();
  EXPECT_EQ(guest.MemoryNow(), GuestMib(144) * kMiB) << "as xl has it";
  EXPECT_EQ(guest.Ctl({"stop"}).code, 0);
  EXPECT_EQ(guest.veneer().WaitForExit(kCtlLimit), 0);
}

TEST(Control, AGuestThatBootsWithAllOfItsMemoryGrowsAndRebootsThroughXenstore) {
  MemoryGuest guest(
      {"--memory", GuestMemory(96), "--memory-max", GuestMemory(160), "--memory-hotplug", "off"});
  ASSERT_TRUE(guest.WaitForShell()) << guest.veneer().err();
  EXPECT_TRUE(guest.WaitForMemory((GuestMib(96) + 1) * kMiB, /*at_most=*/true));
  EXPECT_EQ(guest.Ctl({"balloon", GuestMemory(160)}).code, 0);
  EXPECT_TRUE(guest.WaitForMemory((GuestMib(160) - 1) * kMiB, /*at_most=*/false));

  const std::size_t seen = guest.veneer().out().size();
  EXPECT_EQ(guest.Ctl({"reboot"}).code, 0);
  EXPECT_TRUE(guest.veneer().WaitForOutput("Linux version", BootLimit(), seen))
      << guest.veneer().out();
  EXPECT_EQ(guest.Ctl({"stop"}).code, 0);
  EXPECT_EQ(guest.veneer().WaitForExit(kCtlLimit), 0);
}

}  // namespace
}  // namespace veneer::test
