// A guest that does nothing but remember what it was asked for.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "veneer/vmm/control/guest_control.h"

namespace veneer::test {

// Called on the loop's thread, looked at from any.
class FakeGuest final : public GuestControl {
 public:
  void Shutdown(ShutdownKind kind, Done done) override {
    AnswerAtOnceOrLater(kind == ShutdownKind::kPowerOff ? "shutdown" : "reboot", std::move(done));
  }
  Result<void> Pause() override { return Note("pause"); }
  Result<void> Resume() override { return Note("resume"); }
  GuestInfo Info() override {
    static_cast<void>(Note("info"));
    return {};
  }
  GuestMetrics ReadMetrics() override {
    static_cast<void>(Note("metrics"));
    GuestMetrics metrics;
    metrics.counters = {{"exits.pio", 3}};
    return metrics;
  }
  void Inspect(std::function<void(GuestInfo)> done) override {
    static_cast<void>(Note("inspect"));
    GuestInfo info;
    info.debug = {"vCPU 0: halted"};
    done(std::move(info));
  }
  Result<StoreListing> ListStore() override {
    if (const Result<void> noted = Note("xenstore-ls"); !noted) {
      return tl::unexpected(noted.error());
    }
    return listing;
  }
  Result<void> SetMemoryTarget(std::uint64_t bytes) override {
    return Note("balloon " + std::to_string(bytes));
  }
  Result<void> SetVcpus(unsigned count) override { return Note("cpus " + std::to_string(count)); }
  void AddDisk(std::string_view text, AddDone done) override {
    AnswerAtOnceOrLater("disk-add " + std::string(text),
                        [done = std::move(done)](const Result<void>& noted) {
                          done(noted.map([] { return std::string("xvdb"); }));
                        });
  }
  void RemoveDisk(std::string_view name, Done done) override {
    AnswerAtOnceOrLater("disk-remove " + std::string(name), std::move(done));
  }
  Result<void> ResizeDisk(std::string_view name) override {
    return Note("disk-resize " + std::string(name));
  }
  Result<unsigned> AddNic(std::string_view text) override {
    if (const Result<void> noted = Note("net-add " + std::string(text)); !noted) {
      return tl::unexpected(noted.error());
    }
    return 3;
  }
  void RemoveNic(unsigned number, Done done) override {
    AnswerAtOnceOrLater("net-remove " + std::to_string(number), std::move(done));
  }
  Result<void> SendNmi() override { return Note("nmi"); }
  Result<void> PressSysRq(std::string_view key) override {
    return Note("sysrq " + std::string(key));
  }
  void Stop() override { static_cast<void>(Note("stop")); }

  std::vector<std::string> calls() const {
    const std::scoped_lock lock(mutex_);
    return calls_;
  }
  void WaitForCalls(std::size_t count) {
    std::unique_lock lock(mutex_);
    called_.wait(lock, [&] { return calls_.size() >= count; });
  }

  // Set before the loop runs.
  bool answers_at_once = true;
  Result<void> outcome;
  StoreListing listing;
  Done waiting;  // on the loop's thread

 private:
  void AnswerAtOnceOrLater(std::string call, Done done) {
    const bool at_once = answers_at_once;
    if (!at_once) {
      waiting = std::move(done);
    }
    static_cast<void>(Note(std::move(call)));
    if (at_once) {
      done(outcome);
    }
  }
  Result<void> Note(std::string call) {
    const std::scoped_lock lock(mutex_);
    calls_.push_back(std::move(call));
    called_.notify_all();
    return outcome;
  }

  mutable std::mutex mutex_;  // guards calls_
  std::condition_variable called_;
  std::vector<std::string> calls_;
};

}  // namespace veneer::test
