// One channel's half of the PIIX3's bus master: registers, and the walk through the guest's table
// of memory regions (Programming Interface for Bus Master IDE Controller 1.0).
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <vector>

#include "ata.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// Guarded by its cable's lock.
class BusMaster {
 public:
  // What one transfer to or from the image takes at most, in bytes, and in buffers: from so many on
  // it is only completed to a whole sector.
  static constexpr std::uint64_t kMaxPiece = std::uint64_t{1} << 20U;
  static constexpr std::size_t kMaxBuffers = 256;

  explicit BusMaster(GuestMemory& memory) : memory_(memory) {}

  std::uint8_t Read(std::uint64_t offset) const;
  void Write(std::uint64_t offset, std::uint8_t value);

  bool active() const { return (status_ & bmide::kActive) != 0; }
  bool to_memory() const { return (command_ & bmide::kToMemory) != 0; }

  // The table's next regions: up to `bytes` of them, which is a multiple of 512, but no more than
  // kMaxPiece and kMaxBuffers allow, and always whole sectors. False if the table ends too early,
  // or names what is not RAM.
  bool Take(std::uint64_t bytes, std::vector<iovec>& buffers, std::uint64_t& taken);
  // Moves a few bytes; false as above, when perhaps some have been moved.
  bool CopyTo(std::span<const std::byte> data);
  bool CopyFrom(std::span<std::byte> data);

  // The transfer is over. A table that has been used up ends the master's activity.
  void End(bool failed);
  void OnInterrupt() { status_ |= bmide::kInterrupt; }

 private:
  // Up to `bytes` of the present region, loading the next one if need be; empty: there is none.
  std::span<std::byte> Next(std::uint64_t bytes);
  bool LoadRegion();

  GuestMemory& memory_;
  std::uint8_t command_ = 0;
  std::uint8_t status_ = 0;
  std::uint32_t table_ = 0;

  // Where the walk is.
  std::uint64_t entry_ = 0;      // address of the next entry
  std::uint64_t table_end_ = 0;  // address at which there is none any more
  bool last_ = false;            // the present region is the table's last
  Gpa region_;
  std::uint64_t region_left_ = 0;  // bytes
};

}  // namespace veneer
