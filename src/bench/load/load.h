// Loads on a disk or a network, run alike in the guest and on the host, so that the two can be
// compared. Nothing of Veneer's is used here: the guest's program is made of the same files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace veneer::bench {

struct LoadResult {
  std::uint64_t operations = 0;
  std::uint64_t bytes = 0;
  std::uint64_t ns = 0;  // from the first operation's start to the last one's end
  std::string error;     // empty if all went well
};

struct DiskLoad {
  std::string path;  // a block device, or a file
  bool write = false;
  bool random = false;
  std::size_t block_bytes = 4096;  // a multiple of 4096
  unsigned depth = 1;              // requests under way
  std::uint64_t ns = 0;            // no request is begun after this
};
// By O_DIRECT and io_submit(2), which kernels have that lack io_uring. Writing destroys what the
// disk holds.
LoadResult RunDiskLoad(const DiskLoad& load);

enum class NetKind : char {
  kSend = 's',     // from the client to the server, operations are writes
  kReceive = 'r',  // the other way, operations are reads
  kEcho = 'e',     // a byte there and back, one at a time: operations are transactions
  // UDP of kDatagramBytes as fast as it goes, operations are datagrams that arrived.
  kSendDatagrams = 'd',
  kReceiveDatagrams = 'D',
};
inline constexpr std::size_t kDatagramBytes = 64;
struct NetLoad {
  std::string address;  // dotted IPv4 of a LoadServer
  std::uint16_t port = 0;
  NetKind kind = NetKind::kSend;
  std::uint64_t ns = 0;
};
// One TCP connection, with datagrams beside it. What was sent counts when the server has it.
LoadResult RunNetLoad(const NetLoad& load);

// Fresh pages written to, 64 MiB of them at a time: operations are pages.
LoadResult RunMemoryLoad(std::uint64_t ns);
// A byte to and fro through pipes between two processes, each on a processor of its own where there
// are two: operations are turns.
LoadResult RunPipeLoad(std::uint64_t ns);
// Sleeps of kTimerWaitNs, one after the other: operations are wake-ups.
inline constexpr long kTimerWaitNs = 200'000;
LoadResult RunTimerLoad(std::uint64_t ns);

// In a guest: the interrupts of its PV devices so far, for which it has Xen's upcalls or virtio's
// interrupts. 0 where there are none of these.
std::uint64_t DeviceInterrupts();
// In a guest: how long its kernel had run when it started /init; 0 if its log no longer says so.
std::uint64_t UptimeAtInitNs();

// CLOCK_MONOTONIC.
std::uint64_t NowNs();
// "cannot WHAT: why", of errno.
LoadResult LoadFailure(const std::string& what);

}  // namespace veneer::bench
