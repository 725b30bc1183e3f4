// What Linux's e1000 driver (drivers/net/ethernet/intel/e1000) looks at before it believes in a
// NIC.

#include "e1000_fixture.h"
#include "support/eventually.h"
#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

class E1000LinuxTest : public E1000Test {
 protected:
  void SetUp() override { Build(); }

  void Lines(std::uint32_t lines) { Set(e1000::kEecd, lines | 0x40); }
  // A word of the EEPROM, bit by bit.
  std::uint16_t ReadEeprom(unsigned address) {
    Lines(0);
    EXPECT_EQ(Get(e1000::kEecd) & 0x80, 0x80U) << "granted";
    Lines(0x02);
    const unsigned command = 6U << 6U | address;
    for (int bit = 8; bit >= 0; --bit) {
      const std::uint32_t data = (command >> bit & 1U) != 0 ? 0x04 : 0;
      Lines(0x02 | data);
      Lines(0x03 | data);
      Lines(0x02 | data);
    }
    unsigned word = 0;
    for (int bit = 0; bit < 16; ++bit) {
      Lines(0x03);
      word = word << 1U | ((Get(e1000::kEecd) & 0x08) != 0 ? 1U : 0U);
      Lines(0x02);
    }
    Set(e1000::kEecd, 0);
    return static_cast<std::uint16_t>(word);
  }
  std::uint32_t Phy(unsigned reg, std::uint32_t operation = 2U << 26U, unsigned phy = 1) {
    Set(e1000::kMdic, operation | phy << 21U | reg << 16U);
    return Get(e1000::kMdic);
  }
};

TEST_F(E1000LinuxTest, TheEepromHasAChecksumAndTheAddress) {
  std::uint16_t sum = 0;
  for (unsigned i = 0; i < 64; ++i) {
    sum = static_cast<std::uint16_t>(sum + ReadEeprom(i));
  }
  EXPECT_EQ(sum, 0xbaba);
  EXPECT_EQ(ReadEeprom(0), 0x5452);
  EXPECT_EQ(ReadEeprom(1), 0x1200);
  EXPECT_EQ(ReadEeprom(2), 0x5634);
  Set(e1000::kEerd, 1U | 2U << 8U);
  EXPECT_EQ(Get(e1000::kEerd), 0x56340210U) << "by the register too";
}

TEST_F(E1000LinuxTest, ThePhyIsAMarvellWithItsCableIn) {
  EXPECT_EQ(Phy(2) & 0xffffU, 0x0141U);
  EXPECT_EQ(Phy(3) & 0xfff0U, 0x0c20U);
  EXPECT_EQ(Phy(1) & 0x24U, 0x24U) << "link, negotiated";
  EXPECT_EQ(Phy(2, 2U << 26U, 0) & 1U << 30U, 1U << 30U) << "there is one only";
  Phy(0, 1U << 26U);
  Set(e1000::kMdic, 1U << 26U | 1U << 21U | 0x9340);  // reset
  EXPECT_EQ(Phy(0) & 0x8200U, 0U);
  EXPECT_EQ(Get(e1000::kStatus), 0x83U);
}

TEST_F(E1000LinuxTest, AResetByPortsForgetsEverythingButTheAddress) {
  const std::uint64_t ports = nic_->BarBase(E1000::kPortsBar).value();
  Set(e1000::kIms, 0x1f);
  Set(e1000::kIcs, e1000::kLinkChange);
  EXPECT_TRUE(lines_[3].level());
  Set(e1000::kReceiveAddress, 0);
  root_.ports.Write(ports, 4, e1000::kCtrl);
  root_.ports.Write(ports + 4, 4, e1000::kCtrlReset);
  EXPECT_FALSE(lines_[3].level());
  EXPECT_EQ(Get(e1000::kIms), 0U);
  EXPECT_EQ(Get(e1000::kIcr), 0U);
  EXPECT_EQ(Get(e1000::kCtrl) & e1000::kCtrlReset, 0U);
  EXPECT_EQ(Get(e1000::kReceiveAddress), 0x12005452U);
  EXPECT_EQ(Get(e1000::kReceiveAddress + 4), 0x80005634U);
  root_.ports.Write(ports, 4, e1000::kStatus);
  EXPECT_EQ(root_.ports.Read(ports + 4, 4), 0x83U);
}

TEST_F(E1000LinuxTest, InterruptsComeWhenTheyAreWanted) {
  Set(e1000::kIcs, e1000::kLinkChange);
  EXPECT_FALSE(lines_[3].level());
  Set(e1000::kIms, e1000::kLinkChange);
  EXPECT_TRUE(lines_[3].level());
  Set(e1000::kImc, e1000::kLinkChange);
  EXPECT_FALSE(lines_[3].level());
  EXPECT_EQ(Get(e1000::kIcr), e1000::kLinkChange) << "masked, but there";
  EXPECT_EQ(Get(e1000::kIcr), 0U);
}

TEST_F(E1000LinuxTest, ThrottledInterruptsKeepTheirDistance) {
  constexpr std::uint32_t kUnits = 40000;
  Set(e1000::kItr, kUnits);
  Set(e1000::kIms, e1000::kLinkChange);
  const std::uint64_t start = HostClock().MonotonicNs();
  Set(e1000::kIcs, e1000::kLinkChange);
  EXPECT_TRUE(lines_[3].level());
  Get(e1000::kIcr);
  Set(e1000::kIcs, e1000::kLinkChange);
  ASSERT_TRUE(testing::Eventually([&] { return lines_[3].level(); }));
  EXPECT_GE(HostClock().MonotonicNs() - start, std::uint64_t{kUnits} * 256);
}

}  // namespace
}  // namespace veneer
