// The guest's side of event channels for tests: shared_info, FIFO pages, and a consumer for each
// ABI that follows <xen/event_channel.h>.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "veneer/xencompat/evtchn/event_channels.h"

namespace veneer::testing {

class RecordingSink : public UpcallSink {
 public:
  void Raise(std::uint32_t vcpu) override {
    const std::scoped_lock lock(mutex_);
    raised_.push_back(vcpu);
  }
  // What was raised since the last call, in order.
  std::vector<std::uint32_t> Take() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(raised_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::uint32_t> raised_;
};

// A guest with event channels and no CPU. Ports and frames are checked nowhere here: tests that
// misbehave do so on purpose.
class EventGuest {
 public:
  static constexpr std::uint32_t kVcpus = 2;  // what most tests give it
  static constexpr std::uint64_t kMemory = std::uint64_t{2} << 20U;
  static constexpr std::uint64_t kControlFrame = 16;  // one page per vCPU from here
  static constexpr std::uint64_t kArrayFrame = 64;    // array pages from here

  explicit EventGuest(const EventChannels::Options& options)
      : memory(std::move(*GuestMemory::CreateFlat(kMemory))),
        shared_info(std::move(*SharedPages::Create(1))),
        channels(std::move(
            *EventChannels::Create(*memory, shared_info.bytes(), sink, metrics, options))) {}

  // ---- 2-level ABI, 64 or 32 bits.

  std::atomic_ref<std::uint32_t> Word(std::size_t offset) {
    return SharedWord<std::uint32_t>(shared_info.data() + offset);
  }
  bool Pending(EvtchnPort port) { return Bit(PendingOffset(), port); }
  bool Masked(EvtchnPort port) { return Bit(MaskOffset(), port); }
  void SetMasked(EvtchnPort port, bool masked) {
    auto word = Word(MaskOffset() + port.value / 32 * 4);
    if (masked) {
      word.fetch_or(1U << (port.value % 32));
    } else {
      word.fetch_and(~(1U << (port.value % 32)));
    }
  }
  std::uint64_t Selector(std::uint32_t vcpu) {
    std::byte* info = channels->VcpuInfo(vcpu).data();
    return width == GuestWidth::k64
               ? SharedWord<std::uint64_t>(info + offsetof(vcpu_info_t, evtchn_pending_sel)).load()
               : SharedWord<std::uint32_t>(info + offsetof(vcpu_info_x86_32_t, evtchn_pending_sel))
                     .load();
  }
  // As an upcall handler does: clears what it sees, returns the ports.
  std::vector<std::uint32_t> HandleTwoLevel(std::uint32_t vcpu) {
    std::vector<std::uint32_t> ports;
    std::byte* info = channels->VcpuInfo(vcpu).data();
    SharedWord<std::uint8_t>(info).store(0);
    const std::uint32_t bits = width == GuestWidth::k64 ? 64 : 32;
    const std::uint64_t selected =
        width == GuestWidth::k64
            ? SharedWord<std::uint64_t>(info + offsetof(vcpu_info_t, evtchn_pending_sel))
                  .exchange(0)
            : SharedWord<std::uint32_t>(info + offsetof(vcpu_info_x86_32_t, evtchn_pending_sel))
                  .exchange(0);
    for (std::uint32_t word = 0; word < bits; ++word) {
      for (std::uint32_t bit = 0; (selected >> word & 1U) != 0 && bit < bits; ++bit) {
        const EvtchnPort port{word * bits + bit};
        if (Pending(port) && !Masked(port)) {
          Word(PendingOffset() + port.value / 32 * 4).fetch_and(~(1U << (port.value % 32)));
          ports.push_back(port.value);
        }
      }
    }
    return ports;
  }

  // ---- FIFO ABI.

  std::atomic_ref<std::uint32_t> EventWord(std::uint32_t port) {
    return SharedWord<std::uint32_t>(
        memory->Pin(Gpa{kArrayFrame * kPageSize + std::uint64_t{port} * 4}, 4).data());
  }
  std::byte* Control(std::uint32_t vcpu) {
    return memory->Pin(Gpa{(kControlFrame + vcpu) * kPageSize}, kPageSize).data();
  }
  bool UseFifo(std::uint32_t vcpus, std::uint32_t array_pages) {
    for (std::uint32_t vcpu = 0; vcpu < vcpus; ++vcpu) {
      if (!channels->InitControl(vcpu, Gfn{kControlFrame + vcpu}, 0)) {
        return false;
      }
    }
    for (std::uint32_t page = 0; page < array_pages; ++page) {
      if (!channels->ExpandArray(Gfn{kArrayFrame + page})) {
        return false;
      }
    }
    return true;
  }
  // As an upcall handler does, at most `limit` events. `heads` is its memory between calls.
  std::vector<std::uint32_t> HandleFifo(std::uint32_t vcpu, std::uint32_t limit = 10000) {
    std::vector<std::uint32_t> ports;
    SharedWord<std::uint8_t>(channels->VcpuInfo(vcpu).data()).store(0);
    const auto shared_ready = SharedWord<std::uint32_t>(Control(vcpu));
    std::uint32_t ready = shared_ready.exchange(0);
    while (ready != 0 && limit-- > 0) {
      const auto priority = static_cast<std::uint32_t>(__builtin_ctz(ready));
      std::uint32_t& head = heads[vcpu * 16 + priority];
      if (head == 0) {
        head = SharedWord<std::uint32_t>(Control(vcpu) + 8 + std::size_t{priority} * 4).load();
      }
      const std::uint32_t port = head;
      const std::uint32_t old = EventWord(port).fetch_and(~(kLinked | kLinkMask));
      head = old & kLinkMask;
      if (head == 0) {
        ready &= ~(1U << priority);
      }
      if ((old & kPendingBit) != 0 && (old & kMaskedBit) == 0) {
        EventWord(port).fetch_and(~kPendingBit);
        ports.push_back(port);
      }
      ready |= shared_ready.exchange(0);
    }
    return ports;
  }

  static constexpr std::uint32_t kPendingBit = 1U << EVTCHN_FIFO_PENDING;
  static constexpr std::uint32_t kMaskedBit = 1U << EVTCHN_FIFO_MASKED;
  static constexpr std::uint32_t kLinked = 1U << EVTCHN_FIFO_LINKED;
  static constexpr std::uint32_t kBusy = 1U << EVTCHN_FIFO_BUSY;
  static constexpr std::uint32_t kLinkMask = EVTCHN_FIFO_LINK_MASK;

  RecordingSink sink;
  Metrics metrics;
  std::unique_ptr<GuestMemory> memory;
  SharedPages shared_info;
  std::unique_ptr<EventChannels> channels;
  GuestWidth width = GuestWidth::k64;
  std::map<std::uint32_t, std::uint32_t> heads;

 private:
  bool Bit(std::size_t offset, EvtchnPort port) {
    return (Word(offset + port.value / 32 * 4).load() >> (port.value % 32) & 1U) != 0;
  }
  std::size_t PendingOffset() const {
    return width == GuestWidth::k64 ? offsetof(shared_info_t, evtchn_pending)
                                    : offsetof(shared_info_x86_32_t, evtchn_pending);
  }
  std::size_t MaskOffset() const {
    return width == GuestWidth::k64 ? offsetof(shared_info_t, evtchn_mask)
                                    : offsetof(shared_info_x86_32_t, evtchn_mask);
  }
};

}  // namespace veneer::testing
