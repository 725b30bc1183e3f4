// A guest's console as clients of the control socket see it.
#pragma once

#include <atomic>
#include <functional>

#include "output_ring.h"
#include "stream_source.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"

namespace veneer {

// Outlives the guest's lives. On the loop's thread but for Append().
class ConsoleStream final : public StreamSource {
 public:
  // Takes bytes for the guest and returns how many it could take.
  using Sink = std::function<std::size_t(std::span<const std::byte>)>;

  // `dropped` counts the bytes that clients have missed, each for itself.
  ConsoleStream(std::size_t ring_bytes, Counter& dropped) : ring_(ring_bytes), dropped_(dropped) {}

  // Any thread; never waits. True: clients are there, and have not been woken since they last
  // looked.
  bool Append(std::span<const std::byte> text) EXCLUDES(mutex_);
  void SetWatched(bool watched) EXCLUDES(mutex_);
  // Clients are about to look.
  void Calm() EXCLUDES(mutex_);

  // Where input goes; null: it waits.
  void SetSink(Sink sink) { sink_ = std::move(sink); }
  bool connected() const { return sink_ != nullptr; }
  bool has_writer() const { return has_writer_; }
  // Whether the guest has ever written something.
  bool used() EXCLUDES(mutex_);

  std::uint64_t Oldest() override EXCLUDES(mutex_);
  std::string Next(std::uint64_t& position, std::size_t most) override EXCLUDES(mutex_);
  std::size_t Input(std::span<const std::byte> text) override;
  void SetWriter(bool present) override { has_writer_ = present; }

 private:
  Mutex mutex_;  // a leaf: vCPUs' threads take it
  OutputRing ring_ GUARDED_BY(mutex_);
  bool watched_ GUARDED_BY(mutex_) = false;
  bool woken_ GUARDED_BY(mutex_) = false;
  Counter& dropped_;
  Sink sink_;
  bool has_writer_ = false;
};

}  // namespace veneer
