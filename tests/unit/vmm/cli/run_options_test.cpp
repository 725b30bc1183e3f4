#include "src/vmm/cli/run_options.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run_options_fixture.h"
#include "src/vmm/cli/usage_text.h"
#include "support/scratch_directory.h"
#include "support/units.h"

namespace veneer {
namespace {

// A configuration file, deleted with this object.
class ConfigText {
 public:
  explicit ConfigText(const std::string& text) { std::ofstream(path_) << text; }
  const std::string& path() const { return path_; }

 private:
  test::ScratchDirectory scratch_;
  std::string path_ = scratch_.File("guest.toml");
};

TEST(ParseSize, KnowsUnitsAndTakesPlainNumbersAsMebibytes) {
  EXPECT_EQ(ParseSize("256M").value(), 256 * kMiB);
  EXPECT_EQ(ParseSize("256").value(), 256 * kMiB);
  EXPECT_EQ(ParseSize("2G").value(), 2048 * kMiB);
  EXPECT_EQ(ParseSize("2GiB").value(), 2048 * kMiB);
  EXPECT_EQ(ParseSize("2GB").value(), 2048 * kMiB);
  EXPECT_EQ(ParseSize("65536k").value(), 64 * kMiB);
  EXPECT_EQ(ParseSize("1T").value(), 1024 * 1024 * kMiB);
  EXPECT_EQ(ParseSize("268435456B").value(), 256 * kMiB);
}

TEST(ParseSize, RefusesWhatIsNoSize) {
  for (const char* text : {"", "M", "-1M", "1.5G", "12Q", "1 G", "1MM", "0x10M"}) {
    EXPECT_FALSE(ParseSize(text).has_value()) << text;
  }
}

TEST(ParseSize, RefusesWhatDoesNotFit64Bits) {
  EXPECT_FALSE(ParseSize("99999999999999999999M").has_value());
  EXPECT_FALSE(ParseSize("18446744073709551615T").has_value());
}

TEST(ParseCharacterTarget, KnowsItsThreeForms) {
  EXPECT_EQ(ParseCharacterTarget("stdio").value().kind, CharacterTarget::Kind::kStdio);
  EXPECT_EQ(ParseCharacterTarget("off").value().kind, CharacterTarget::Kind::kOff);
  const CharacterTarget file = ParseCharacterTarget("file:/tmp/a:b").value();
  EXPECT_EQ(file.kind, CharacterTarget::Kind::kFile);
  EXPECT_EQ(file.path, "/tmp/a:b");
  const CharacterTarget limited = ParseCharacterTarget("file:/tmp/a,,b,max-size=2M").value();
  EXPECT_EQ(limited.path, "/tmp/a,b");
  EXPECT_EQ(limited.max_bytes, 2 * kMiB);
  for (const char* bad : {"file:/a,max-size=63K", "file:/a,max-size=", "file:/a,size=1M",
                          "file:/a,b", "file:/a,max-size=1M,max-size=1M"}) {
    EXPECT_FALSE(ParseCharacterTarget(bad)) << bad;
  }
  EXPECT_FALSE(ParseCharacterTarget("file:").has_value());
  EXPECT_FALSE(ParseCharacterTarget("tty").has_value());
}

TEST_F(RunOptionsTest, HasDefaultsThatRunAGuest) {
  Parse("--kernel k");
  EXPECT_EQ(options_.machine.kernel, "k");
  EXPECT_EQ(options_.machine.memory_bytes, 256 * kMiB);
  EXPECT_EQ(options_.machine.vcpus, 1U);
  EXPECT_EQ(options_.machine.serial.kind, CharacterTarget::Kind::kStdio);
  EXPECT_EQ(options_.machine.on_reboot, OnReboot::kRestart);
  EXPECT_EQ(options_.machine.on_crash, OnCrash::kExit);
  EXPECT_TRUE(options_.machine.host_cmdline);
  EXPECT_EQ(options_.timeout_seconds, 0U);
}

TEST_F(RunOptionsTest, TakesEveryOption) {
  Parse(
      "--kernel k --initrd i --cmdline \"a b\" --memory 1G --cpus 32 --name n --entry pvh "
      "--host-cmdline off --serial off --on-reboot exit --on-crash pause --timeout 9 "
      "--log-level debug --log-file l --metrics m");
  EXPECT_EQ(options_.machine.initrds, std::vector<std::string>{"i"});
  EXPECT_EQ(options_.machine.cmdline, "a b");
  EXPECT_EQ(options_.machine.memory_bytes, 1024 * kMiB);
  EXPECT_EQ(options_.machine.vcpus, 32U);
  EXPECT_EQ(options_.machine.name, "n");
  EXPECT_EQ(options_.machine.entry, KernelEntry::kPvh);
  EXPECT_FALSE(options_.machine.host_cmdline);
  EXPECT_EQ(options_.machine.serial.kind, CharacterTarget::Kind::kOff);
  EXPECT_EQ(options_.machine.on_reboot, OnReboot::kExit);
  EXPECT_EQ(options_.machine.on_crash, OnCrash::kPause);
  EXPECT_EQ(options_.timeout_seconds, 9U);
  EXPECT_EQ(options_.log_level, LogLevel::kDebug);
  EXPECT_EQ(options_.log_file, "l");
  EXPECT_EQ(options_.metrics_file, "m");
}

TEST_F(RunOptionsTest, TakesHowOftenAGuestMayReboot) {
  Parse("--kernel k");
  EXPECT_EQ(options_.reboot_rate.reboots, 20U);
  EXPECT_EQ(options_.reboot_rate.seconds, 10U);
  Parse("--kernel k --reboot-limit 3/60");
  EXPECT_EQ(options_.reboot_rate.reboots, 3U);
  EXPECT_EQ(options_.reboot_rate.seconds, 60U);
  Parse("--kernel k --reboot-limit off");
  EXPECT_EQ(options_.reboot_rate.reboots, 0U);
}

TEST_F(RunOptionsTest, TakesTheWayOfHypercallsAndEvents) {
  Parse("--kernel k");
  EXPECT_EQ(options_.machine.xen.kvm_xen, KvmXen::kAuto);
  EXPECT_EQ(options_.machine.xen.event_abi, EventAbi::kAuto);
  Parse("--kernel k --kvm-xen off --event-abi 2-level");
  EXPECT_EQ(options_.machine.xen.kvm_xen, KvmXen::kOff);
  EXPECT_EQ(options_.machine.xen.event_abi, EventAbi::k2Level);
  Parse("--kernel k --event-abi fifo");
  EXPECT_EQ(options_.machine.xen.event_abi, EventAbi::kFifo);
}

TEST_F(RunOptionsTest, TheBalloonsLimitIsTheMemoryUnlessGiven) {
  Parse("--kernel k --memory 128M");
  EXPECT_EQ(MaxMemoryBytes(options_.machine), 128 * kMiB);
}

TEST_F(RunOptionsTest, MemoryAboveThatOfTheBootIsAddedOrThereFromTheStart) {
  Parse("--kernel k --memory 128M --memory-max 1G");
  EXPECT_EQ(BootMemoryBytes(options_.machine), 128 * kMiB);
  EXPECT_EQ(MemoryGrowth(options_.machine), 896 * kMiB);
  Parse("--kernel k --memory 128M --memory-max 1G --memory-hotplug off");
  EXPECT_EQ(BootMemoryBytes(options_.machine), 1024 * kMiB);
  EXPECT_EQ(MemoryGrowth(options_.machine), 0U);
}

TEST_F(RunOptionsTest, TakesALimitForTheBalloon) {
  Parse("--kernel k --memory-max 1G --memory 128M");
  EXPECT_EQ(options_.machine.memory_bytes, 128 * kMiB);
  EXPECT_EQ(MaxMemoryBytes(options_.machine), 1024 * kMiB);
}

TEST_F(RunOptionsTest, VcpusNeverChangeUnlessALimitIsGiven) {
  Parse("--kernel k --cpus 2");
  EXPECT_EQ(options_.machine.vcpus_max, 0U);
  EXPECT_EQ(MaxVcpus(options_.machine), 2U);
  Parse("--kernel k --cpus 2 --cpus-max 8");
  EXPECT_EQ(MaxVcpus(options_.machine), 8U);
  Parse("--kernel k --cpus 2 --cpus-max 2");
  EXPECT_EQ(options_.machine.vcpus_max, 2U);
}

TEST_F(RunOptionsTest, KnowsWhetherTheUserChoseTheName) {
  Parse("--kernel k --control-socket /tmp/c");
  EXPECT_FALSE(options_.name_chosen);
  EXPECT_EQ(options_.machine.name, "veneer");
  EXPECT_EQ(options_.control_socket, "/tmp/c");
  CLI::App app;
  RunOptions options;
  DeclareRunOptions(app, options);
  app.parse(std::string("--kernel k --name veneer --control-socket off"));
  EXPECT_TRUE(options.name_chosen);
  EXPECT_EQ(options.control_socket, kNoControlSocket);
}

TEST_F(RunOptionsTest, RefusesValuesOutsideTheirRange) {
  for (const char* line : {"--kernel k --cpus 0",
                           "--kernel k --cpus 4 --cpus-max 3",
                           "--kernel k --cpus-max 33",
                           "--kernel k --cpus 33",
                           "--kernel k --cpus 1x",
                           "--kernel k --memory 16M",
                           "--kernel k --memory 1M",
                           "--kernel k --on-reboot maybe",
                           "--kernel k --name a/b",
                           "--kernel k --name \"\"",
                           "--kernel k --memory-max 128M",
                           "--kernel k --memory-max 16M",
                           "--kernel k --memory-max 512M --xen off",
                           "--kernel k --timer-load 0",
                           "--kernel k --kvm-xen on",
                           "--kernel k --event-abi 3-level",
                           "--kernel k --timer-load 101",
                           "--kernel k --log-level loud",
                           "--kernel k --timeout -1",
                           "--kernel k --timeout soon"}) {
    CLI::App app;
    RunOptions options;
    DeclareRunOptions(app, options);
    EXPECT_THROW(app.parse(std::string(line)), CLI::ParseError) << line;
  }
}

TEST_F(RunOptionsTest, TakesAConfigurationFile) {
  const ConfigText file(
      "kernel = 'k'\nmemory = '1G'\ncpus = 2\ncpus-max = 6\ndisk = ['path=a', 'path=b']\n"
      "[[net]]\nlink = 'user'\nmtu = 1500\n[xen]\nevent-abi = '2-level'\n");
  Parse("--cpus 3 --config " + file.path());
  EXPECT_EQ(options_.machine.kernel, "k");
  EXPECT_EQ(options_.machine.memory_bytes, 1024 * kMiB);
  EXPECT_EQ(options_.machine.vcpus, 3U);
  EXPECT_EQ(options_.machine.vcpus_max, 6U);
  EXPECT_EQ(options_.machine.disks.size(), 2U);
  ASSERT_EQ(options_.machine.nics.size(), 1U);
  EXPECT_EQ(options_.machine.nics[0].mtu, 1500U);
  EXPECT_EQ(options_.machine.xen.event_abi, EventAbi::k2Level);
}

TEST_F(RunOptionsTest, AFileCanNameTheFirstDiskImage) {
  const ConfigText file("image = 'web.img'\nkernel = 'k'\n");
  Parse("--config " + file.path());
  EXPECT_EQ(options_.image, "web.img");
  ASSERT_EQ(options_.machine.disks.size(), 1U);
  EXPECT_EQ(options_.machine.disks[0].path, "web.img");
}

TEST_F(RunOptionsTest, SaysWhereInTheFileAWrongValueIs) {
  const ConfigText file("kernel = 'k'\nmemory = '64Q'\n");
  EXPECT_EQ(Refusal("--config " + file.path()),
            file.path() +
                ", line 2: --memory: '64Q' is not a size; write for example 256M or 2G "
                "(a plain number is MiB, and B a byte)");
}

TEST_F(RunOptionsTest, AFileCannotNameAnotherFile) {
  const ConfigText file("config = 'k'\n");
  EXPECT_EQ(Refusal("--config " + file.path()),
            file.path() + ", line 1: there is no option 'config'");
}

TEST_F(RunOptionsTest, WithoutXenThereIsNoXenstore) {
  EXPECT_THAT(Refusal("--kernel k --xen off --xenstore-socket s"),
              ::testing::HasSubstr("no xenstore"));
}

TEST_F(RunOptionsTest, WithoutXenThereIsNoPvConsole) {
  EXPECT_EQ(Refusal("--kernel k --xen off --console stdio"),
            "--console: a guest without Xen (--xen off) has no PV console; use --serial and ttyS0");
}

TEST_F(RunOptionsTest, NamesThatOtherCommandsWouldNotTakeAreRefused) {
  for (const char* line : {"--kernel k --name .", "--kernel k --name=-x"}) {
    CLI::App app;
    RunOptions options;
    DeclareRunOptions(app, options);
    try {
      app.parse(std::string(line));
      ADD_FAILURE() << line;
    } catch (const CLI::ParseError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("that begins with a letter, a digit or '_'"));
    }
  }
}

TEST_F(RunOptionsTest, SaysWhatAMistypedOptionMayBe) {
  const auto text = [this](const std::string& line) {
    try {
      Parse(line);
    } catch (const CLI::ParseError& error) {
      return UsageText(app_, error);
    }
    return std::string("(accepted)");
  };
  EXPECT_EQ(text("--kernel k --memroy 1G"),
            "there is no option '--memroy'; did you mean '--memory'?");
  EXPECT_EQ(text("--kernal k"), "there is no option '--kernal'; did you mean '--kernel'?");
  EXPECT_EQ(text("--kernel k --weather=fine"), "there is no option '--weather'");
  EXPECT_EQ(text("image k x"), "'k' is not expected here; it follows no option");
}

TEST_F(RunOptionsTest, AGuestInTheBackgroundHasNoSerialPortOnStdio) {
  Parse("--kernel k --detach");
  EXPECT_TRUE(options_.detach);
  EXPECT_EQ(options_.machine.serial.kind, CharacterTarget::Kind::kOff);
}

TEST_F(RunOptionsTest, AGuestInTheBackgroundMayWriteToAFile) {
  Parse("--kernel k --detach --serial file:/tmp/log");
  EXPECT_EQ(options_.machine.serial.kind, CharacterTarget::Kind::kFile);
}

TEST(RunOptions, ThatABackgroundGuestCannotHaveAreRefused) {
  for (const char* line : {"--serial stdio", "--console stdio", "--control-socket off"}) {
    CLI::App app;
    RunOptions options;
    DeclareRunOptions(app, options);
    try {
      app.parse(std::string("--kernel k --detach ") + line);
      ADD_FAILURE() << line;
    } catch (const CLI::ParseError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("background")) << line;
    }
  }
}

}  // namespace
}  // namespace veneer
