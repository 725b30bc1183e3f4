// A NIC with a fake link, driven by its registers and rings as a guest drives it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/devices/e1000/e1000_registers.h"
#include "support/eventually.h"
#include "support/fake_net_link.h"
#include "support/net_frames.h"
#include "support/pci_root.h"
#include "veneer/devices/e1000/e1000.h"
#include "veneer/vmm/base/metrics.h"

namespace veneer {

class E1000Test : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kMemoryBytes = std::uint64_t{4} << 20U;
  static constexpr std::uint64_t kTxRing = 0x1000;
  static constexpr std::uint64_t kRxRing = 0x2000;
  static constexpr std::uint64_t kTxData = 0x10000;
  static constexpr std::uint64_t kRxData = 0x100000;
  static constexpr std::uint32_t kRingEntries = 16;
  static constexpr MacAddress kMac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};

  void Build(bool offloads = true) {
    link_ = std::make_shared<testing::FakeNetLink>(
        NetLink::Facts{.name = "fake", .offloads = offloads});
    memory_ = GuestMemory::CreateFlat(kMemoryBytes).value();
    nic_ = E1000::Create(*memory_, metrics_, {.number = 0, .mac = kMac}, link_).value();
    ASSERT_TRUE(root_.Plug(3, 0, *nic_));
    base_ = nic_->BarBase(E1000::kMemoryBar).value();
  }
  std::uint32_t Get(std::uint32_t offset) {
    return static_cast<std::uint32_t>(mmio_.Read(base_ + offset, 4));
  }
  void Set(std::uint32_t offset, std::uint32_t value) { mmio_.Write(base_ + offset, 4, value); }

  void StartTx() {
    Set(e1000::kTdbal, kTxRing);
    Set(e1000::kTdlen, kRingEntries * 16);
    Set(e1000::kTctl, e1000::kTxEnable);
  }
  void StartRx(std::uint32_t control = e1000::kRxBroadcast) {
    for (std::uint32_t i = 0; i < kRingEntries; ++i) {
      PutRx(i, kRxData + std::uint64_t{i} * 2048);
    }
    Set(e1000::kRdbal, kRxRing);
    Set(e1000::kRdlen, kRingEntries * 16);
    Set(e1000::kRdt, kRingEntries - 1);
    Set(e1000::kRctl, control | e1000::kRxEnable);
    // Frames that arrive before the channel is open are gone.
    ASSERT_TRUE(testing::Eventually([&] { return link_->open_channels() != 0; }));
  }
  struct Tx {
    std::uint64_t address = 0;
    std::uint32_t lower = 0;
    std::uint32_t upper = 0;
  };
  // A context for TCP or UDP in a frame of this shape.
  Tx Context(const testing::FrameShape& shape, bool segment, unsigned segment_bytes = 0) const {
    const auto ip = static_cast<std::uint32_t>(shape.ip_offset());
    const auto transport = static_cast<std::uint32_t>(shape.transport_offset());
    const auto place = static_cast<std::uint32_t>(shape.checksum_at());
    Tx context;
    context.address = (ip | (ip + 10) << 8U | (transport - 1) << 16U) |
                      std::uint64_t{transport | place << 8U} << 32U;
    context.lower = kExtended | (segment ? kSegment : 0) |
                    (shape.transport == testing::Transport::kTcp ? 0x01000000U : 0) |
                    (shape.ip == testing::Ip::kV4 ? 0x02000000U : 0);
    context.upper = static_cast<std::uint32_t>(shape.headers()) << 8U | std::uint32_t{segment_bytes}
                                                                            << 16U;
    return context;
  }
  void PutTx(std::uint32_t index, const Tx& descriptor) {
    ASSERT_TRUE(memory_->Write(Gpa{kTxRing + std::uint64_t{index} * 16}, descriptor));
  }
  void PutRx(std::uint32_t index, std::uint64_t address) {
    const std::array<std::uint64_t, 2> descriptor{address, 0};
    ASSERT_TRUE(memory_->Write(Gpa{kRxRing + std::uint64_t{index} * 16}, descriptor));
  }
  void PutData(const std::vector<std::byte>& bytes, std::uint64_t at = kTxData) {
    ASSERT_TRUE(memory_->WriteBytes(Gpa{at}, bytes));
  }
  std::uint8_t TxStatus(std::uint32_t index) {
    return memory_->Read<std::uint8_t>(Gpa{kTxRing + std::uint64_t{index} * 16 + 12}).value();
  }
  struct Rx {
    std::uint16_t length;
    std::uint16_t checksum;
    std::uint8_t status;
    std::uint8_t errors;
    std::uint16_t special;
  };
  // Once the NIC has written it.
  Rx WaitForRx(std::uint32_t index) {
    Rx descriptor{};
    EXPECT_TRUE(testing::Eventually([&] {
      descriptor = memory_->Read<Rx>(Gpa{kRxRing + std::uint64_t{index} * 16 + 8}).value();
      return (descriptor.status & e1000::kRxDone) != 0;
    }));
    return descriptor;
  }
  std::vector<std::byte> RxData(std::uint32_t index, std::size_t bytes) {
    std::vector<std::byte> data(bytes);
    EXPECT_TRUE(memory_->ReadBytes(Gpa{kRxData + std::uint64_t{index} * 2048}, data));
    return data;
  }
  std::vector<std::byte> Arrive(const testing::FrameShape& shape) {
    std::vector<std::byte> frame = testing::MakeFrame(shape);
    Arrive(frame);
    return frame;
  }
  void Arrive(std::vector<std::byte> frame) { link_->Arrive({.bytes = std::move(frame)}); }

  // Commands in a descriptor's second dword.
  static constexpr std::uint32_t kEnd = std::uint32_t{e1000::kTxEndOfPacket} << 24U;
  static constexpr std::uint32_t kReport = std::uint32_t{e1000::kTxReportStatus} << 24U;
  static constexpr std::uint32_t kExtended = std::uint32_t{e1000::kTxExtended} << 24U;
  static constexpr std::uint32_t kDataType = 1U << 20U;
  static constexpr std::uint32_t kSegment = std::uint32_t{e1000::kTxSegment} << 24U;

  Metrics metrics_;
  testing::PciRoot root_;
  Bus& mmio_ = root_.mmio;
  std::array<FakeInterruptLine, PciHost::kIntxLines>& lines_ = root_.lines;
  std::shared_ptr<testing::FakeNetLink> link_;
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<E1000> nic_;
  std::uint64_t base_ = 0;
};

}  // namespace veneer
