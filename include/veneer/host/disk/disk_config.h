// What the user says about one disk (--disk), as plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "veneer/vmm/base/result.h"

namespace veneer {

enum class DiskFormat {
  kAuto,  // raw or qcow2, by a look at the first bytes
  kRaw,
  kQcow2,
  kQcow,
  kQed,
  kVmdk,
  kVdi,
  kVhdx,
  kVpc,
  kParallels,
  kBochs,
  kCloop,
  kDmg,
  kLuks,  // found, but never opened
};

// What a guest's flush means.
enum class DiskCache {
  kWriteback,  // data is on stable storage when the flush is answered
  kUnsafe,     // nothing: fast, and lost when the host goes down
};

// What is done when the host has no room for what a guest writes, or its disk fails (ENOSPC, EIO).
enum class DiskOnError {
  kReport,  // the guest is told
  kPause,   // it is paused, and what failed is tried again when it is resumed
  kStop,    // Veneer ends, and the guest is not told
};

// How a guest finds a disk.
enum class DiskBus {
  kPv,    // by Xen's block front-end
  kIde,   // as a drive of an emulated controller
  kBoth,  // both ways, until the guest has the emulated twin unplugged
};

struct DiskConfig {
  std::string path;  // a file, a block device, or the URI of an NBD export
  DiskFormat format = DiskFormat::kAuto;
  bool probed = false;  // the format was found by looking, see DecideDiskFormat()
  DiskBus bus = DiskBus::kPv;
  bool cdrom = false;  // a CD-ROM: read-only and on the IDE bus
  std::string vdev;    // "xvda"; empty: the first that is free
  bool readonly = false;
  // What the guest writes goes to a file that ends with the disk; nothing of `path` is written.
  bool overlay = false;
  bool direct = false;  // past the host's page cache
  DiskCache cache = DiskCache::kWriteback;
  unsigned queues = 1;  // offered to the guest, one thread each
  bool discard = true;
  DiskOnError on_error = DiskOnError::kReport;
  std::uint32_t logical_block_bytes = 0;  // 512 or 4096; 0: the device's own
  std::string serial;                     // shown to the guest; empty: none
  std::uint64_t bytes_per_second = 0;     // 0: no limit
  std::uint64_t requests_per_second = 0;
  // How long, at most, a queue's thread looks for more work before it sleeps, µs. It uses less,
  // down to nothing, as long as looking does not pay.
  unsigned poll_us = 50;
};

inline constexpr unsigned kMaxDiskQueues = 16;
// Guests' pages are of that size.
inline constexpr std::uint32_t kLargestLogicalBlock = 4096;

inline bool IsPvDisk(const DiskConfig& disk) { return disk.bus != DiskBus::kIde; }
inline bool IsIdeDisk(const DiskConfig& disk) { return disk.bus != DiskBus::kPv; }

// As after format=; "auto" for kAuto, "luks" for kLuks.
std::string_view FormatName(DiskFormat format);

// "path=FILE[,format=raw|qcow2|vmdk|...|auto][,bus=pv|ide|both][,media=disk|cdrom][,vdev=xvda]
// [,readonly=on|off][,overlay=on|off][,direct=on|off][,cache=writeback|none|unsafe][,queues=N]
// [,discard=on|off][,on-error=report|pause|stop]
// [,logical-block-size=512|4096][,serial=TEXT][,bps=SIZE][,iops=N][,poll=MICROSECONDS]"; cache=none
// is writeback with direct=on. A comma in a value is written twice. UsageError names the key that
// is unknown, missing, repeated or has a wrong value.
Result<DiskConfig> ParseDisk(std::string_view text);

// The number by which PV disks are known: "xvda" is 51712, "xvdb" 51728. Nothing for a name that is
// not xvd and one or two small letters.
std::optional<std::uint32_t> VirtualDeviceNumber(std::string_view vdev);
// The name of the `index`th disk: "xvda" for 0, "xvdaa" for 26.
std::string VirtualDeviceName(unsigned index);
// Gives each PV disk that has no name the first that none before it has.
void NamePvDisks(std::span<DiskConfig> disks);

}  // namespace veneer
