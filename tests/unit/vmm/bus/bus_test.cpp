#include "veneer/vmm/bus/bus.h"

#include <atomic>
#include <limits>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "veneer/vmm/bus/interrupt.h"

namespace veneer {
namespace {

constexpr std::uint64_t kTop = std::numeric_limits<std::uint64_t>::max();

struct Access {
  std::uint64_t offset = 0;
  unsigned size = 0;
  std::uint64_t value = 0;
  friend bool operator==(const Access&, const Access&) = default;
};

class RecordingDevice final : public BusDevice {
 public:
  std::uint64_t Read(std::uint64_t offset, unsigned size) override {
    last_read = Access{offset, size, 0};
    return answer;
  }
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override {
    last_write = Access{offset, size, value};
  }
  std::uint64_t answer = 0x1122334455667788;
  std::optional<Access> last_read;
  std::optional<Access> last_write;
};

class BusTest : public ::testing::Test {
 protected:
  Counter unclaimed_;
  Bus bus_{"port", unclaimed_};
  RecordingDevice device_;
  RecordingDevice other_;
};

TEST_F(BusTest, AccessesReachTheDeviceWithTheirOffset) {
  ASSERT_TRUE(bus_.Attach(0x100, 8, device_));
  EXPECT_EQ(bus_.Read(0x104, 4), 0x55667788U);
  EXPECT_EQ(device_.last_read, (Access{4, 4, 0}));
  bus_.Write(0x107, 1, 0xab);
  EXPECT_EQ(device_.last_write, (Access{7, 1, 0xab}));
  EXPECT_EQ(unclaimed_.value(), 0U);
}

TEST_F(BusTest, ValuesAreCutToTheAccessSize) {
  ASSERT_TRUE(bus_.Attach(0, 8, device_));
  EXPECT_EQ(bus_.Read(0, 1), 0x88U);
  EXPECT_EQ(bus_.Read(0, 2), 0x7788U);
  EXPECT_EQ(bus_.Read(0, 8), 0x1122334455667788U);
  bus_.Write(0, 2, 0xffffffff12345678);
  EXPECT_EQ(device_.last_write, (Access{0, 2, 0x5678}));
}

TEST_F(BusTest, AnUnclaimedReadIsAllOnesAndCounted) {
  EXPECT_EQ(bus_.Read(0x60, 1), 0xffU);
  EXPECT_EQ(bus_.Read(0x60, 2), 0xffffU);
  EXPECT_EQ(bus_.Read(0x60, 4), 0xffffffffU);
  EXPECT_EQ(bus_.Read(0x60, 8), kTop);
  bus_.Write(0x60, 1, 0);
  EXPECT_EQ(unclaimed_.value(), 5U);
}

TEST_F(BusTest, AnAccessAcrossTheEdgeOfAWindowReachesNobody) {
  ASSERT_TRUE(bus_.Attach(0x100, 4, device_));
  ASSERT_TRUE(bus_.Attach(0x104, 4, other_));
  EXPECT_EQ(bus_.Read(0x102, 4), 0xffffffffU);
  bus_.Write(0xff, 2, 0x1234);
  bus_.Write(0x107, 2, 0x1234);
  EXPECT_FALSE(device_.last_read || device_.last_write || other_.last_read || other_.last_write);
  EXPECT_EQ(unclaimed_.value(), 3U);
}

TEST_F(BusTest, NeighbouringWindowsDoNotOverlap) {
  ASSERT_TRUE(bus_.Attach(0x100, 0x10, device_));
  EXPECT_TRUE(bus_.Attach(0xf0, 0x10, other_));
  EXPECT_TRUE(bus_.Attach(0x110, 0x10, other_));
}

TEST_F(BusTest, OverlapsAreRefusedWithoutEffect) {
  ASSERT_TRUE(bus_.Attach(0x100, 0x10, device_));
  struct {
    std::uint64_t base;
    std::uint64_t size;
  } const overlaps[] = {{0x100, 0x10}, {0x100, 1},   {0x10f, 1}, {0x108, 0x20},
                        {0xff, 2},     {0xf0, 0x40}, {0, kTop},  {0x104, 4}};
  for (const auto& [base, size] : overlaps) {
    const Result<void> result = bus_.Attach(base, size, other_);
    ASSERT_FALSE(result) << base << " " << size;
    EXPECT_EQ(result.error().kind, ErrorKind::kUsage);
  }
  bus_.Read(0x100, 1);
  EXPECT_TRUE(device_.last_read);
  EXPECT_FALSE(bus_.Detach(0x108));
  EXPECT_TRUE(bus_.Detach(0x100));
}

TEST_F(BusTest, WindowsMustHaveASizeAndEndBelowTheTop) {
  EXPECT_FALSE(bus_.Attach(0x100, 0, device_));
  EXPECT_FALSE(bus_.Attach(kTop, 2, device_));
  EXPECT_FALSE(bus_.Attach(2, kTop, device_));
  EXPECT_TRUE(bus_.Attach(kTop - 3, 4, device_));
  bus_.Read(kTop, 1);
  EXPECT_EQ(device_.last_read, (Access{3, 1, 0}));
  EXPECT_EQ(bus_.Read(kTop, 2), 0xffffU);
}

TEST_F(BusTest, ADetachedWindowIsFreeAgain) {
  ASSERT_TRUE(bus_.Attach(0x100, 4, device_));
  EXPECT_TRUE(bus_.Detach(0x100));
  EXPECT_FALSE(bus_.Detach(0x100));
  EXPECT_EQ(bus_.Read(0x100, 1), 0xffU);
  EXPECT_TRUE(bus_.Attach(0x102, 4, other_));
}

// A device that moves its own window when written to, as a PCI BAR does.
class MovingDevice final : public BusDevice {
 public:
  explicit MovingDevice(Bus& bus) : bus_(bus) {}
  std::uint64_t Read(std::uint64_t /*offset*/, unsigned /*size*/) override { return base; }
  void Write(std::uint64_t /*offset*/, unsigned /*size*/, std::uint64_t value) override {
    bus_.Detach(base);
    base = value;
    attached = bus_.Attach(base, 4, *this).has_value();
  }
  std::atomic<std::uint64_t> base{0};
  std::atomic<bool> attached{false};

