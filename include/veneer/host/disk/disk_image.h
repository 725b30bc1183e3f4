// A disk image behind one small interface: what it is, and a way to it for each thread that works
// on it.
#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "veneer/host/disk/disk_config.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

// How long what is under way may take when a disk's owner ends, before Interrupt(): with the end of
// the programs behind images it stays below the two seconds in which Veneer ends.
inline constexpr std::chrono::milliseconds kDiskStopLimit{500};

enum class DiskAction : std::uint8_t { kRead, kWrite, kFlush, kDiscard };

// One transfer. The owner keeps it, and what `buffers` points at, until it comes back.
struct DiskOperation {
  DiskAction action = DiskAction::kRead;
  std::uint64_t offset = 0;    // bytes; kFlush: 0
  std::uint64_t length = 0;    // bytes: the sum of `buffers`; for kDiscard what to let go
  std::vector<iovec> buffers;  // kRead, kWrite; changed on the way when a transfer comes in pieces
  int error = 0;               // when it comes back: 0 or an errno value
};

// One thread's way to an image: made, used and destroyed on that thread.
class DiskChannel {
 public:
  virtual ~DiskChannel() = default;
  // Hands an operation in; it starts with Submit() at the latest.
  virtual void Queue(DiskOperation& operation) = 0;
  virtual void Submit() = 0;
  // Operations that have ended; valid until the next call. A kWrite that has ended is covered by a
  // kFlush queued afterwards, on whichever channel.
  virtual std::span<DiskOperation* const> Collect() = 0;
  // Before going to sleep: from now on ready_fd() becomes readable when an operation ends. True if
  // one has already: collect instead of sleeping.
  virtual bool Arm() = 0;
  // After waking up.
  virtual void Disarm() = 0;
  virtual int ready_fd() const = 0;
};

// Thread-safe.
class DiskImage {
 public:
  struct Facts {
    std::uint64_t bytes = 0;                // a multiple of logical_sector
    std::uint32_t logical_sector = 512;     // bytes: what partition tables count in
    std::uint32_t physical_sector = 512;    // bytes: smaller writes cost a read
    std::uint32_t discard_granularity = 0;  // bytes; 0: no discard
    bool readonly = false;
  };

  virtual ~DiskImage() = default;
  virtual Facts facts() const = 0;
  // Looks at the size again, after the file or device has been given another one.
  virtual Result<void> Refresh() = 0;
  // Somebody has waited long enough: what is under way, and all that follows, ends with EIO soon,
  // as far as this kind of image can do that. Any thread.
  virtual void Interrupt() {}
  // For the calling thread; the image outlives it.
  virtual Result<std::unique_ptr<DiskChannel>> OpenChannel() = 0;
};

// Replaces format=auto by what the disk is now. Once for a disk, before its guest has first run:
// what the guest writes must never choose the format. UsageError for an image that is neither raw
// nor qcow2.
Result<void> DecideDiskFormat(DiskConfig& config);

// Opens and locks: a raw image, one of another format, or the export of an NBD server. UsageError
// for a path that is no disk image, or that somebody else writes.
Result<std::unique_ptr<DiskImage>> OpenDiskImage(const DiskConfig& config);

// The same image for one more owner; it is closed when the last of them is gone.
std::unique_ptr<DiskImage> ShareDiskImage(std::shared_ptr<DiskImage> image);

}  // namespace veneer
