// The host's side of a tap under measurement, in a network namespace of the benchmark's own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tap_workload.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::bench {

// A whole frame of the workload with its virtio_net_hdr in front.
std::vector<std::byte> WorkloadFrame(const TapWorkload& workload);

// Sends the workload's frames through the tap from a packet socket, on a thread of its own, never
// more than a fraction of the tap's queue ahead of what has been read from it: none is lost, and no
// processor time goes into frames that would be.
class TapSource {
 public:
  static Result<std::unique_ptr<TapSource>> Start(const std::string& tap,
                                                  const TapWorkload& workload);
  TapSource(const TapSource&) = delete;
  TapSource& operator=(const TapSource&) = delete;
  ~TapSource();

  // What its thread has used so far, s. Any thread.
  double CpuSeconds() const { return cpu_seconds_; }

 private:
  TapSource() = default;
  void Run();
  std::uint64_t Gone() const;

  UniqueFd socket_;
  UniqueFd counters_;  // of this namespace's interfaces, as text
  std::string tap_;
  std::vector<std::byte> frame_;
  std::atomic<double> cpu_seconds_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace veneer::bench
