// What `veneer ctl` can do to a machine.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "disk_control.h"
#include "net_control.h"
#include "veneer/host/sandbox/sandbox.h"
#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/control/guest_control.h"
#include "veneer/vmm/control/guest_event.h"
#include "veneer/vmm/control/store_control.h"
#include "veneer/vmm/kvm/host_probe.h"
#include "veneer/vmm/machine/machine.h"

namespace veneer {

// On the loop's thread; one per life of the guest.
class MachineControl final : public GuestControl {
 public:
  // All outlive this object.
  struct Parts {
    MachineConfig& config;  // kept up to date for the guest's next life
    Machine& machine;
    EventLoop& loop;
    const Clock& clock;
    const HostProfile& host;
    const Metrics& metrics;
    std::function<void()> stop;   // ends the run
    std::function<bool()> ended;  // the guest has crashed and is kept for inspection
    SandboxRefusals refusals{};
    std::function<void(const GuestEvent&)> record{};  // for those who listen; may be null
  };
  // The machine is about to start.
  explicit MachineControl(Parts parts);

  void Shutdown(ShutdownKind kind, Done done) override;
  Result<void> Pause() override;
  Result<void> Resume() override;
  GuestInfo Info() override;
  GuestMetrics ReadMetrics() override;
  void Inspect(std::function<void(GuestInfo)> done) override;
  Result<StoreListing> ListStore() override;
  Result<void> SetMemoryTarget(std::uint64_t bytes) override;
  Result<void> SetVcpus(unsigned count) override;
  void AddDisk(std::string_view text, AddDone done) override;
  void RemoveDisk(std::string_view name, Done done) override;
  Result<void> ResizeDisk(std::string_view name) override;
  Result<unsigned> AddNic(std::string_view text) override;
  void RemoveNic(unsigned number, Done done) override;
  Result<void> SendNmi() override;
  Result<void> PressSysRq(std::string_view key) override;
  void Stop() override { parts_.stop(); }

  // A disk has failed: the guest is paused until somebody resumes it; Info() tells the reason.
  void PauseForDisk(const std::string& reason);

 private:
  void Record(const GuestEvent& event) const;
  // Why it will never do anything again.
  Result<void> CheckAlive() const;
  // Why the guest cannot do anything now.
  Result<void> CheckRunning() const;
  // Why no device can come or go.
  Result<void> CheckDevices() const;

  const Parts parts_;
  const std::uint64_t start_ns_;
  std::optional<StoreControl> store_;  // empty without Xen
  std::optional<DiskControl> disks_;   // the same
  std::optional<NetControl> nics_;     // the same
  bool paused_ = false;
  std::string pause_reason_;
};

}  // namespace veneer
