#include "veneer/xencompat/platform/platform_ports.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "veneer/vmm/bus/bus.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint16_t kLinux = 0xffff;

class PlatformPortsTest : public ::testing::Test {
 protected:
  PlatformPortsTest() { Make({}); }
  void Make(std::set<PlatformPorts::BlockedDriver> blocked) {
    bus_ = std::make_unique<Bus>("ports", metrics_.Get("unclaimed"));
    ports_ = std::make_unique<PlatformPorts>(
        [this](std::uint16_t mask) { unplugged_.push_back(mask); }, std::move(blocked), metrics_);
    EXPECT_TRUE(bus_->Attach(PlatformPorts::kBase, PlatformPorts::kSize, ports_->fixed_ports()));
    EXPECT_TRUE(bus_->Attach(0xc000, 256, ports_->bar0()));
  }
  std::uint64_t In(std::uint64_t port, unsigned size) { return bus_->Read(port, size); }
  void Out(std::uint64_t port, unsigned size, std::uint64_t value) {
    bus_->Write(port, size, value);
  }
  // As Linux does it; returns the magic it sees at the end.
  std::uint64_t Introduce(std::uint16_t product, std::uint32_t build) {
    Out(0x12, 2, product);
    Out(0x10, 4, build);
    return In(0x10, 2);
  }
  std::uint64_t LogLines() { return metrics_.Get("xenplatform.log_lines").value(); }

  Metrics metrics_;
  std::unique_ptr<Bus> bus_;
  std::unique_ptr<PlatformPorts> ports_;
  std::vector<std::uint16_t> unplugged_;
};

TEST_F(PlatformPortsTest, ShowsMagicAndVersion) {
  EXPECT_EQ(In(0x10, 2), 0x49d2U);
  EXPECT_EQ(In(0x12, 1), 1U);
}

TEST_F(PlatformPortsTest, UnplugsWhatItIsAskedTo) {
  EXPECT_EQ(Introduce(kLinux, 0x60100), 0x49d2U);
  Out(0x10, 2, kUnplugAllDisks | kUnplugAllNics);
  EXPECT_THAT(unplugged_, ElementsAre(kUnplugAllDisks | kUnplugAllNics));
}

TEST_F(PlatformPortsTest, UnknownUnplugBitsAreDropped) {
  Out(0x10, 2, 0xfff8);
  EXPECT_THAT(unplugged_, ElementsAre(kUnplugNvme));
}

TEST_F(PlatformPortsTest, ABlockedBuildSeesTheOtherMagicAndUnplugsNothing) {
  Make({{kLinux, 0x60100}});
  EXPECT_EQ(In(0x10, 2), 0x49d2U) << "before it is known";
  EXPECT_EQ(Introduce(kLinux, 0x60100), 0xd249U);
  Out(0x10, 2, kUnplugAllDisks);
  EXPECT_THAT(unplugged_, IsEmpty());
  EXPECT_EQ(Introduce(kLinux, 0x60200), 0x49d2U) << "another build";
}

TEST_F(PlatformPortsTest, AProductCanBeBlockedWhole) {
  Make({{3, std::nullopt}});
  EXPECT_EQ(Introduce(3, 1), 0xd249U);
  EXPECT_EQ(Introduce(3, 99), 0xd249U);
  EXPECT_EQ(Introduce(kLinux, 99), 0x49d2U);
}

TEST_F(PlatformPortsTest, ResetForgetsTheDriver) {
  Make({{3, std::nullopt}});
  EXPECT_EQ(Introduce(3, 1), 0xd249U);
  ports_->Reset();
  EXPECT_EQ(In(0x10, 2), 0x49d2U);
}

TEST_F(PlatformPortsTest, AccessesOfTheWrongSizeReadAllOnesAndDoNothing) {
  EXPECT_EQ(In(0x10, 4), 0xffffffffU);
  EXPECT_EQ(In(0x12, 2), 0xffffU);
  EXPECT_EQ(In(0x11, 1), 0xffU);
  EXPECT_EQ(In(0x14, 4), 0xffffffffU);
  Out(0x11, 2, 0xffff);
  Out(0x10, 1, 0xff);
  Out(0x14, 4, 0xff);
  EXPECT_THAT(unplugged_, IsEmpty());
}

TEST_F(PlatformPortsTest, TheBarShowsTheSamePorts) {
  EXPECT_EQ(In(0xc000, 2), 0x49d2U);
  EXPECT_EQ(In(0xc002, 1), 1U);
  EXPECT_EQ(In(0xc010, 2), 0xffffU);
  EXPECT_EQ(In(0xc0fc, 4), 0xffffffffU);
}

TEST_F(PlatformPortsTest, LogBytesBecomeLines) {
  for (const char c : std::string("hello\nworld")) {
    Out(0x12, 1, static_cast<unsigned char>(c));
  }
  EXPECT_EQ(LogLines(), 1U);
  Out(0x12, 1, '\n');
  EXPECT_EQ(LogLines(), 2U);
}

TEST_F(PlatformPortsTest, ALineThatNeverEndsIsCut) {
  for (int i = 0; i < 1000; ++i) {
    Out(0x12, 1, 0x07);
  }
  EXPECT_EQ(LogLines(), 3U);
}

}  // namespace
}  // namespace veneer
