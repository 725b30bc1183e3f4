// What can be asked of a guest while it runs: the contract between the control socket and whoever
// runs the guest.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/vmm/base/result.h"

namespace veneer {

enum class GuestState {
  kRunning,
  kPaused,
  kCrashed,  // kept to be looked at (--on-crash pause)
};

struct GuestInfo {
  struct Milestone {
    std::string name;
    std::uint64_t at_ns = 0;  // since the guest's start
  };
  std::string name;
  GuestState state = GuestState::kRunning;
  std::string pause_reason;  // kPaused: why, if not because somebody asked for it
  struct Vcpus {
    unsigned given = 1;     // what it shall run on
    unsigned online = 1;    // what it runs on
    unsigned possible = 1;  // what it can be given
  };
  Vcpus vcpus;
  std::uint64_t memory_bytes = 0;  // what the guest has now
  std::uint64_t memory_target_bytes = 0;
  std::uint64_t memory_max_bytes = 0;
  bool xen = false;
  std::string transport;        // how its hypercalls leave it; empty without Xen
  std::string events;           // how its events travel; empty without Xen
  std::uint64_t uptime_ns = 0;  // since the guest's start, or its last reboot
  std::vector<Milestone> milestones;
  struct Disk {
    std::string name;  // "xvda"; "ide0" for the first emulated one
    std::string bus;   // "pv", "ide"
    std::string path;
    std::uint64_t bytes = 0;
    bool readonly = false;
    bool connected = false;  // the guest uses it; always if emulated
    bool removing = false;   // the guest has been asked to let go of it
  };
  // What the guest finds both ways is there twice, until it has the emulated one unplugged.
  std::vector<Disk> disks;
  struct Nic {
    unsigned number = 0;
    std::string model;       // "pv", "e1000"
    std::string mac;         // "52:54:00:12:34:56"
    std::string link;        // "tap0", "user"
    bool connected = false;  // as for disks
    bool removing = false;   // the guest has been asked to let go of it
  };
  std::vector<Nic> nics;
  // What a guest that stands still is read by, a line of text each: Inspect() only.
  std::vector<std::string> debug;
};

struct GuestMetrics {
  struct Milestone {
    std::string name;
    std::uint64_t at_ns = 0;                // since the first KVM_RUN
    std::uint64_t kernel_instructions = 0;  // interpreted so far; 0 on hosts that run them natively
  };
  struct Vcpu {
    std::uint64_t run_ns = 0;     // CPU time of its thread
    std::uint64_t stolen_ns = 0;  // its thread has waited for a CPU
  };
  bool emulated_kernel = false;               // the host interprets guest kernels
  double kernel_instructions_per_second = 0;  // there; 0: not measured
  std::vector<Milestone> milestones;
  std::map<std::string, std::uint64_t> counters;  // by dotted name
  std::vector<Vcpu> vcpus;                        // all that there can be
};

// One node of xenstore. Values may hold any byte; here they are escaped, see EscapeStoreValue().
struct StoreNode {
  std::string path;
  std::string value;
};

// A tree in the order of its paths, each node before its children.
struct StoreListing {
  std::vector<StoreNode> nodes;
  bool truncated = false;  // there is more than one listing may hold
};

enum class ShutdownKind { kPowerOff, kReboot };

// Called on the event loop's thread; no call may block. Errors are single sentences for the user.
class GuestControl {
 public:
  using Done = std::function<void(Result<void>)>;
  using AddDone = std::function<void(Result<std::string>)>;

  virtual ~GuestControl() = default;

  // Asks the guest to shut down by itself. `done` is called once, at once or later on the loop:
  // when the guest has taken the request (not: carried it out), or when it does not listen. It is
  // dropped if the guest ends before.
  virtual void Shutdown(ShutdownKind kind, Done done) = 0;
  // No effect on a guest that is paused, or running, already.
  virtual Result<void> Pause() = 0;
  virtual Result<void> Resume() = 0;
  virtual GuestInfo Info() = 0;
  virtual GuestMetrics ReadMetrics() = 0;
  // Info() with `debug`. `done` is called once, on the loop, soon; it is dropped if the guest ends
  // before.
  virtual void Inspect(std::function<void(GuestInfo)> done) = 0;
  virtual Result<StoreListing> ListStore() = 0;
  // Tells the guest's balloon driver how much memory the guest shall have, in bytes.
  virtual Result<void> SetMemoryTarget(std::uint64_t bytes) = 0;
  // Tells the guest how many vCPUs it shall run on.
  virtual Result<void> SetVcpus(unsigned count) = 0;
  // Shows the guest one more PV disk; `text` as after --disk. `done` is called once, now or later,
  // with its name ("xvdb"); it is dropped if the guest ends before.
  virtual void AddDisk(std::string_view text, AddDone done) = 0;
  // Asks the guest to let go of a disk. `done` is called once, now or later: when the disk is gone,
  // or when the guest still uses it after a while.
  virtual void RemoveDisk(std::string_view name, Done done) = 0;
  // The image has another size: tells the guest.
  virtual Result<void> ResizeDisk(std::string_view name) = 0;
  // Shows the guest one more PV NIC; `text` as after --net. Returns its number.
  virtual Result<unsigned> AddNic(std::string_view text) = 0;
  // As RemoveDisk().
  virtual void RemoveNic(unsigned number, Done done) = 0;
  // A non-maskable interrupt for the boot vCPU.
  virtual Result<void> SendNmi() = 0;
  // Magic SysRq (Linux: Documentation/admin-guide/sysrq.rst): `key` is one letter or digit.
  virtual Result<void> PressSysRq(std::string_view key) = 0;
  // Ends the machine, soon after this returns.
  virtual void Stop() = 0;
};

}  // namespace veneer
