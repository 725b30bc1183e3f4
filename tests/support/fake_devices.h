// Stand-ins for what devices are wired to: interrupt lines, power, character sinks, timers.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "veneer/devices/pc/character_sink.h"
#include "veneer/vmm/base/deadline_timer.h"
#include "veneer/vmm/bus/interrupt.h"
#include "veneer/vmm/bus/power_control.h"

namespace veneer {

class FakeInterruptLine final : public InterruptLine {
 public:
  void SetLevel(bool asserted) override {
    {
      const std::scoped_lock lock(mutex_);
      if (asserted && !level_) {
        ++edges_;
      }
      level_ = asserted;
    }
    changed_.notify_all();
  }
  // Sleeps until it is high; false when patience ends.
  bool WaitForHigh() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [this] { return level_; });
  }
  bool level() const {
    const std::scoped_lock lock(mutex_);
    return level_;
  }
  // Times it went from low to high.
  int edges() const {
    const std::scoped_lock lock(mutex_);
    return edges_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool level_ = false;
  int edges_ = 0;
};

class FakePowerControl final : public PowerControl {
 public:
  void PowerOff() override { ++power_offs; }
  void Reset() override { ++resets; }

  std::atomic<int> power_offs{0};
  std::atomic<int> resets{0};
};

class FakeCharacterSink final : public CharacterSink {
 public:
  void Write(std::span<const std::byte> text) override {
    const std::scoped_lock lock(mutex_);
    std::string& write = writes_.emplace_back();
    for (const std::byte c : text) {
      write.push_back(static_cast<char>(c));
    }
  }
  // One entry for each call.
  std::vector<std::string> writes() const {
    const std::scoped_lock lock(mutex_);
    return writes_;
  }
  std::string text() const {
    std::string all;
    for (const std::string& write : writes()) {
      all += write;
    }
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> writes_;
};

// Only remembers the deadline: the test calls the device back.
class FakeDeadlineTimer final : public DeadlineTimer {
 public:
  void SetDeadline(std::optional<std::uint64_t> deadline_ns) override {
    const std::scoped_lock lock(mutex_);
    deadline_ = deadline_ns;
  }
  std::optional<std::uint64_t> deadline() const {
    const std::scoped_lock lock(mutex_);
    return deadline_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<std::uint64_t> deadline_;
};

}  // namespace veneer
