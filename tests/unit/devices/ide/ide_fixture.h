// A controller with fake images, driven by ports as a guest drives it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/devices/ide/ata.h"
#include "support/fake_disk_image.h"
#include "support/pci_root.h"
#include "veneer/devices/ide/ide_controller.h"
#include "veneer/vmm/base/metrics.h"

namespace veneer {

class IdeTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kDiskBytes = std::uint64_t{8} << 20U;
  static constexpr std::uint64_t kDiskSectors = kDiskBytes / 512;
  static constexpr std::uint64_t kMemoryBytes = std::uint64_t{4} << 20U;
  static constexpr std::uint64_t kBusMaster = 0xc000;
  static constexpr std::uint32_t kTable = 0x1000;  // where tests put their tables of regions
  static constexpr std::uint32_t kPage = 0x10000;  // and their data

  // A drive to be plugged in next; returns its image, which the controller owns.
  testing::FakeDiskImage& AddDrive(IdeDriveConfig config = {}, std::uint64_t bytes = kDiskBytes) {
    auto image = std::make_unique<testing::FakeDiskImage>(bytes);
    testing::FakeDiskImage& raw = *image;
    config.image = std::move(image);
    drives_.push_back(std::move(config));
    return raw;
  }
  void Build() {
    memory_ = GuestMemory::CreateFlat(kMemoryBytes).value();
    controller_ =
        IdeController::Create({*memory_, metrics_, {&lines_[0], &lines_[1]}}, std::move(drives_))
            .value();
    ASSERT_TRUE(controller_->Attach(ports_));
    ASSERT_TRUE(root_.Plug(1, 1, *controller_));
    ASSERT_EQ(controller_->BarBase(IdeController::kBusMasterBar), kBusMaster);
  }

  std::uint8_t In8(std::uint64_t port) { return static_cast<std::uint8_t>(ports_.Read(port, 1)); }
  std::uint16_t In16(std::uint64_t port) {
    return static_cast<std::uint16_t>(ports_.Read(port, 2));
  }
  void Out8(std::uint64_t port, std::uint64_t value) { ports_.Write(port, 1, value & 0xffU); }
  void Out16(std::uint64_t port, std::uint64_t value) { ports_.Write(port, 2, value & 0xffffU); }
  void Out32(std::uint64_t port, std::uint64_t value) {
    ports_.Write(port, 4, value & 0xffffffffU);
  }

  // The primary channel's registers.
  static constexpr std::uint64_t kPort = 0x1f0;
  static constexpr std::uint64_t kControl = 0x3f6;
  std::uint8_t Get(ata::Register reg) { return In8(kPort + reg); }
  void Set(ata::Register reg, std::uint64_t value) { Out8(kPort + reg, value); }
  std::uint8_t Status() { return In8(kControl); }

  void Select(bool second) { Set(ata::kDevice, second ? 0xf0 : 0xe0); }
  void Address28(std::uint32_t lba, unsigned count) {
    Set(ata::kCount, count);
    Set(ata::kLbaLow, lba);
    Set(ata::kLbaMid, lba >> 8U);
    Set(ata::kLbaHigh, lba >> 16U);
    Set(ata::kDevice, 0xe0U | lba >> 24U);
  }
  void Address48(std::uint64_t lba, unsigned count) {
    Set(ata::kCount, count >> 8U);
    Set(ata::kLbaLow, lba >> 24U);
    Set(ata::kLbaMid, lba >> 32U);
    Set(ata::kLbaHigh, lba >> 40U);
    Set(ata::kCount, count);
    Set(ata::kLbaLow, lba);
    Set(ata::kLbaMid, lba >> 8U);
    Set(ata::kLbaHigh, lba >> 16U);
    Set(ata::kDevice, 0xe0);
  }
  void Command(unsigned code) { Set(ata::kStatus, code); }
  // Until the interrupt; returns the status, which takes it back.
  std::uint8_t WaitForInterrupt() {
    EXPECT_TRUE(lines_[0].WaitForHigh());
    return Get(ata::kStatus);
  }
  std::vector<std::uint8_t> ReadData(std::size_t bytes) {
    std::vector<std::uint8_t> data;
    while (data.size() < bytes) {
      const std::uint16_t word = In16(kPort);
      data.push_back(static_cast<std::uint8_t>(word));
      data.push_back(static_cast<std::uint8_t>(word >> 8U));
    }
    return data;
  }
  void WriteData(const std::vector<std::uint8_t>& data) {
    for (std::size_t i = 0; i + 1 < data.size(); i += 2) {
      Out16(kPort, data[i] | std::uint64_t{data[i + 1]} << 8U);
    }
  }
  std::vector<std::uint16_t> Identify(unsigned code = ata::kIdentify) {
    Command(code);
    EXPECT_EQ(WaitForInterrupt(), 0x58);
    std::vector<std::uint16_t> words;
    for (int i = 0; i < 256; ++i) {
      words.push_back(In16(kPort));
    }
    return words;
  }

  struct Region {
    std::uint32_t address;
    std::uint32_t length;
    bool last = false;
  };
  void PutTable(const std::vector<Region>& regions, std::uint64_t at = kTable) {
    for (const Region& region : regions) {
      const std::array<std::uint32_t, 2> entry{
          region.address, (region.length & 0xffffU) | (region.last ? 0x80000000U : 0)};
      ASSERT_TRUE(memory_->Write(Gpa{at}, entry));
      at += sizeof entry;
    }
    Out32(kBusMaster + bmide::kTable, kTable);
  }
  void StartDma(bool to_memory) { Out8(kBusMaster, (to_memory ? 0x08U : 0U) | 0x01U); }
  void StopDma() { Out8(kBusMaster, 0); }
  std::uint8_t DmaStatus() { return In8(kBusMaster + bmide::kStatus); }
  // One region, one transfer, from the start to the interrupt.
  std::uint8_t Dma(unsigned code, std::uint32_t lba, unsigned sectors) {
    const bool to_memory = code == ata::kReadDma || code == ata::kReadDmaExt;
    PutTable({{kPage, sectors * 512, true}});
    Out8(kBusMaster + bmide::kStatus, bmide::kInterrupt | bmide::kFailed);
    Address28(lba, sectors);
    Command(code);
    StartDma(to_memory);
    const std::uint8_t status = WaitForInterrupt();
    StopDma();
    return status;
  }
  void FillMemory(std::uint64_t at, std::size_t bytes, std::uint8_t seed) {
    std::vector<std::byte> data(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
      data[i] = static_cast<std::byte>(seed + i * 7 + i / 512);
    }
    ASSERT_TRUE(memory_->WriteBytes(Gpa{at}, data));
  }
  std::vector<std::byte> Memory(std::uint64_t at, std::size_t bytes) const {
    std::vector<std::byte> data(bytes);
    EXPECT_TRUE(memory_->ReadBytes(Gpa{at}, data));
    return data;
  }

  Metrics metrics_;
  testing::PciRoot root_;
  Bus& ports_ = root_.ports;
  std::array<FakeInterruptLine, 2> lines_;  // the channels' own
  std::unique_ptr<GuestMemory> memory_;
  std::vector<IdeDriveConfig> drives_;
  std::unique_ptr<IdeController> controller_;
};

}  // namespace veneer
