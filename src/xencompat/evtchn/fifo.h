// The FIFO event channel ABI: an event word per port in guest pages, queues per vCPU and priority
// that are linked through these words, control blocks with their heads (<xen/event_channel.h>).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "port_table.h"
#include "two_level.h"
#include "veneer/vmm/base/metrics.h"

namespace veneer {

// Not thread-safe against itself. The guest shares every word and may break the protocol in any
// way: that costs it its own events, and us a bounded number of steps.
class Fifo {
 public:
  static constexpr std::uint32_t kWordsPerPage = 1024;
  static constexpr std::uint32_t kMaxPages = EVTCHN_FIFO_NR_CHANNELS / kWordsPerPage;

  // `lost` counts events for a vCPU without a control block, `violations` broken protocol.
  Fifo(std::uint32_t vcpus, Counter& lost, Counter& violations)
      : vcpus_(vcpus), lost_(lost), violations_(violations) {}

  bool HasControl(std::uint32_t vcpu) const { return vcpus_[vcpu].control != nullptr; }
  // `control`: an evtchn_fifo_control_block, 8-byte aligned, mapped as long as this object.
  void SetControl(std::uint32_t vcpu, std::byte* control) { vcpus_[vcpu].control = control; }
  bool Full() const { return pages_.size() >= kMaxPages; }
  // The next kWordsPerPage ports get words.
  void AddPage(std::byte* page) { pages_.push_back(page); }
  std::uint32_t words() const { return static_cast<std::uint32_t>(pages_.size()) * kWordsPerPage; }

  Delivery SetPending(std::uint32_t number, Port& port);
  Delivery Unmask(std::uint32_t number, Port& port);
  void ClearPending(std::uint32_t number);
  bool IsPending(std::uint32_t number) const;
  bool IsMasked(std::uint32_t number) const;
  // The control block's word: a bit for each priority whose queue has something. 0 without one.
  std::uint32_t Ready(std::uint32_t vcpu) const;
  // A closed port that the guest has not unlinked yet must not be given out again.
  bool IsBusy(std::uint32_t number) const;

 private:
  struct VcpuQueues {
    std::byte* control = nullptr;
    std::array<std::uint32_t, EVTCHN_FIFO_MAX_QUEUES> tails{};  // 0: empty
  };
  std::byte* WordOf(std::uint32_t number) const;
  bool Link(std::uint32_t number, Port& port);
  bool AppendAfter(std::byte* tail_word, std::uint32_t number);

  std::vector<VcpuQueues> vcpus_;
  std::vector<std::byte*> pages_;
  Counter& lost_;
  Counter& violations_;
};

}  // namespace veneer
