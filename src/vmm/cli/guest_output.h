// Where the characters of a guest's serial port or PV console go.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/output_stream.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/machine/machine_config.h"

namespace veneer {

// Nobody waits for its reader: what that does not take is dropped, which the log says and a counter
// counts. Thread-safe.
class GuestOutput {
 public:
  // `option` is the one that gave the target, for errors and the log. Counts the bytes dropped as
  // NAME.dropped_bytes. UsageError or HostError.
  static Result<std::unique_ptr<GuestOutput>> Open(const CharacterTarget& target,
                                                   const std::string& option,
                                                   const std::string& name, Metrics& metrics);
  GuestOutput(const GuestOutput&) = delete;
  GuestOutput& operator=(const GuestOutput&) = delete;

  // What the guest prints, on a vCPU thread. May wait for a moment, as OutputStream::Write() does.
  void Write(std::span<const std::byte> text);
  // The same for what comes on the control thread, which never waits.
  void WriteWithoutWaiting(std::span<const std::byte> text);
  // What Veneer itself has to say there, on the control thread.
  void Say(std::string_view text);
  // The end: no later than `deadline`.
  void Finish(std::chrono::steady_clock::time_point deadline);

 private:
  GuestOutput(std::string option, Counter& dropped)
      : option_(std::move(option)), dropped_(dropped) {}
  void Account(std::uint64_t dropped);

  const std::string option_;
  Counter& dropped_;
  std::unique_ptr<OutputStream> stream_;  // null: off
  LogLimiter limiter_;
};

}  // namespace veneer
