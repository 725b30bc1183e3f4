// Stand-ins for what a virtual machine offers to the parts around it: I/O events, level-triggered
// lines, MSIs, KVM's Xen support.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "veneer/vmm/bus/interrupt.h"
#include "veneer/vmm/bus/io_events.h"
#include "veneer/vmm/kvm/kernel_xen.h"

namespace veneer::testing {

class FakeIoEvents final : public IoEvents {
 public:
  struct Attached {
    IoEventAddress address;
    int event_fd = -1;
    friend bool operator==(const Attached&, const Attached&) = default;
  };

  Result<void> AttachIoEvent(const IoEventAddress& address, int event_fd) override {
    if (refuses) {
      return HostError("no more");
    }
    attached.push_back({address, event_fd});
    return {};
  }
  Result<void> DetachIoEvent(const IoEventAddress& address, int event_fd) override {
    ++detaches;
    if (std::erase(attached, Attached{address, event_fd}) == 0) {
      return HostError("there is no such thing");
    }
    return {};
  }

  std::vector<Attached> attached;
  int detaches = 0;
  bool refuses = false;
};

// Thread-safe.
class FakeMsiSink final : public MsiSink {
 public:
  bool Deliver(const MsiMessage& message) override {
    std::unique_lock lock(mutex_);
    sent_.push_back({message.address, message.data});
    const bool taken = drops_ == 0;
    drops_ -= taken ? 0 : 1;
    const auto call = on_deliver_;
    lock.unlock();
    if (call) {
      call(taken);
    }
    return taken;
  }
  // The next `count` find no local APIC that takes them.
  void DropNext(int count) {
    const std::scoped_lock lock(mutex_);
    drops_ = count;
  }
  // Called on the sender's thread after each.
  void OnDeliver(std::function<void(bool taken)> call) {
    const std::scoped_lock lock(mutex_);
    on_deliver_ = std::move(call);
  }
  using Message = std::pair<std::uint64_t, std::uint32_t>;  // address, data
  std::vector<Message> Take() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(sent_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<Message> sent_;
  int drops_ = 0;
  std::function<void(bool)> on_deliver_;
};

class FakeResampledLines final : public ResampledLines {
 public:
  struct Line {
    int event_fd = -1;
    int resample_fd = -1;
  };
  Result<void> AttachResampledLine(Gsi gsi, int event_fd, int resample_fd) override {
    if (refuses || attached.contains(gsi)) {
      ++refused;
      return HostError("the line is taken");
    }
    attached[gsi] = {event_fd, resample_fd};
    return {};
  }
  Result<void> DetachResampledLine(Gsi gsi, int event_fd) override {
    const auto it = attached.find(gsi);
    if (it == attached.end() || it->second.event_fd != event_fd) {
      return HostError("there is no such line");
    }
    attached.erase(it);
    return {};
  }

  std::map<Gsi, Line> attached;
  bool refuses = false;
  int refused = 0;
};

// KVM's Xen support as far as the guest cannot see it: remembers what it is told.
class FakeKernelXen final : public KernelXen {
 public:
  struct Route {
    int event_fd = -1;                    // of a back-end
    std::optional<std::uint32_t> vcpu{};  // of an IPI
    friend bool operator==(const Route&, const Route&) = default;
  };
  using Event = std::pair<std::uint32_t, std::uint32_t>;  // port, vCPU

  Result<void> EnableXen(std::uint32_t msr, std::uint32_t version_number) override {
    if (refuses_to_enable) {
      return HostError("no");
    }
    hypercall_msr = msr;
    version = version_number;
    return {};
  }
  Result<void> SetXenWidth(bool is_wide) override {
    wide = is_wide;
    return {};
  }
  Result<void> SetXenSharedInfo(std::span<std::byte> page) override {
    shared_info = page;
    return {};
  }
  Result<void> SetXenCallbackVector(std::uint8_t vector) override {
    callback_vector = vector;
    return {};
  }
  Result<void> SetXenRunstateUpdateFlag(bool on) override {
    runstate_update_flag = on;
    return {};
  }
  Result<void> RouteXenPortToEventFd(std::uint32_t port, int event_fd) override {
    return AddRoute(port, {.event_fd = event_fd});
  }
  Result<void> RouteXenPortToVcpu(std::uint32_t port, std::uint32_t vcpu) override {
    return AddRoute(port, {.event_fd = -1, .vcpu = vcpu});
  }
  Result<void> UnrouteXenPort(std::uint32_t port) override {
    return routes.erase(port) > 0 ? Result<void>() : HostError("there is no such port");
  }
  Result<void> SendXenEvent(std::uint32_t port, std::uint32_t vcpu) override {
    if (refuses_to_send) {
      return HostError("no");
    }
    events.push_back({port, vcpu});
    return {};
  }

  std::uint32_t hypercall_msr = 0;
  std::uint32_t version = 0;
  std::optional<bool> wide;
  std::span<std::byte> shared_info;
  std::uint8_t callback_vector = 0;
  bool runstate_update_flag = false;
  std::map<std::uint32_t, Route> routes;
  std::vector<Event> events;
  bool refuses_to_enable = false;
  bool refuses_to_send = false;

 private:
  Result<void> AddRoute(std::uint32_t port, const Route& route) {
    return routes.emplace(port, route).second ? Result<void>() : HostError("the port is taken");
  }
};

}  // namespace veneer::testing