 private:
  Bus& bus_;
};

TEST_F(BusTest, ADeviceMayMoveItselfDuringAnAccess) {
  MovingDevice moving(bus_);
  ASSERT_TRUE(bus_.Attach(0, 4, moving));
  bus_.Write(0, 4, 0x40);
  EXPECT_TRUE(moving.attached);
  EXPECT_EQ(bus_.Read(0x40, 1), 0x40U);
  EXPECT_EQ(bus_.Read(0, 1), 0xffU);
}

TEST_F(BusTest, WindowsMayComeAndGoWhileOthersAccessThem) {
  std::atomic<bool> stop{false};
  class Constant final : public BusDevice {
    std::uint64_t Read(std::uint64_t /*offset*/, unsigned /*size*/) override { return 0x42; }
    void Write(std::uint64_t, unsigned, std::uint64_t) override {}
  } constant;
  std::thread vcpu([&] {
    while (!stop) {
      const std::uint64_t value = bus_.Read(0x200, 1);
      EXPECT_TRUE(value == 0x42 || value == 0xff);
      bus_.Write(0x200, 1, 0);
    }
  });
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(bus_.Attach(0x200, 4, constant));
    ASSERT_TRUE(bus_.Detach(0x200));
  }
  stop = true;
  vcpu.join();
}

TEST(AllOnes, IsAsWideAsTheAccess) {
  EXPECT_EQ(AllOnes(1), 0xffU);
  EXPECT_EQ(AllOnes(2), 0xffffU);
  EXPECT_EQ(AllOnes(4), 0xffffffffU);
  EXPECT_EQ(AllOnes(8), kTop);
}

TEST(InterruptLine, PulseIsUpAndDown) {
  struct Line final : InterruptLine {
    void SetLevel(bool asserted) override { history += asserted ? '1' : '0'; }
    std::string history;
  } line;
  line.Pulse();
  EXPECT_EQ(line.history, "10");
}

}  // namespace
}  // namespace veneer
