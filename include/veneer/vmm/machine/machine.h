// A whole guest: memory, buses, devices and vCPU threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "veneer/host/disk/disk_failure.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/kvm/host_probe.h"
#include "veneer/vmm/kvm/kvm_system.h"
#include "veneer/vmm/machine/machine_config.h"
#include "veneer/vmm/machine/stop.h"

namespace veneer {

class Disks;
class Nics;
class XenstoreClient;

// A point of the guest's boot that the machine noticed.
struct Milestone {
  std::string name;
  std::uint64_t at_ns = 0;                // since the first KVM_RUN
  std::uint64_t kernel_instructions = 0;  // interpreted so far; 0 on hosts that run them natively
};

// Devices that the guest finds as real hardware, without those it has had unplugged.
struct EmulatedDevices {
  struct Disk {
    std::string name;  // "ide0" is the first channel's first drive
    std::string path;
    std::uint64_t bytes = 0;
    bool readonly = false;
  };
  struct Nic {
    unsigned number = 0;
    MacAddress mac;
    std::string link;  // "tap0", "user"
  };
  std::vector<Disk> disks;
  std::vector<Nic> nics;
};

struct VcpuCounts {
  unsigned given = 1;     // by the host: how many the guest may run on
  unsigned online = 1;    // started by the guest, and not let go of
  unsigned possible = 1;  // what it can be given
};

// What a vCPU's thread has had of the host's CPUs.
struct VcpuUsage {
  std::uint64_t run_ns = 0;
  std::uint64_t stolen_ns = 0;  // it could have run, and had no CPU
};

// How a Xen guest's hypercalls and events travel, in words for the user; empty without Xen.
struct XenPaths {
  std::string transport;
  std::string events;
};

// What the machine talks to; all calls come from vCPU threads.
struct MachineOutputs {
  // Characters that the guest wrote to its serial port and to the debug port.
  std::function<void(std::span<const std::byte>)> serial;
  std::function<void(std::span<const std::byte>)> debug;
  std::function<void(std::span<const std::byte>)> console;  // hvc0
  // SerialInput() has room again after it took less than it was given.
  std::function<void()> serial_room;
  std::function<void()> console_room;  // the same for ConsoleInput()
  // A disk with another on-error than report has failed, once for each operation. From the disk's
  // thread.
  DiskFailureReceiver disk_failed{};
  // The machine is about to stop for this reason; called once, from any thread. The receiver must
  // not call back into the machine from there: post to a loop.
  std::function<void(const MachineStop&)> stopped;
  // The guest's boot has come to a point that is noticed. May be null.
  std::function<void(const Milestone&)> milestone{};
};

class Machine {
 public:
  virtual ~Machine() = default;

  // Lays out memory, loads the kernel, makes devices and vCPUs. `system`, `metrics` and `loop` must
  // outlive the machine; the loop, on which device timers run, must not run on without it.
  static Result<std::unique_ptr<Machine>> Build(const MachineConfig& config,
                                                const KvmSystem& system, const HostProfile& host,
                                                Metrics& metrics, EventLoop& loop,
                                                MachineOutputs outputs);

  // The rest belongs to one thread, usually main, except where noted.

  // Starts the vCPU threads. HostError if the host has no room for them; then only Stop() is left.
  virtual Result<void> Start() = 0;
  // Halts vCPUs where they are; they keep their state.
  virtual void Pause() = 0;
  // Also tries again what failed of the disks with on-error=pause.
  virtual void Resume() = 0;
  // Ends the vCPU threads. The destructor does it too.
  virtual void Stop() = 0;

  // Input for the guest's serial port; returns how many bytes were taken.
  // The rest may be tried again when the guest has read. Any thread.
  virtual std::size_t SerialInput(std::span<const std::byte> input) = 0;
  // The same for the PV console; everything is taken when there is none.
  virtual std::size_t ConsoleInput(std::span<const std::byte> input) = 0;
  // Any thread.
  virtual void PressPowerButton() = 0;
  // A non-maskable interrupt for the boot vCPU. Any thread.
  virtual void InjectNmi() = 0;

  // The guest's xenstore as domain 0 sees it, as long as the machine; null without Xen. Any thread.
  virtual XenstoreClient* Store() = 0;
  // The guest's PV disks, as long as the machine; null without Xen. On the loop's thread.
  virtual Disks* PvDisks() = 0;
  // The same for its PV NICs.
  virtual Nics* PvNics() = 0;
  // Any thread.
  virtual EmulatedDevices Emulated() const = 0;
  // Any thread.
  virtual XenPaths Paths() const = 0;
  // How many of its vCPUs the guest shall run on: the first `count`. It hears of it through ACPI
  // and takes its time; one that it does not let go of stays. UsageError if they cannot change
  // (MachineConfig::vcpus_max) or cannot be so many.
  virtual Result<void> SetVcpus(unsigned count) = 0;
  // Any thread. Without Xen, a vCPU that has just been started may be missing at first.
  virtual VcpuCounts Vcpus() = 0;
  // Of all that the guest can be given. Any thread.
  virtual std::vector<VcpuUsage> Usage() const = 0;
  // The RAM that the guest has at present: without what its balloon has given back. Any thread.
  virtual std::uint64_t MemoryBytes() const = 0;
  virtual std::vector<Milestone> Milestones() const = 0;
  // Gathers what a guest that stands still is read by: where its vCPUs are, its interrupts, event
  // channels and rings, a line of text each. `done` is called once, on the loop's thread, at
  // most a second or so from now; it is dropped with the loop.
  virtual void Report(std::function<void(std::vector<std::string> lines)> done) = 0;
  // Copies KVM's own statistics into the metrics, as "kvm.…". Any thread.
  virtual void CollectStatistics() = 0;
};

}  // namespace veneer
