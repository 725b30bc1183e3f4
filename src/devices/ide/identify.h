// What drives say of themselves in answer to IDENTIFY DEVICE and IDENTIFY PACKET DEVICE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ata.h"

namespace veneer {

// The transfer mode that SET FEATURES has chosen.
enum class TransferKind : std::uint8_t { kPio, kMultiwordDma, kUltraDma };
struct TransferMode {
  TransferKind kind = TransferKind::kPio;
  unsigned number = 0;
};
inline constexpr unsigned kBestPio = 4;
inline constexpr unsigned kBestMultiwordDma = 2;
inline constexpr unsigned kBestUltraDma = 5;

struct DiskIdentity {
  std::string_view serial;
  std::uint64_t sectors = 0;                                  // of 512 bytes
  std::uint32_t physical_sector = 512;                        // bytes
  std::uint32_t cylinders = 0, heads = 0, track_sectors = 0;  // as the guest has set them
  unsigned multiple = 0;                                      // sectors in a block of READ MULTIPLE
  unsigned most_multiple = 0;
  bool write_cache = true;
  bool look_ahead = true;
  bool trim = false;
  TransferMode mode;
};

// `data` is one sector and is filled whole.
void IdentifyDisk(const DiskIdentity& identity, std::span<std::byte> data);
void IdentifyCdrom(std::string_view serial, const TransferMode& mode, std::span<std::byte> data);

// What both kinds of drive are called.
inline constexpr std::string_view kDiskModel = "VENEER HARDDISK";
inline constexpr std::string_view kCdromModel = "VENEER CD-ROM";
inline constexpr std::string_view kFirmware = "1.0";

}  // namespace veneer
