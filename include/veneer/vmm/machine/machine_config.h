// What the user asks for, as plain data. The command line fills it; tests do too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "veneer/host/disk/disk_config.h"
#include "veneer/host/net/net_config.h"
#include "veneer/vmm/base/uuid.h"
#include "veneer/vmm/boot/kernel_image.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

enum class OnReboot { kRestart, kExit };
enum class OnCrash { kExit, kPause };

// What the guest begins with.
enum class BootKind {
  kKernel,     // the kernel that `MachineConfig::kernel` names
  kPvhLoader,  // a boot loader for PVH guests, which reads the disks through PV drivers
  kFirmware,   // a PC's BIOS, which reads IDE disks
};

// What a BIOS can boot from (--boot-order).
enum class BootDevice { kDisk, kCdrom };

// Where a character device's output goes.
struct CharacterTarget {
  enum class Kind { kStdio, kFile, kOff };
  Kind kind = Kind::kStdio;
  // kFile only:
  std::string path;
  std::uint64_t max_bytes = 0;  // of the file, before another begins; 0: no limit
};

// How events reach a guest (--callback).
enum class CallbackChoice {
  kAuto,    // per-vCPU vectors for guests that know them, else the EOI-less vector
  kVector,  // the EOI-less vector (HVM_PARAM_CALLBACK_IRQ)
  kIntx,    // the platform device's INTx
};

// Whether KVM's own Xen support is used (--kvm-xen).
enum class KvmXen { kAuto, kOff };

// The event channel ABI that a guest is offered (--event-abi).
enum class EventAbi {
  kAuto,    // 2-level where KVM's Xen support is used, which knows no other; else both
  k2Level,  // only that one
  kFifo,    // both: a guest that knows FIFO takes it; KVM's Xen support is then not used
};

struct XenVersion {
  std::uint16_t major = 4;
  std::uint16_t minor = 17;
};

// The extensions that a Xen guest is offered, each for itself (--pv), so that its gain can be seen.
struct PvSwitches {
  bool disk = true;      // PV disks; without them the emulated twins stay
  bool net = true;       // the same for NICs
  bool time = true;      // Xen's clock and timers
  bool console = true;   // hvc0
  bool callback = true;  // vectors for events; without them the platform device's INTx
};

struct XenConfig {
  bool enabled = true;
  PvSwitches pv;
  bool unplug = true;  // emulated twins go when the guest asks for it
  XenVersion version;
  CallbackChoice callback = CallbackChoice::kAuto;
  KvmXen kvm_xen = KvmXen::kAuto;
  EventAbi event_abi = EventAbi::kAuto;
  // How much of its time a vCPU may spend on Xen timer events, percent (1 to 100). Empty: all of
  // it, but for hosts that interpret guest kernels.
  std::optional<unsigned> timer_load_limit;
  std::string xenstore_socket;                               // path; empty: none
  CharacterTarget console{CharacterTarget::Kind::kOff, {}};  // hvc0
};

// How events may interrupt the guest: by a line is what is left without PV callbacks.
inline CallbackChoice Callback(const XenConfig& config) {
  return config.pv.callback ? config.callback : CallbackChoice::kIntx;
}

struct MachineConfig {
  std::string name = "veneer";
  Uuid uuid{};  // the same in all lives of the guest
  BootKind boot = BootKind::kKernel;
  std::string boot_file;  // path of the boot loader or firmware; of kKernel, none
  // kFirmware: each kind at most once; what is not named comes last. Empty: as the first IDE disk.
  std::vector<BootDevice> boot_order;
  std::string kernel;                // path
  std::vector<std::string> initrds;  // paths, to be one behind the other
  std::string cmdline;
  KernelEntry entry = KernelEntry::kAuto;
  std::uint64_t memory_bytes = std::uint64_t{256} << 20U;
  // What the guest's memory may go up to while it runs. 0: no more than `memory_bytes`.
  std::uint64_t memory_max_bytes = 0;
  // How a Xen guest gets more than `memory_bytes`. On: it adds memory to what it has booted with.
  // Off: it finds all of it at its boot, and gives back what is above when its balloon driver
  // starts.
  bool memory_hotplug = true;
  MemoryBacking memory_backing = MemoryBacking::kAnonymous;
  unsigned vcpus = 1;
  // What they may be changed to while the guest runs. 0: they stay as many as they are, and the
  // guest finds nothing of it.
  unsigned vcpus_max = 0;
  CharacterTarget serial;
  std::vector<DiskConfig> disks;
  std::vector<NetConfig> nics;
  OnReboot on_reboot = OnReboot::kRestart;
  OnCrash on_crash = OnCrash::kExit;
  // Whether Veneer may add to the kernel command line what this kind of host needs, and what lets
  // it tell a panic from a reboot.
  bool host_cmdline = true;
  XenConfig xen;
};

inline constexpr unsigned kMaxVcpus = 32;

// Whether the guest finds this disk in the one way and in the other.
inline bool ShownAsPv(const MachineConfig& config, const DiskConfig& disk) {
  return config.xen.enabled && config.xen.pv.disk && IsPvDisk(disk);
}
inline bool ShownAsIde(const DiskConfig& disk) { return IsIdeDisk(disk); }

inline bool ShownAsPv(const MachineConfig& config, const NetConfig& nic) {
  return config.xen.enabled && config.xen.pv.net && IsPvNic(nic);
}
inline bool ShownAsE1000(const NetConfig& nic) { return IsE1000Nic(nic); }

inline std::uint64_t MaxMemoryBytes(const MachineConfig& config) {
  return config.memory_max_bytes != 0 ? config.memory_max_bytes : config.memory_bytes;
}
// By how much the guest's memory can grow above what it boots with.
inline std::uint64_t MemoryGrowth(const MachineConfig& config) {
  return config.xen.enabled && config.memory_hotplug ? MaxMemoryBytes(config) - config.memory_bytes
                                                     : 0;
}
// The RAM that the guest finds at its boot.
inline std::uint64_t BootMemoryBytes(const MachineConfig& config) {
  return MaxMemoryBytes(config) - MemoryGrowth(config);
}

inline unsigned MaxVcpus(const MachineConfig& config) {
  return config.vcpus_max != 0 ? config.vcpus_max : config.vcpus;
}

}  // namespace veneer
