// A 16550A UART as National Semiconductor's PC16550D data sheet describes it, at the PC's COM1.
//
// To the host the line is infinitely fast: what is written is transmitted at once, so the
// transmitter is always empty. Characters from the host wait in a bounded backlog behind the
// 16-byte receive FIFO. They come in bursts that fit it, with a pause after each: a driver that
// reads until there is nothing left finds the end, its edge-triggered interrupt falls and rises
// again, and the guest has at least about half of its time for something else, however much is sent
// to it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "veneer/devices/pc/character_sink.h"
#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/deadline_timer.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/bus/bus.h"
#include "veneer/vmm/bus/interrupt.h"

namespace veneer {

class Serial16550 final : public BusDevice {
 public:
  static constexpr std::uint64_t kCom1 = 0x3f8;
  static constexpr std::uint64_t kRegisters = 8;
  static constexpr Gsi kCom1Gsi{4};
  static constexpr std::size_t kFifoSize = 16;
  static constexpr std::size_t kBacklogSize = 4096;
  // The pause between two bursts: as long as the guest took to read the last one, within these.
  static constexpr std::uint64_t kShortestPauseNs = 100'000;
  static constexpr std::uint64_t kLongestPauseNs = 10'000'000;

  // `line` follows the UART's interrupt output. All must outlive this object.
  Serial16550(InterruptLine& line, CharacterSink& sink, const Clock& clock)
      : line_(line), sink_(sink), clock_(clock) {}
  // Before anything is received. The timer's owner calls OnDeadline().
  void SetTimer(DeadlineTimer& timer) { timer_ = &timer; }
  // A pause may be over. Any thread.
  void OnDeadline();

  Result<void> Attach(Bus& ports, std::uint64_t base = kCom1);

  // Any thread: characters typed at the host's end. Returns how many were taken, fewer than given
  // when the backlog is full; on_room is called when it has room again.
  std::size_t Receive(std::span<const std::byte> text);
  // Before the vCPUs run. Called on a vCPU thread or by OnDeadline(), without locks held.
  void SetRoomCallback(std::function<void()> on_room) { on_room_ = std::move(on_room); }

  // Any thread: hands on what is still collected. Characters are collected up to the end of a line
  // or until the guest does something else than printing; a guest that prints part of a line with
  // interrupts off and then stops needs this call, so make it when the machine stops or idles.
  void Flush();

  std::uint64_t Read(std::uint64_t offset, unsigned size) override;
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

 private:
  // A ring of at most N characters.
  template <std::size_t N>
  class Ring {
   public:
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    bool full() const { return size_ == N; }
    void clear() { size_ = 0; }
    void push(std::uint8_t c) { data_[(head_ + size_++) % N] = c; }
    std::uint8_t pop() {
      const std::uint8_t c = data_[head_];
      head_ = (head_ + 1) % N;
      --size_;
      return c;
    }

   private:
    std::array<std::uint8_t, N> data_{};
    std::size_t head_ = 0;
    std::size_t size_ = 0;
  };

  // All of these with mutex_ held. Those that return bool say whether output should be flushed.
  std::uint8_t ReadRegister(std::uint64_t offset, bool* flush) REQUIRES(mutex_);
  bool WriteRegister(std::uint64_t offset, std::uint8_t value) REQUIRES(mutex_);
  std::uint8_t ReadReceiveBuffer() REQUIRES(mutex_);
  std::uint8_t ReadInterruptIdentification() REQUIRES(mutex_);
  std::uint8_t ReadModemStatus() REQUIRES(mutex_);
  bool Transmit(std::uint8_t character) REQUIRES(mutex_);
  void WriteInterruptEnable(std::uint8_t value) REQUIRES(mutex_);
  void WriteFifoControl(std::uint8_t value) REQUIRES(mutex_);
  void WriteModemControl(std::uint8_t value) REQUIRES(mutex_);
  std::uint8_t LineStatus() const REQUIRES(mutex_);
  std::uint8_t ModemInputs() const REQUIRES(mutex_);
  std::uint8_t PendingInterrupt() const REQUIRES(mutex_);
  std::size_t FifoCapacity() const REQUIRES(mutex_);
  void Refill() REQUIRES(mutex_);
  // The guest has taken, or dropped, the last character of the FIFO.
  void OnDrained() REQUIRES(mutex_);
  // Whether the room callback is due.
  bool HasRoomAgain() REQUIRES(mutex_);
  void UpdateLine() REQUIRES(mutex_);

  InterruptLine& line_;
  CharacterSink& sink_;
  const Clock& clock_;
  DeadlineTimer* timer_ = nullptr;
  std::function<void()> on_room_;

  // Keeps the sink's calls in order.
  Mutex output_mutex_ ACQUIRED_BEFORE(mutex_);
  Mutex mutex_;
  Ring<kFifoSize> fifo_ GUARDED_BY(mutex_);
  Ring<kBacklogSize> backlog_ GUARDED_BY(mutex_);
  // Characters from the backlog since the FIFO was empty, and when the first of them came.
  std::size_t burst_ GUARDED_BY(mutex_) = 0;
  std::uint64_t burst_start_ns_ GUARDED_BY(mutex_) = 0;  // monotonic
  std::uint64_t next_burst_at_ns_ GUARDED_BY(mutex_) = 0;
  std::vector<std::byte> output_ GUARDED_BY(mutex_);
  std::uint8_t interrupt_enable_ GUARDED_BY(mutex_) = 0;
  std::uint8_t fifo_control_ GUARDED_BY(mutex_) = 0;
  std::uint8_t line_control_ GUARDED_BY(mutex_) = 0;
  std::uint8_t modem_control_ GUARDED_BY(mutex_) = 0;
  std::uint8_t modem_delta_ GUARDED_BY(mutex_) = 0;  // low half of the modem status register
  std::uint8_t scratch_ GUARDED_BY(mutex_) = 0;
  std::uint16_t divisor_ GUARDED_BY(mutex_) = 1;
  bool overrun_ GUARDED_BY(mutex_) = false;
  bool transmitter_interrupt_ GUARDED_BY(mutex_) = false;
  bool line_status_polled_ GUARDED_BY(mutex_) = false;
  bool room_wanted_ GUARDED_BY(mutex_) = false;
  bool line_level_ GUARDED_BY(mutex_) = false;
};

}  // namespace veneer
