// A hard disk with the commands of INCITS 452 (ATA8-ACS) that operating systems use.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ide_cable.h"
#include "ide_drive.h"
#include "identify.h"
#include "veneer/host/disk/disk_image.h"

namespace veneer {

// Common to disks and CD-ROMs: SET FEATURES's subcommand kSetTransferMode. Nothing if the drive
// does not have the mode that the count register asks for.
std::optional<TransferMode> WantedMode(std::uint8_t count);

class AtaDisk final : public IdeDrive {
 public:
  struct Options {
    std::string serial;
    bool flush = true;  // a flush reaches the image
  };
  // `image` stays until the drive is unplugged.
  AtaDisk(IdeCable& cable, DiskImage& image, Options options);

  // IdeDrive
  Signature signature() const override { return {0, 0, ata::kReady | ata::kSeekDone}; }
  bool packet() const override { return false; }
  void Reset() override;
  void Execute(std::uint8_t command) override;

 private:
  struct Command {
    std::uint8_t code;
    void (AtaDisk::*run)(const Command& command);
    bool ext = false;    // 48-bit addresses
    bool write = false;  // transfers
  };
  static const std::array<Command, 36> kCommands;
  struct Range {
    std::uint64_t lba = 0;  // in sectors
    std::uint64_t sectors = 0;
  };

  void Identify(const Command& command);
  void TransferByPort(const Command& command);
  void TransferMultiple(const Command& command);
  void TransferByDma(const Command& command);
  void Verify(const Command& command);
  void Flush(const Command& command);
  void Trim(const Command& command);
  void SetMultiple(const Command& command);
  void SetFeatures(const Command& command);
  void SetGeometry(const Command& command);
  void ReadNativeMax(const Command& command);
  void CheckPower(const Command& command);
  void Nothing(const Command& command);

  std::uint64_t Sectors() const { return image_.facts().bytes / ata::kSectorBytes; }
  // What the registers address; nothing, and the command is ended, if that is not on the disk.
  std::optional<Range> Addressed(bool ext);
  // The next block of a transfer by the port, or the command's end.
  void SendBlock();
  void ReceiveBlock(bool first);
  // After writes: they are on stable storage if the guest has switched the cache off.
  void FinishWrite(int error);
  void DiscardNext();
  std::uint64_t BlockBytes() const;

  IdeCable& cable_;
  DiskImage& image_;
  const Options options_;

  std::uint32_t heads_ = 0;
  std::uint32_t track_sectors_ = 0;
  unsigned multiple_ = 0;
  bool write_cache_ = true;
  bool look_ahead_ = true;
  TransferMode mode_;

  // The command under way.
  Range range_;
  std::uint64_t block_sectors_ = 1;
  std::vector<Range> discards_;
  std::size_t next_discard_ = 0;
};

}  // namespace veneer
