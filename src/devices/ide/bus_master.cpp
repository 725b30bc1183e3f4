#include "bus_master.h"

#include <algorithm>
#include <cstring>

namespace veneer {
namespace {

// An entry of the table: address, length (0 is 64 KiB) and, in the last bit, the end of the table.
struct Region {
  std::uint32_t address;
  std::uint32_t length_and_end;
};
constexpr std::uint32_t kEndOfTable = 0x80000000;
constexpr std::uint32_t kLengthBits = 0xfffe;
constexpr std::uint64_t kLongest = 0x10000;
// A table lies within 64 KiB of memory, which also ends one without an end.
constexpr std::uint64_t kTableWindow = 0x10000;

}  // namespace

std::uint8_t BusMaster::Read(std::uint64_t offset) const {
  switch (offset) {
    case bmide::kCommand:
      return command_;
    case bmide::kStatus:
      return status_;
    case bmide::kTable:
    case bmide::kTable + 1:
    case bmide::kTable + 2:
    case bmide::kTable + 3:
      return static_cast<std::uint8_t>(table_ >> ((offset - bmide::kTable) * 8U));
    default:
      return 0;
  }
}

void BusMaster::Write(std::uint64_t offset, std::uint8_t value) {
  if (offset == bmide::kCommand) {
    const bool was_started = (command_ & bmide::kStart) != 0;
    command_ = value & (bmide::kStart | bmide::kToMemory);
    const bool started = (command_ & bmide::kStart) != 0;
    if (started && !was_started) {
      status_ |= bmide::kActive;
      entry_ = table_;
      table_end_ = entry_ + kTableWindow - entry_ % kTableWindow;
      region_left_ = 0;
      last_ = false;
    } else if (!started) {
      status_ &= static_cast<std::uint8_t>(~bmide::kActive);
    }
  } else if (offset == bmide::kStatus) {
    const unsigned cleared = value & (bmide::kFailed | bmide::kInterrupt);
    status_ = static_cast<std::uint8_t>((status_ & ~cleared & ~unsigned{bmide::kDriveBits}) |
                                        (value & bmide::kDriveBits));
  } else if (offset >= bmide::kTable && offset < bmide::kSize) {
    const auto shift = static_cast<unsigned>(offset - bmide::kTable) * 8U;
    table_ = ((table_ & ~(0xffU << shift)) | (std::uint32_t{value} << shift)) & ~3U;
  }
}

bool BusMaster::LoadRegion() {
  if (last_ || entry_ >= table_end_) {
    return false;
  }
  const std::optional<Region> region = memory_.Read<Region>(Gpa{entry_});
  if (!region) {
    return false;
  }
  entry_ += sizeof(Region);
  last_ = (region->length_and_end & kEndOfTable) != 0;
  region_ = Gpa{region->address & ~1U};
  const std::uint32_t length = region->length_and_end & kLengthBits;
  region_left_ = length == 0 ? kLongest : length;
  return true;
}

std::span<std::byte> BusMaster::Next(std::uint64_t bytes) {
  if (region_left_ == 0 && !LoadRegion()) {
    return {};
  }
  const std::uint64_t length = std::min(bytes, region_left_);
  const std::span<std::byte> memory = memory_.Pin(region_, length);
  if (!memory.empty()) {
    region_ = region_ + length;
    region_left_ -= length;
  }
  return memory;
}

bool BusMaster::Take(std::uint64_t bytes, std::vector<iovec>& buffers, std::uint64_t& taken) {
  buffers.clear();
  taken = 0;
  const std::uint64_t wanted = std::min(bytes, kMaxPiece);
  while (taken < wanted) {
    // Then only as many more as the sector needs that has been begun: 256 of two bytes at worst.
    const std::uint64_t limit = buffers.size() + 1 < kMaxBuffers
                                    ? wanted - taken
                                    : (ata::kSectorBytes - taken % ata::kSectorBytes);
    const std::span<std::byte> memory = Next(limit);
    if (memory.empty()) {
      return false;
    }
    taken += memory.size();
    if (!buffers.empty() &&
        static_cast<std::byte*>(buffers.back().iov_base) + buffers.back().iov_len ==
            memory.data()) {
      buffers.back().iov_len += memory.size();
    } else {
      buffers.push_back(iovec{memory.data(), memory.size()});
    }
    if (buffers.size() >= kMaxBuffers && taken % ata::kSectorBytes == 0) {
      break;
    }
  }
  return true;
}

bool BusMaster::CopyTo(std::span<const std::byte> data) {
  while (!data.empty()) {
    const std::span<std::byte> memory = Next(data.size());
    if (memory.empty()) {
      return false;
    }
    std::memcpy(memory.data(), data.data(), memory.size());
    data = data.subspan(memory.size());
  }
  return true;
}

bool BusMaster::CopyFrom(std::span<std::byte> data) {
  while (!data.empty()) {
    const std::span<std::byte> memory = Next(data.size());
    if (memory.empty()) {
      return false;
    }
    std::memcpy(data.data(), memory.data(), memory.size());
    data = data.subspan(memory.size());
  }
  return true;
}

void BusMaster::End(bool failed) {
  if (failed) {
    status_ |= bmide::kFailed;
  }
  if (failed || (last_ && region_left_ == 0)) {
    status_ &= static_cast<std::uint8_t>(~bmide::kActive);
  }
}

}  // namespace veneer
