// The NIC behind its windows: registers, interrupts, and the thread that moves frames.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "descriptor_ring.h"
#include "e1000_registers.h"
#include "eeprom.h"
#include "phy.h"
#include "receive_filter.h"
#include "transmitter.h"
#include "veneer/devices/e1000/e1000.h"
#include "veneer/vmm/base/deadline_timer.h"
#include "veneer/vmm/base/event_fd.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/thread.h"
#include "veneer/vmm/base/token_bucket.h"

namespace veneer {

// Lock order: its lock, then the interrupt line or the timer.
class E1000Device {
 public:
  E1000Device(GuestMemory& memory, Metrics& metrics, const E1000Config& config,
              std::shared_ptr<NetLink> link);
  E1000Device(const E1000Device&) = delete;
  E1000Device& operator=(const E1000Device&) = delete;
  ~E1000Device();
  // `pin` outlives it.
  Result<void> Start(PciDevice& pin);

  // The guest's accesses. Offsets of registers are multiples of 4.
  std::uint32_t Read(std::uint32_t offset);
  void Write(std::uint32_t offset, std::uint32_t value);
  void Unplug();

 private:
  struct Counters {
    Counter& tx_frames;
    Counter& tx_bytes;
    Counter& tx_dropped;
    Counter& rx_frames;
    Counter& rx_bytes;
    Counter& rx_filtered;
    Counter& rx_dropped;
    Counter& interrupts;
  };

  // With mutex_ held.
  void Reset() REQUIRES(mutex_);
  std::uint32_t ReadSpecial(std::uint32_t offset) REQUIRES(mutex_);
  bool WriteSpecial(std::uint32_t offset, std::uint32_t value) REQUIRES(mutex_);
  bool WriteRing(E1000Ring& ring, std::uint32_t offset, std::uint32_t value) REQUIRES(mutex_);
  void Raise(std::uint32_t causes) REQUIRES(mutex_);
  void UpdateLine() REQUIRES(mutex_);
  void Count(unsigned statistic, std::uint64_t by) REQUIRES(mutex_);
  bool Enabled(std::uint32_t control, std::uint32_t bit) const REQUIRES(mutex_) {
    return !unplugged_ && (registers_[control / 4] & bit) != 0;
  }

  // On the NIC's thread.
  Result<void> SetUp(EventLoop& loop);
  void Serve();
  bool FollowSwitches();
  void OpenChannel();
  void CloseChannel();
  bool Held(const TokenBucket& limit, std::uint64_t now_ns);
  bool Transmit(std::uint64_t now_ns);
  bool Receive(std::uint64_t now_ns);
  // A look at the receive ring, and what is done with it.
  struct ReceiveTurn {
    E1000Ring ring;
    E1000ReceiveSettings settings;
    std::uint32_t used = 0;  // descriptors
    std::uint64_t frames = 0, bytes = 0, multicast = 0, broadcast = 0;
    std::uint64_t oversize = 0, filtered = 0;
  };
  // False: the ring has no room for it yet.
  bool PutFrame(ReceiveTurn& turn);
  void FillDescriptor(const E1000Ring& ring, std::uint32_t index, std::span<const std::byte> data,
                      bool last, const CheckedSums& sums, std::optional<std::uint16_t> tag);

  GuestMemory& memory_;
  const E1000Config config_;
  Counters counters_;
  PciDevice* pin_ = nullptr;
  EventFd kick_;

  Mutex mutex_;
  // Those without a place below.
  std::array<std::uint32_t, e1000::kRegistersEnd / 4> registers_ GUARDED_BY(mutex_){};
  std::array<std::uint32_t, e1000::kStatisticsCount> statistics_ GUARDED_BY(mutex_){};
  E1000Eeprom eeprom_ GUARDED_BY(mutex_);
  E1000Phy phy_ GUARDED_BY(mutex_);
  E1000Ring rx_ring_ GUARDED_BY(mutex_);
  E1000Ring tx_ring_ GUARDED_BY(mutex_);
  E1000ReceiveSettings settings_ GUARDED_BY(mutex_);
  std::uint32_t causes_ GUARDED_BY(mutex_) = 0;
  std::uint32_t mask_ GUARDED_BY(mutex_) = 0;
  bool line_ GUARDED_BY(mutex_) = false;
  bool timer_armed_ GUARDED_BY(mutex_) = false;
  std::uint64_t next_interrupt_ns_ GUARDED_BY(mutex_) = 0;  // not before
  // Of the rings: what belongs to an older one is void.
  std::uint64_t generation_ GUARDED_BY(mutex_) = 0;
  bool unplugged_ GUARDED_BY(mutex_) = false;
  std::unique_ptr<LoopTimer> timer_ GUARDED_BY(mutex_);

  // The thread's own.
  std::shared_ptr<NetLink> link_;
  std::unique_ptr<NetChannel> channel_;
  bool open_failed_ = false;
  LogLimiter limiter_;
  E1000Transmitter transmitter_;
  std::uint64_t seen_generation_ = 0;
  TokenBucket tx_limit_;
  TokenBucket rx_limit_;
  bool limit_timer_ = false;
  std::vector<std::byte> frame_;  // room for one that arrives
  std::size_t frame_bytes_ = 0;   // of one that waits for room in the ring; 0: none
  bool offloads_ = false;         // of the link
  // What the last look found wanting: room in the link, a frame from it.
  bool tx_wants_link_ = false;
  bool rx_wants_link_ = false;
  std::unique_ptr<LoopThread> thread_;
};

}  // namespace veneer
