// A CD-ROM drive with a disc in it: packet commands after INCITS 430 (MMC-5) and INCITS 408
// (SPC-3), carried by ATAPI (INCITS 452).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "ide_cable.h"
#include "ide_drive.h"
#include "identify.h"
#include "veneer/host/disk/disk_image.h"

namespace veneer {

class AtapiCdrom final : public IdeDrive {
 public:
  static constexpr std::uint64_t kBlockBytes = 2048;

  // `image` stays until the drive is unplugged. What is beyond its last whole block is not seen.
  AtapiCdrom(IdeCable& cable, DiskImage& image, std::string serial);

  // IdeDrive
  Signature signature() const override { return {0x14, 0xeb, 0}; }
  bool packet() const override { return true; }
  void Reset() override;
  void Execute(std::uint8_t command) override;

 private:
  static constexpr std::size_t kPacketBytes = 12;
  using Packet = std::array<std::uint8_t, kPacketBytes>;
  struct Operation {
    std::uint8_t code;
    void (AtapiCdrom::*run)(const Packet& packet);
  };
  static const std::array<Operation, 17> kOperations;
  // What is wrong, as SPC-3 numbers it.
  struct Sense {
    std::uint8_t key = 0;
    std::uint8_t code = 0;
    std::uint8_t qualifier = 0;
  };

  // ATA commands.
  void TakePacket();
  void SetFeatures();
  void RunPacket();

  // Packet commands.
  void TestUnitReady(const Packet& packet);
  void RequestSense(const Packet& packet);
  void Inquiry(const Packet& packet);
  void ModeSense(const Packet& packet);
  void ReadCapacity(const Packet& packet);
  void Read(const Packet& packet);
  void ReadToc(const Packet& packet);
  void GetConfiguration(const Packet& packet);
  void GetEventStatus(const Packet& packet);
  void ReadDiscInformation(const Packet& packet);
  void MechanismStatus(const Packet& packet);
  void Nothing(const Packet& packet);

  std::uint32_t Blocks() const;
  void FailPacket(const Sense& sense);
  void FinishPacket();
  // The first `bytes` of the buffer, but no more than the guest has room for, and then the end.
  void Reply(std::size_t bytes, std::size_t room);
  void SendChunk();
  void ReadNext();

  IdeCable& cable_;
  DiskImage& image_;
  const std::string serial_;
  TransferMode mode_;
  Sense sense_;

  // The packet under way.
  bool dma_ = false;
  std::size_t chunk_limit_ = 0;  // bytes the guest takes after each interrupt
  std::uint64_t next_block_ = 0;
  std::uint64_t blocks_left_ = 0;
  std::size_t reply_position_ = 0;
  std::size_t reply_end_ = 0;
};

}  // namespace veneer
