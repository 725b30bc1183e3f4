#include "identify.h"

#include <algorithm>
#include <array>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr std::size_t kWords = 256;
// Words of ATA8-ACS, 7.12.
constexpr std::uint32_t kMostSectors28 = 0x0fffffff;
constexpr std::uint64_t kMostSectors48 = (std::uint64_t{1} << 48U) - 1;
constexpr std::uint16_t kValid = 0x4000;  // what words 83, 84, 87 and 106 begin with
// Words 82 and 85.
constexpr std::uint16_t kLookAheadFeature = 1U << 6U;
constexpr std::uint16_t kWriteCacheFeature = 1U << 5U;
constexpr std::uint16_t kPacketFeature = 1U << 4U;
constexpr std::uint16_t kPowerFeature = 1U << 3U;
// Words 83 and 86: FLUSH CACHE EXT, FLUSH CACHE, 48-bit addresses.
constexpr std::uint16_t kLargeDisk = 1U << 13U | 1U << 12U | 1U << 10U;
// Word 49: DMA, LBA, IORDY and how to switch that off.
constexpr std::uint16_t kCapabilities = 0x0f00;
// Word 93: 80-wire cable, passed its diagnostics.
constexpr std::uint16_t kCable = 0x6001;
constexpr std::uint16_t kAta4To8 = 0x01f0;

class Words {
 public:
  std::uint16_t& operator[](std::size_t index) { return words_[index]; }

  // Two characters a word, the first in its high half, padded with blanks.
  void Text(std::size_t first, std::size_t count, std::string_view text) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = [&](std::size_t index) {
        const char c = index < text.size() ? text[index] : ' ';
        return static_cast<std::uint8_t>(c >= ' ' && c <= '~' ? c : '?');
      };
      words_[first + i] = static_cast<std::uint16_t>(at(2 * i) << 8U | at(2 * i + 1));
    }
  }
  void Number(std::size_t first, std::size_t count, std::uint64_t value) {
    for (std::size_t i = 0; i < count; ++i) {
      words_[first + i] = static_cast<std::uint16_t>(value >> (16 * i));
    }
  }
  // What disks and CD-ROMs say alike.
  void Modes(const TransferMode& mode) {
    const auto chosen = [&](TransferKind kind) {
      return mode.kind == kind ? 1U << (8 + mode.number) : 0U;
    };
    words_[49] = kCapabilities;
    words_[53] = 0x7;  // words 54 to 58, 64 to 70 and 88 mean something
    words_[63] = static_cast<std::uint16_t>(((2U << kBestMultiwordDma) - 1) |
                                            chosen(TransferKind::kMultiwordDma));
    words_[64] = 0x3;  // PIO modes 3 and 4
    Number(65, 1, 120);
    Number(66, 1, 120);
    Number(67, 1, 120);
    Number(68, 1, 120);  // ns for a cycle
    words_[80] = kAta4To8;
    words_[88] =
        static_cast<std::uint16_t>(((2U << kBestUltraDma) - 1) | chosen(TransferKind::kUltraDma));
    words_[93] = kCable;
  }
  // Ends with a checksum that makes the sum of all bytes zero.
  void Store(std::span<std::byte> data) {
    VENEER_CHECK(data.size() == kWords * 2);
    words_[255] = 0x00a5;
    unsigned sum = 0;
    for (const std::uint16_t word : words_) {
      sum += (word & 0xffU) + (word >> 8U);
    }
    words_[255] = static_cast<std::uint16_t>(0x00a5 | ((0x100 - (sum & 0xffU)) & 0xffU) << 8U);
    for (std::size_t i = 0; i < kWords; ++i) {
      data[2 * i] = static_cast<std::byte>(words_[i]);
      data[2 * i + 1] = static_cast<std::byte>(words_[i] >> 8U);
    }
  }

 private:
  std::array<std::uint16_t, kWords> words_{};
};

std::uint16_t PhysicalSector(std::uint32_t bytes) {
  unsigned exponent = 0;
  while ((ata::kSectorBytes << exponent) < bytes) {
    ++exponent;
  }
  constexpr std::uint16_t kSeveral = 1U << 13U;
  return static_cast<std::uint16_t>(kValid | (exponent > 0 ? kSeveral | exponent : 0));
}

}  // namespace

void IdentifyDisk(const DiskIdentity& identity, std::span<std::byte> data) {
  constexpr std::uint32_t kHeads = 16;
  constexpr std::uint32_t kTrackSectors = 63;
  constexpr std::uint64_t kMostCylinders = 16383;
  Words words;
  words[0] = 0x0040;  // a fixed disk
  words[1] = static_cast<std::uint16_t>(
      std::min(kMostCylinders, identity.sectors / (kHeads * kTrackSectors)));
  words[3] = kHeads;
  words[6] = kTrackSectors;
  words.Text(10, 10, identity.serial);
  words.Text(23, 4, kFirmware);
  words.Text(27, 20, kDiskModel);
  words[47] = static_cast<std::uint16_t>(0x8000U | identity.most_multiple);
  words[50] = kValid;
  words[54] = static_cast<std::uint16_t>(identity.cylinders);
  words[55] = static_cast<std::uint16_t>(identity.heads);
  words[56] = static_cast<std::uint16_t>(identity.track_sectors);
  words.Number(57, 2, std::uint64_t{identity.cylinders} * identity.heads * identity.track_sectors);
  words[59] = static_cast<std::uint16_t>(identity.multiple > 0 ? 0x100U | identity.multiple : 0);
  words.Number(60, 2, std::min<std::uint64_t>(identity.sectors, kMostSectors28));
  words.Modes(identity.mode);
  words[82] = kLookAheadFeature | kWriteCacheFeature | kPowerFeature;
  words[83] = kValid | kLargeDisk;
  words[84] = kValid;
  words[85] =
      static_cast<std::uint16_t>((identity.look_ahead ? kLookAheadFeature : 0) |
                                 (identity.write_cache ? kWriteCacheFeature : 0) | kPowerFeature);
  words[86] = kLargeDisk;
  words[87] = kValid;
  words.Number(100, 4, std::min(identity.sectors, kMostSectors48));
  words[106] = PhysicalSector(identity.physical_sector);
  if (identity.trim) {
    words[105] = 1;  // sectors of ranges in one command
    words[169] = 1;
  }
  words.Store(data);
}

void IdentifyCdrom(std::string_view serial, const TransferMode& mode, std::span<std::byte> data) {
  Words words;
  words[0] = 0x8580;  // a removable CD-ROM that takes packets of 12 bytes without an interrupt
  words.Text(10, 10, serial);
  words.Text(23, 4, kFirmware);
  words.Text(27, 20, kCdromModel);
  words.Modes(mode);
  words[82] = kPacketFeature | kPowerFeature;
  words[83] = kValid;
  words[84] = kValid;
  words[85] = kPacketFeature | kPowerFeature;
  words[87] = kValid;
  words.Store(data);
}

}  // namespace veneer
