// When a queue's thread may write to the page cache by itself.
#pragma once

#include <cstdint>

namespace veneer {

// A write to the page cache is a copy, which takes less time than handing it to one of io_uring's
// workers, as the kernel does on file systems that cannot tell beforehand whether they would wait
// (ext4). When the host has too much to write back, though, the kernel makes writers wait: then
// workers shall, and not the thread that has other requests to see to. All times: ns.
class InlineWrites {
 public:
  // What takes longer has waited.
  static constexpr std::uint64_t kSlowNs = 1'000'000;
  // Of how long it has waited: the thread spends a tenth of its time waiting at most.
  static constexpr std::uint64_t kRestFactor = 9;

  bool Allowed(std::uint64_t now_ns) const { return now_ns >= resting_until_ns_; }
  void Took(std::uint64_t begin_ns, std::uint64_t end_ns) {
    if (end_ns - begin_ns >= kSlowNs) {
      resting_until_ns_ = end_ns + kRestFactor * (end_ns - begin_ns);
    }
  }

 private:
  std::uint64_t resting_until_ns_ = 0;
};

}  // namespace veneer
