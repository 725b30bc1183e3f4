// Has the vCPUs of a guest forget the translations they remember (HVMOP_flush_tlbs).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "vcpu_thread.h"
#include "veneer/vmm/base/log.h"

namespace veneer {

// A flush by one vCPU is under way until all others have done it or are seen outside the guest:
// those do it before they go back. Nobody waits here, since two that flush would wait for each
// other: who is told "not yet" asks again.
class TlbFlush {
 public:
  // `vcpus` outlive this; they may be made later than this.
  TlbFlush(const std::vector<std::unique_ptr<VcpuThread>>& vcpus, unsigned count)
      : vcpus_(vcpus), done_(count), wanted_(count) {}

  // On the thread of vCPU `caller`. True when it is done; the next call begins another one.
  bool Go(unsigned caller);
  // A flush that was under way is given up: another guest begins. While all vCPUs are held.
  void StartOver();

 private:
  void Begin(unsigned caller);
  bool Finished(unsigned caller) const;

  const std::vector<std::unique_ptr<VcpuThread>>& vcpus_;
  LogLimiter limiter_;
  std::atomic<std::uint64_t> last_{0};            // number of the latest flush
  std::vector<std::atomic<std::uint64_t>> done_;  // of each vCPU: the latest that it has done
  std::vector<std::uint64_t> wanted_;  // of each vCPU, on its thread: its flush under way; 0: none
};

}  // namespace veneer
