#include "ata_disk.h"

#include <algorithm>
#include <array>
#include <utility>

namespace veneer {
namespace {

constexpr unsigned kMostMultiple = 16;
constexpr std::uint32_t kDefaultHeads = 16;
constexpr std::uint32_t kDefaultTrackSectors = 63;
constexpr std::uint8_t kSpinning = 0xff;  // CHECK POWER MODE: active or idle

std::uint64_t Address28(const TaskFile& registers) {
  return registers.now[ata::kLbaLow] | std::uint64_t{registers.now[ata::kLbaMid]} << 8U |
         std::uint64_t{registers.now[ata::kLbaHigh]} << 16U |
         (registers.now[ata::kDevice] & std::uint64_t{0x0f}) << 24U;
}

std::uint64_t Address48(const TaskFile& registers) {
  return registers.now[ata::kLbaLow] | std::uint64_t{registers.now[ata::kLbaMid]} << 8U |
         std::uint64_t{registers.now[ata::kLbaHigh]} << 16U |
         std::uint64_t{registers.previous[ata::kLbaLow]} << 24U |
         std::uint64_t{registers.previous[ata::kLbaMid]} << 32U |
         std::uint64_t{registers.previous[ata::kLbaHigh]} << 40U;
}

}  // namespace

std::optional<TransferMode> WantedMode(std::uint8_t count) {
  const unsigned number = count & 0x7U;
  switch (count >> 3U) {
    case 0:  // the default
      return count <= 1 ? std::optional(TransferMode{TransferKind::kPio, 0}) : std::nullopt;
    case 1:
      return number <= kBestPio ? std::optional(TransferMode{TransferKind::kPio, number})
                                : std::nullopt;
    case 4:
      return number <= kBestMultiwordDma
                 ? std::optional(TransferMode{TransferKind::kMultiwordDma, number})
                 : std::nullopt;
    case 8:
      return number <= kBestUltraDma ? std::optional(TransferMode{TransferKind::kUltraDma, number})
                                     : std::nullopt;
    default:
      return std::nullopt;
  }
}

AtaDisk::AtaDisk(IdeCable& cable, DiskImage& image, Options options)
    : cable_(cable), image_(image), options_(std::move(options)) {
  AtaDisk::Reset();
}

void AtaDisk::Reset() {
  heads_ = kDefaultHeads;
  track_sectors_ = kDefaultTrackSectors;
  // As a BIOS would have left it; Linux does not set it by itself.
  multiple_ = kMostMultiple;
  write_cache_ = true;
  look_ahead_ = true;
  mode_ = TransferMode{};
  discards_.clear();
}

const std::array<AtaDisk::Command, 36> AtaDisk::kCommands{{
    {ata::kDataSetManagement, &AtaDisk::Trim},
    {ata::kRecalibrate, &AtaDisk::Nothing},
    {ata::kReadSectors, &AtaDisk::TransferByPort},
    {ata::kReadSectors + 1, &AtaDisk::TransferByPort},  // without retries
    {ata::kReadSectorsExt, &AtaDisk::TransferByPort, true},
    {ata::kReadDmaExt, &AtaDisk::TransferByDma, true},
    {ata::kReadNativeMaxExt, &AtaDisk::ReadNativeMax, true},
    {ata::kReadMultipleExt, &AtaDisk::TransferMultiple, true},
    {ata::kWriteSectors, &AtaDisk::TransferByPort, false, true},
    {ata::kWriteSectors + 1, &AtaDisk::TransferByPort, false, true},
    {ata::kWriteSectorsExt, &AtaDisk::TransferByPort, true, true},
    {ata::kWriteDmaExt, &AtaDisk::TransferByDma, true, true},
    {ata::kWriteMultipleExt, &AtaDisk::TransferMultiple, true, true},
    {ata::kVerify, &AtaDisk::Verify},
    {ata::kVerify + 1, &AtaDisk::Verify},
    {ata::kVerifyExt, &AtaDisk::Verify, true},
    {ata::kSeek, &AtaDisk::Nothing},
    {ata::kInitializeParameters, &AtaDisk::SetGeometry},
    {ata::kReadMultiple, &AtaDisk::TransferMultiple},
    {ata::kWriteMultiple, &AtaDisk::TransferMultiple, false, true},
    {ata::kSetMultiple, &AtaDisk::SetMultiple},
    {ata::kReadDma, &AtaDisk::TransferByDma},
    {ata::kReadDma + 1, &AtaDisk::TransferByDma},
    {ata::kWriteDma, &AtaDisk::TransferByDma, false, true},
    {ata::kWriteDma + 1, &AtaDisk::TransferByDma, false, true},
    {ata::kStandbyImmediate, &AtaDisk::Nothing},
    {ata::kIdleImmediate, &AtaDisk::Nothing},
    {ata::kStandby, &AtaDisk::Nothing},
    {ata::kIdle, &AtaDisk::Nothing},
    {ata::kCheckPower, &AtaDisk::CheckPower},
    {ata::kSleep, &AtaDisk::Nothing},
    {ata::kFlush, &AtaDisk::Flush},
    {ata::kFlushExt, &AtaDisk::Flush},
    {ata::kIdentify, &AtaDisk::Identify},
    {ata::kSetFeatures, &AtaDisk::SetFeatures},
    {ata::kReadNativeMax, &AtaDisk::ReadNativeMax},
}};

void AtaDisk::Execute(std::uint8_t command) {
  const auto row = std::ranges::find(kCommands, command, &Command::code);
  if (row == kCommands.end()) {
    cable_.Fail(ata::kAborted);
    return;
  }
  (this->*row->run)(*row);
}

void AtaDisk::Nothing(const Command&) { cable_.Finish(); }

std::optional<AtaDisk::Range> AtaDisk::Addressed(bool ext) {
  const TaskFile& registers = cable_.registers();
  const std::uint8_t device = registers.now[ata::kDevice];
  Range range;
  if (ext) {
    range.lba = Address48(registers);
    range.sectors = registers.Both(ata::kCount);
    range.sectors = range.sectors == 0 ? 0x10000 : range.sectors;
  } else {
    range.sectors = registers.now[ata::kCount];
    range.sectors = range.sectors == 0 ? 0x100 : range.sectors;
    range.lba = Address28(registers);
  }
  bool there = true;
  if ((device & ata::kDeviceLba) == 0) {
    const std::uint32_t cylinder =
        registers.now[ata::kLbaMid] | std::uint32_t{registers.now[ata::kLbaHigh]} << 8U;
    const std::uint32_t head = device & 0x0fU;
    const std::uint32_t sector = registers.now[ata::kLbaLow];  // from 1
    there = !ext && head < heads_ && sector >= 1 && sector <= track_sectors_;
    range.lba = (std::uint64_t{cylinder} * heads_ + head) * track_sectors_ + sector - 1;
  }
  const std::uint64_t sectors = Sectors();
  if (!there || range.lba > sectors || range.sectors > sectors - range.lba) {
    cable_.Fail(ata::kIdNotFound);
    return std::nullopt;
  }
  return range;
}

void AtaDisk::Verify(const Command& command) {
  // Nothing goes bad in between.
  if (Addressed(command.ext)) {
    cable_.Finish();
  }
}

// --- Transfers ----------------------------------------------------------------------------------

void AtaDisk::TransferByPort(const Command& command) {
  block_sectors_ = 1;
  if (const std::optional<Range> range = Addressed(command.ext)) {
    range_ = *range;
    command.write ? ReceiveBlock(true) : SendBlock();
  }
}

void AtaDisk::TransferMultiple(const Command& command) {
  if (multiple_ == 0) {
    cable_.Fail(ata::kAborted);
    return;
  }
  block_sectors_ = multiple_;
  if (const std::optional<Range> range = Addressed(command.ext)) {
    range_ = *range;
    command.write ? ReceiveBlock(true) : SendBlock();
  }
}

std::uint64_t AtaDisk::BlockBytes() const {
  return std::min(block_sectors_, range_.sectors) * ata::kSectorBytes;
}

void AtaDisk::SendBlock() {
  if (range_.sectors == 0) {
    cable_.FinishQuietly();
    return;
  }
  const std::uint64_t bytes = BlockBytes();
  cable_.RunIo(DiskAction::kRead, range_.lba * ata::kSectorBytes, bytes, [this, bytes](int error) {
    if (error != 0) {
      cable_.Fail(ata::kUncorrectable);
      return;
    }
    range_.lba += bytes / ata::kSectorBytes;
    range_.sectors -= bytes / ata::kSectorBytes;
    cable_.SendPort(bytes, [this] { SendBlock(); });
  });
}

void AtaDisk::ReceiveBlock(bool first) {
  if (range_.sectors == 0) {
    FinishWrite(0);
    return;
  }
  const std::uint64_t bytes = BlockBytes();
  cable_.ReceivePort(bytes, !first, [this, bytes] {
    const std::uint64_t offset = range_.lba * ata::kSectorBytes;
    if (image_.facts().readonly) {
      cable_.Fail(ata::kAborted);
      return;
    }
    cable_.RunIo(DiskAction::kWrite, offset, bytes, [this, bytes](int error) {
      if (error != 0) {
        FinishWrite(error);
        return;
      }
      range_.lba += bytes / ata::kSectorBytes;
      range_.sectors -= bytes / ata::kSectorBytes;
      ReceiveBlock(false);
    });
  });
}

void AtaDisk::TransferByDma(const Command& command) {
  const std::optional<Range> range = Addressed(command.ext);
  if (!range) {
    return;
  }
  if (command.write && image_.facts().readonly) {
    cable_.Fail(ata::kAborted);
    return;
  }
  range_ = *range;
  cable_.AwaitDma(!command.write, [this, write = command.write] {
    const std::uint64_t offset = range_.lba * ata::kSectorBytes;
    const std::uint64_t bytes = range_.sectors * ata::kSectorBytes;
    if (write) {
      cable_.RunDma(DiskAction::kWrite, offset, bytes, [this](int error) { FinishWrite(error); });
    } else {
      cable_.RunDma(DiskAction::kRead, offset, bytes, [this](int error) {
        error != 0 ? cable_.Fail(ata::kUncorrectable) : cable_.Finish();
      });
    }
  });
}

void AtaDisk::FinishWrite(int error) {
  if (error != 0) {
    cable_.Fail(ata::kAborted);
  } else if (write_cache_ || !options_.flush) {
    cable_.Finish();
  } else {
    cable_.RunIo(DiskAction::kFlush, 0, 0, [this](int flush_error) {
      flush_error != 0 ? cable_.Fail(ata::kAborted) : cable_.Finish();
    });
  }
}

void AtaDisk::Flush(const Command&) {
  if (!options_.flush || image_.facts().readonly) {
    cable_.Finish();
    return;
  }
  cable_.RunIo(DiskAction::kFlush, 0, 0,
               [this](int error) { error != 0 ? cable_.Fail(ata::kAborted) : cable_.Finish(); });
}

void AtaDisk::Trim(const Command&) {
  constexpr std::size_t kRangeBytes = 8;
  const TaskFile& registers = cable_.registers();
  const DiskImage::Facts facts = image_.facts();
  // As many sectors of ranges as IDENTIFY says.
  if (facts.discard_granularity == 0 || facts.readonly ||
      (registers.now[ata::kError] & ata::kTrim) == 0 || registers.Both(ata::kCount) != 1) {
    cable_.Fail(ata::kAborted);
    return;
  }
  cable_.AwaitDma(false, [this] {
    if (!cable_.CopyDma(false, ata::kSectorBytes)) {
      return;
    }
    discards_.clear();
    next_discard_ = 0;
    const std::span<const std::byte> data = cable_.Buffer(ata::kSectorBytes);
    const std::uint64_t sectors = Sectors();
    for (std::size_t i = 0; i < data.size(); i += kRangeBytes) {
      std::uint64_t entry = 0;
      for (std::size_t byte = 0; byte < kRangeBytes; ++byte) {
        entry |= std::to_integer<std::uint64_t>(data[i + byte]) << (8 * byte);
      }
      const Range range{entry & ((std::uint64_t{1} << 48U) - 1), entry >> 48U};
      if (range.lba > sectors || range.sectors > sectors - range.lba) {
        cable_.Fail(ata::kIdNotFound);
        return;
      }
      if (range.sectors > 0) {
        discards_.push_back(range);
      }
    }
    DiscardNext();
  });
}

void AtaDisk::DiscardNext() {
  if (next_discard_ == discards_.size()) {
    cable_.Finish();
    return;
  }
  const Range range = discards_[next_discard_++];
  cable_.RunIo(DiskAction::kDiscard, range.lba * ata::kSectorBytes,
               range.sectors * ata::kSectorBytes, [this](int error) {
                 if (error != 0) {
                   cable_.Fail(ata::kAborted);
                   return;
                 }
                 DiscardNext();
               });
}

// --- Settings and information -------------------------------------------------------------------

void AtaDisk::Identify(const Command&) {
  const DiskImage::Facts facts = image_.facts();
  constexpr std::uint64_t kMostCylinders = 16383;
  DiskIdentity identity;
  identity.serial = options_.serial;
  identity.sectors = Sectors();
  identity.physical_sector = facts.physical_sector;
  identity.cylinders = static_cast<std::uint32_t>(
      std::min(kMostCylinders, identity.sectors / (heads_ * track_sectors_)));
  identity.heads = heads_;
  identity.track_sectors = track_sectors_;
  identity.multiple = multiple_;
  identity.most_multiple = kMostMultiple;
  identity.write_cache = write_cache_;
  identity.look_ahead = look_ahead_;
  identity.trim = facts.discard_granularity > 0 && !facts.readonly;
  identity.mode = mode_;
  IdentifyDisk(identity, cable_.Buffer(ata::kSectorBytes));
  cable_.SendPort(ata::kSectorBytes, [this] { cable_.FinishQuietly(); });
}

void AtaDisk::SetMultiple(const Command&) {
  const unsigned count = cable_.registers().now[ata::kCount];
  if (count > kMostMultiple || (count & (count - 1)) != 0) {
    cable_.Fail(ata::kAborted);
    return;
  }
  multiple_ = count;
  cable_.Finish();
}

void AtaDisk::SetFeatures(const Command&) {
  const TaskFile& registers = cable_.registers();
  switch (registers.now[ata::kError]) {
    case ata::kEnableWriteCache:
      write_cache_ = true;
      break;
    case ata::kDisableWriteCache:
      write_cache_ = false;
      // What is in the cache goes to the disk.
      FinishWrite(0);
      return;
    case ata::kSetTransferMode:
      if (const std::optional<TransferMode> mode = WantedMode(registers.now[ata::kCount])) {
        mode_ = *mode;
        break;
      }
      cable_.Fail(ata::kAborted);
      return;
    case ata::kEnableLookAhead:
      look_ahead_ = true;
      break;
    case ata::kDisableLookAhead:
      look_ahead_ = false;
      break;
    case ata::kKeepSettings:
    case ata::kDropSettings:
      break;
    default:
      cable_.Fail(ata::kAborted);
      return;
  }
  cable_.Finish();
}

void AtaDisk::SetGeometry(const Command&) {
  const TaskFile& registers = cable_.registers();
  if (registers.now[ata::kCount] == 0) {
    cable_.Fail(ata::kAborted);
    return;
  }
  track_sectors_ = registers.now[ata::kCount];
  heads_ = (registers.now[ata::kDevice] & 0x0fU) + 1;
  cable_.Finish();
}

void AtaDisk::ReadNativeMax(const Command& command) {
  TaskFile& registers = cable_.registers();
  const std::uint64_t limit = command.ext ? ~std::uint64_t{0} : 0x0fffffff;
  const std::uint64_t last = std::min(std::max<std::uint64_t>(Sectors(), 1) - 1, limit);
  registers.now[ata::kLbaLow] = static_cast<std::uint8_t>(last);
  registers.now[ata::kLbaMid] = static_cast<std::uint8_t>(last >> 8U);
  registers.now[ata::kLbaHigh] = static_cast<std::uint8_t>(last >> 16U);
  if (command.ext) {
    registers.previous[ata::kLbaLow] = static_cast<std::uint8_t>(last >> 24U);
    registers.previous[ata::kLbaMid] = static_cast<std::uint8_t>(last >> 32U);
    registers.previous[ata::kLbaHigh] = static_cast<std::uint8_t>(last >> 40U);
  } else {
    registers.now[ata::kDevice] =
        static_cast<std::uint8_t>((registers.now[ata::kDevice] & 0xf0U) | ((last >> 24U) & 0x0fU));
  }
  cable_.Finish();
}

void AtaDisk::CheckPower(const Command&) {
  cable_.registers().now[ata::kCount] = kSpinning;
  cable_.Finish();
}

}  // namespace veneer
