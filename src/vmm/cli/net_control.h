// NICs that come and go while the guest runs.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "removal.h"
#include "veneer/backends/net/nics.h"
#include "veneer/host/sandbox/sandbox.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/control/guest_control.h"

namespace veneer {

// On the loop's thread, which is also that of `nics`.
class NetControl {
 public:
  // All outlive this object. `configs` is kept up to date: the guest finds the same NICs with the
  // same numbers and addresses after a reboot.
  NetControl(Nics& nics, EventLoop& loop, std::vector<NetConfig>& configs,
             std::uint64_t removal_limit_ns = kRemovalLimitNs,
             const SandboxRefusals& refusals = {});

  // `text` as after --net. Returns the NIC's number.
  Result<unsigned> Add(std::string_view text);
  // `done` is called once the NIC is gone, or with an error when the limit has passed; the guest
  // may still let go later.
  void Remove(unsigned number, GuestControl::Done done);
  std::vector<GuestInfo::Nic> List() const;
  // A NIC has gone, whether or not somebody still waits for that.
  void SetRemovedCallback(std::function<void(unsigned number)> removed) {
    removed_ = std::move(removed);
  }

 private:
  // UsageError for what the sandbox has given up.
  Result<void> CheckPossible(const NetConfig& config) const;
  // Takes over what the NICs are now.
  void Learn();

  Nics& nics_;
  EventLoop& loop_;
  std::vector<NetConfig>& configs_;
  const SandboxRefusals refusals_;
  const std::uint64_t removal_limit_ns_;
  std::function<void(unsigned)> removed_;
};

}  // namespace veneer
