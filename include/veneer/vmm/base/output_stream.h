// Output for people and pipes that may be slow, stopped or gone: nobody waits for them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "veneer/vmm/base/output_file.h"

namespace veneer {

// Text goes out at once where that is possible without waiting. What the receiver does not take is
// kept, up to a limit, and a thread made for it hands it on; what is above the limit is dropped and
// counted. That thread also begins a new file when one is full. Thread-safe.
//
// The descriptor that others may share is never made non-blocking: it would stay so for the shell
// after our end. A pipe or terminal is opened once more by way of /proc/self/fd, with O_NONBLOCK of
// its own; where that is refused (somebody else's terminal), only the thread writes to it, and may
// get stuck there without harm.
class OutputStream {
 public:
  struct Limits {
    std::size_t kept_bytes = std::size_t{1} << 20U;
    // How long Write() may wait for room while the receiver takes something now and then. One that
    // takes nothing is waited for once, and then no more until it moves again.
    std::chrono::milliseconds patience{100};
  };

  OutputStream(OutputFile file, Limits limits);
  explicit OutputStream(OutputFile file) : OutputStream(std::move(file), Limits()) {}
  OutputStream(const OutputStream&) = delete;
  OutputStream& operator=(const OutputStream&) = delete;
  // Drops what is still kept.
  ~OutputStream();

  // Both return the bytes dropped since either was last called, those of `text` included.
  std::uint64_t Write(std::span<const std::byte> text);
  std::uint64_t WriteWithoutWaiting(std::span<const std::byte> text);

  // Waits until everything is out, but no longer than `deadline`; what is left then is dropped.
  // Returns the bytes dropped since the last call of this or of the two above.
  std::uint64_t Flush(std::chrono::steady_clock::time_point deadline);

  // Why something was last dropped, for people; empty: nothing was.
  std::string Reason() const;

 private:
  class Impl;
  // Shared with the thread, which may be stuck in a write when this object goes.
  std::shared_ptr<Impl> impl_;
};

}  // namespace veneer
