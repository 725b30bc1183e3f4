// Stand-ins for what a virtual machine offers to the parts around it: I/O events, level-triggered
// lines, MSIs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "veneer/vmm/bus/interrupt.h"
#include "veneer/vmm/bus/io_events.h"

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
};

}  // namespace veneer::testing
