#include "machine_control.h"

#include <utility>

#include "metrics_file.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/boot/memory_layout.h"

namespace veneer {
namespace {

void AddEmulated(const EmulatedDevices& devices, GuestInfo& info) {
  for (const EmulatedDevices::Disk& disk : devices.disks) {
    info.disks.push_back({.name = disk.name,
                          .bus = "ide",
                          .path = disk.path,
                          .bytes = disk.bytes,
                          .readonly = disk.readonly,
                          .connected = true});
  }
  for (const EmulatedDevices::Nic& nic : devices.nics) {
    info.nics.push_back({.number = nic.number,
                         .model = "e1000",
                         .mac = ToString(nic.mac),
                         .link = nic.link,
                         .connected = true});
  }
}

}  // namespace

MachineControl::MachineControl(Parts parts)
    : parts_(std::move(parts)), start_ns_(parts_.clock.MonotonicNs()) {
  if (XenstoreClient* const store = parts_.machine.Store(); store != nullptr) {
    store_.emplace(*store, parts_.loop);
  }
  if (Disks* const disks = parts_.machine.PvDisks(); disks != nullptr) {
    disks_.emplace(*disks, parts_.loop, parts_.config.disks);
    disks_->SetRemovedCallback([this](const std::string& vdev) {
      Record({"disk-removed", {{"disk", vdev}}});
    });
  }
  if (Nics* const nics = parts_.machine.PvNics(); nics != nullptr) {
    nics_.emplace(*nics, parts_.loop, parts_.config.nics, kRemovalLimitNs, parts_.refusals);
    nics_->SetRemovedCallback([this](unsigned number) {
      Record({"nic-removed", {{"nic", std::uint64_t{number}}}});
    });
  }
}

void MachineControl::Record(const GuestEvent& event) const {
  if (parts_.record) {
    parts_.record(event);
  }
}

Result<void> MachineControl::CheckAlive() const {
  if (parts_.ended()) {
    return UsageError("the guest has crashed: all that is left is to stop it");
  }
  return {};
}

Result<void> MachineControl::CheckRunning() const {
  VENEER_TRY(CheckAlive());
  if (paused_) {
    return UsageError("the guest is paused: resume it first");
  }
  return {};
}

void MachineControl::Shutdown(ShutdownKind kind, Done done) {
  if (const Result<void> running = CheckRunning(); !running) {
    done(running);
  } else if (store_) {
    LogInfo("{}: asking the guest to {}", parts_.config.name,
            kind == ShutdownKind::kPowerOff ? "power off" : "reboot");
    store_->RequestShutdown(kind, std::move(done));
  } else if (kind == ShutdownKind::kReboot) {
    done(UsageError("without Xen (--xen off) a guest cannot be asked to reboot"));
  } else {
    LogInfo("{}: pressing the power button", parts_.config.name);
    parts_.machine.PressPowerButton();
    done({});
  }
}

Result<void> MachineControl::Pause() {
  if (parts_.ended() || paused_) {
    return {};  // a guest that has crashed stands still
  }
  parts_.machine.Pause();
  paused_ = true;
  LogInfo("{}: paused", parts_.config.name);
  Record({"paused"});
  return {};
}

void MachineControl::PauseForDisk(const std::string& reason) {
  if (parts_.ended() || !pause_reason_.empty()) {
    return;
  }
  Record({"disk-error", {{"error", reason}}});
  pause_reason_ = reason;
  LogError("{}: {}; the guest is paused: put that right, then 'veneer ctl {} resume'",
           parts_.config.name, reason, parts_.config.name);
  if (!paused_) {
    parts_.machine.Pause();
    paused_ = true;
  }
  Record({"paused", {{"reason", reason}}});
}

Result<void> MachineControl::Resume() {
  VENEER_TRY(CheckAlive());
  if (paused_) {
    paused_ = false;
    pause_reason_.clear();
    parts_.machine.Resume();
    LogInfo("{}: resumed", parts_.config.name);
    Record({"resumed"});
  }
  return {};
}

GuestInfo MachineControl::Info() {
  const MachineConfig& config = parts_.config;
  GuestInfo info;
  info.name = config.name;
  if (parts_.ended()) {
    info.state = GuestState::kCrashed;
  } else if (paused_) {
    info.state = GuestState::kPaused;
    info.pause_reason = pause_reason_;
  }
  const VcpuCounts vcpus = parts_.machine.Vcpus();
  info.vcpus = {.given = vcpus.given, .online = vcpus.online, .possible = vcpus.possible};
  info.memory_bytes = parts_.machine.MemoryBytes();
  info.memory_target_bytes = config.memory_bytes;
  if (store_) {
    info.memory_target_bytes = store_->MemoryTarget().value_or(config.memory_bytes);
  }
  info.memory_max_bytes = MaxMemoryBytes(config);
  info.xen = store_.has_value();
  const XenPaths paths = parts_.machine.Paths();
  info.transport = paths.transport;
  info.events = paths.events;
  info.uptime_ns = parts_.clock.MonotonicNs() - start_ns_;
  for (const Milestone& milestone : parts_.machine.Milestones()) {
    info.milestones.push_back({milestone.name, milestone.at_ns});
  }
  if (disks_) {
    info.disks = disks_->List();
  }
  if (nics_) {
    info.nics = nics_->List();
  }
  AddEmulated(parts_.machine.Emulated(), info);
  return info;
}

GuestMetrics MachineControl::ReadMetrics() {
  return veneer::ReadMetrics(parts_.machine, parts_.host, parts_.metrics);
}

void MachineControl::Inspect(std::function<void(GuestInfo)> done) {
  parts_.machine.Report([info = Info(), done = std::move(done)](std::vector<std::string> lines) {
    GuestInfo inspected = info;
    inspected.debug = std::move(lines);
    done(std::move(inspected));
  });
}

Result<StoreListing> MachineControl::ListStore() {
  if (!store_) {
    return UsageError("without Xen (--xen off) a guest has no xenstore");
  }
  return store_->List();
}

Result<void> MachineControl::SetMemoryTarget(std::uint64_t bytes) {
  if (!store_) {
    return UsageError("without Xen (--xen off) a guest has no balloon");
  }
  const std::uint64_t most = MaxMemoryBytes(parts_.config);
  if (bytes < kMinMemoryBytes || bytes > most) {
    return UsageError("the guest can be given {} to {} MiB (--memory-max)", kMinMemoryBytes >> 20U,
                      most >> 20U);
  }
  LogInfo("{}: memory target {} MiB", parts_.config.name, bytes >> 20U);
  VENEER_TRY(store_->SetMemoryTarget(bytes));
  Record({"memory-target", {{"bytes", bytes}}});
  return {};
}

Result<void> MachineControl::SetVcpus(unsigned count) {
  VENEER_TRY(CheckAlive());
  VENEER_TRY(parts_.machine.SetVcpus(count));
  parts_.config.vcpus = count;
  LogInfo("{}: {} vCPUs given", parts_.config.name, count);
  Record({"vcpus", {{"vcpus", std::uint64_t{count}}}});
  return {};
}

Result<void> MachineControl::SendNmi() {
  VENEER_TRY(CheckRunning());
  LogInfo("{}: NMI", parts_.config.name);
  parts_.machine.InjectNmi();
  return {};
}

Result<void> MachineControl::PressSysRq(std::string_view key) {
  VENEER_TRY(CheckRunning());
  if (!store_) {
    return UsageError("without Xen (--xen off) a guest has no xenstore, through which SysRq goes");
  }
  return store_->PressSysRq(key);
}

Result<void> MachineControl::CheckDevices() const {
  if (!disks_ || !nics_) {
    return UsageError("without Xen (--xen off) a guest has no PV devices");
  }
  VENEER_TRY(CheckAlive());
  return {};
}

void MachineControl::AddDisk(std::string_view text, AddDone done) {
  if (const Result<void> possible = CheckDevices(); !possible) {
    done(tl::unexpected(possible.error()));
    return;
  }
  disks_->Add(text, [this, done = std::move(done)](Result<std::string> name) {
    if (name) {
      Record({"disk-added", {{"disk", *name}}});
    }
    done(std::move(name));
  });
}

void MachineControl::RemoveDisk(std::string_view name, Done done) {
  if (const Result<void> possible = CheckDevices(); !possible) {
    done(possible);
    return;
  }
  disks_->Remove(name, std::move(done));
}

Result<void> MachineControl::ResizeDisk(std::string_view name) {
  VENEER_TRY(CheckDevices());
  VENEER_TRY(disks_->Resize(name));
  Record({"disk-resized", {{"disk", std::string(name)}}});
  return {};
}

Result<unsigned> MachineControl::AddNic(std::string_view text) {
  VENEER_TRY(CheckDevices());
  VENEER_TRY_ASSIGN(const unsigned number, nics_->Add(text));
  Record({"nic-added", {{"nic", std::uint64_t{number}}}});
  return number;
}

void MachineControl::RemoveNic(unsigned number, Done done) {
  if (const Result<void> possible = CheckDevices(); !possible) {
    done(possible);
    return;
  }
  nics_->Remove(number, std::move(done));
}

}  // namespace veneer
