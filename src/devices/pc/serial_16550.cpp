#include "veneer/devices/pc/serial_16550.h"

#include <algorithm>
#include <utility>

namespace veneer {
namespace {

// Register offsets. The first three depend on direction or on the divisor latch access bit.
constexpr std::uint64_t kData = 0;
constexpr std::uint64_t kInterruptEnable = 1;
constexpr std::uint64_t kInterruptIdentification = 2;  // read
constexpr std::uint64_t kFifoControl = 2;              // write
constexpr std::uint64_t kLineControl = 3;
constexpr std::uint64_t kModemControl = 4;
constexpr std::uint64_t kLineStatus = 5;
constexpr std::uint64_t kModemStatus = 6;
constexpr std::uint64_t kScratch = 7;

// Interrupt enable register.
constexpr std::uint8_t kEnableReceive = 0x01;
constexpr std::uint8_t kEnableTransmit = 0x02;
constexpr std::uint8_t kEnableLineStatus = 0x04;
constexpr std::uint8_t kEnableModemStatus = 0x08;
constexpr std::uint8_t kInterruptEnableBits = 0x0f;

// Interrupt identification register, in falling priority.
constexpr std::uint8_t kLineStatusInterrupt = 0x06;
constexpr std::uint8_t kReceiveInterrupt = 0x04;
constexpr std::uint8_t kTimeoutInterrupt = 0x0c;
constexpr std::uint8_t kTransmitInterrupt = 0x02;
constexpr std::uint8_t kModemStatusInterrupt = 0x00;
constexpr std::uint8_t kNoInterrupt = 0x01;
constexpr std::uint8_t kFifosEnabled = 0xc0;

// FIFO control register.
constexpr std::uint8_t kFifoEnable = 0x01;
constexpr std::uint8_t kClearReceiveFifo = 0x02;
constexpr std::uint8_t kKeptFifoControl = 0xc9;  // enable, DMA mode, trigger level
constexpr unsigned kTriggerShift = 6;
constexpr std::array<std::size_t, 4> kTriggerLevels{1, 4, 8, 14};

constexpr std::uint8_t kDivisorLatchAccess = 0x80;  // line control register

// Modem control register.
constexpr std::uint8_t kDtr = 0x01;
constexpr std::uint8_t kRts = 0x02;
constexpr std::uint8_t kOut1 = 0x04;
constexpr std::uint8_t kOut2 = 0x08;
constexpr std::uint8_t kLoop = 0x10;
constexpr std::uint8_t kModemControlBits = 0x1f;

// Line status register.
constexpr std::uint8_t kDataReady = 0x01;
constexpr std::uint8_t kOverrun = 0x02;
constexpr std::uint8_t kTransmitterEmpty = 0x60;

// Modem status register: the inputs; their changes are in the low half.
constexpr std::uint8_t kCts = 0x10;
constexpr std::uint8_t kDsr = 0x20;
constexpr std::uint8_t kRingIndicator = 0x40;
constexpr std::uint8_t kCarrierDetect = 0x80;

constexpr std::size_t kOutputLimit = 256;

}  // namespace

Result<void> Serial16550::Attach(Bus& ports, std::uint64_t base) {
  return ports.Attach(base, kRegisters, *this);
}

std::size_t Serial16550::FifoCapacity() const {
  return (fifo_control_ & kFifoEnable) != 0 ? kFifoSize : 1;
}

void Serial16550::Refill() {
  if ((modem_control_ & kLoop) != 0) {
    return;  // the receiver is cut off from the line
  }
  if (backlog_.empty()) {
    return;
  }
  const std::uint64_t now = clock_.MonotonicNs();
  if (now < next_burst_at_ns_) {
    if (timer_ != nullptr) {
      timer_->SetDeadline(next_burst_at_ns_);
    }
    return;
  }
  if (burst_ == 0) {
    burst_start_ns_ = now;
  }
  while (!backlog_.empty() && burst_ < FifoCapacity() && fifo_.size() < FifoCapacity()) {
    fifo_.push(backlog_.pop());
    ++burst_;
  }
}

void Serial16550::OnDrained() {
  if (burst_ == 0) {
    return Refill();  // what was in it came from loopback, and may have kept what waits from it
  }
  burst_ = 0;
  const std::uint64_t now = clock_.MonotonicNs();
  next_burst_at_ns_ = now + std::clamp(now - burst_start_ns_, kShortestPauseNs, kLongestPauseNs);
  Refill();
}

bool Serial16550::HasRoomAgain() {
  return backlog_.size() <= kBacklogSize / 2 && std::exchange(room_wanted_, false);
}

void Serial16550::OnDeadline() {
  bool room = false;
  {
    const MutexLock lock(mutex_);
    Refill();
    UpdateLine();
    room = HasRoomAgain();
  }
  if (room && on_room_) {
    on_room_();
  }
}

std::size_t Serial16550::Receive(std::span<const std::byte> text) {
  const MutexLock lock(mutex_);
  const std::size_t taken = std::min(text.size(), kBacklogSize - backlog_.size());
  for (const std::byte c : text.first(taken)) {
    backlog_.push(std::to_integer<std::uint8_t>(c));
  }
  room_wanted_ = room_wanted_ || taken < text.size();
  Refill();
  UpdateLine();
  return taken;
}

void Serial16550::Flush() {
  const MutexLock output_lock(output_mutex_);
  std::vector<std::byte> text;
  {
    const MutexLock lock(mutex_);
    text.swap(output_);
  }
  if (!text.empty()) {
    sink_.Write(text);
  }
}

std::uint8_t Serial16550::ModemInputs() const {
  if ((modem_control_ & kLoop) == 0) {
    return kCts | kDsr | kCarrierDetect;  // the host's end is always there and ready
  }
  unsigned inputs = 0;
  inputs |= (modem_control_ & kDtr) != 0 ? kDsr : 0U;
  inputs |= (modem_control_ & kRts) != 0 ? kCts : 0U;
  inputs |= (modem_control_ & kOut1) != 0 ? kRingIndicator : 0U;
  inputs |= (modem_control_ & kOut2) != 0 ? kCarrierDetect : 0U;
  return static_cast<std::uint8_t>(inputs);
}

std::uint8_t Serial16550::LineStatus() const {
  unsigned status = kTransmitterEmpty;
  status |= fifo_.empty() ? 0U : kDataReady;
  status |= overrun_ ? kOverrun : 0U;
  return static_cast<std::uint8_t>(status);
}

std::uint8_t Serial16550::PendingInterrupt() const {
  if ((interrupt_enable_ & kEnableLineStatus) != 0 && overrun_) {
    return kLineStatusInterrupt;
  }
  if ((interrupt_enable_ & kEnableReceive) != 0 && !fifo_.empty()) {
    const bool fifo_mode = (fifo_control_ & kFifoEnable) != 0;
    const std::size_t trigger = kTriggerLevels[fifo_control_ >> kTriggerShift];
    // Below the trigger level a real UART waits four character times; this line has none.
    return fifo_mode && fifo_.size() < trigger ? kTimeoutInterrupt : kReceiveInterrupt;
  }
  if ((interrupt_enable_ & kEnableTransmit) != 0 && transmitter_interrupt_) {
    return kTransmitInterrupt;
  }
  if ((interrupt_enable_ & kEnableModemStatus) != 0 && modem_delta_ != 0) {
    return kModemStatusInterrupt;
  }
  return kNoInterrupt;
}

void Serial16550::UpdateLine() {
  // On a PC, OUT2 gates the interrupt onto the bus; loopback holds the OUT2 pin inactive.
  const bool gate = (modem_control_ & kOut2) != 0 && (modem_control_ & kLoop) == 0;
  const bool level = gate && PendingInterrupt() != kNoInterrupt;
  if (std::exchange(line_level_, level) != level) {
    line_.SetLevel(level);
  }
}

std::uint8_t Serial16550::ReadReceiveBuffer() {
  if (fifo_.empty()) {
    return 0;
  }
  const std::uint8_t c = fifo_.pop();
  if (fifo_.empty()) {
    OnDrained();
  }
  return c;
}

std::uint8_t Serial16550::ReadInterruptIdentification() {
  const std::uint8_t pending = PendingInterrupt();
  if (pending == kTransmitInterrupt) {
    transmitter_interrupt_ = false;
  }
  const unsigned fifos = (fifo_control_ & kFifoEnable) != 0 ? kFifosEnabled : 0U;
  return static_cast<std::uint8_t>(pending | fifos);
}

std::uint8_t Serial16550::ReadModemStatus() {
  return static_cast<std::uint8_t>(ModemInputs() | std::exchange(modem_delta_, std::uint8_t{0}));
}

std::uint8_t Serial16550::ReadRegister(std::uint64_t offset, bool* flush) {
  const bool latch = (line_control_ & kDivisorLatchAccess) != 0;
  switch (offset) {
    case kData:
      if (latch) {
        return static_cast<std::uint8_t>(divisor_);
      }
      *flush = true;
      return ReadReceiveBuffer();
    case kInterruptEnable:
      return latch ? static_cast<std::uint8_t>(divisor_ >> 8U) : interrupt_enable_;
    case kInterruptIdentification:
      return ReadInterruptIdentification();
    case kLineControl:
      return line_control_;
    case kModemControl:
      return modem_control_;
    case kLineStatus: {
      // Once before each character belongs to printing; more often, and the guest waits for input.
      *flush = std::exchange(line_status_polled_, true);
      const std::uint8_t status = LineStatus();
      overrun_ = false;
      return status;
    }
    case kModemStatus:
      return ReadModemStatus();
    case kScratch:
      return scratch_;
    default:
      return 0xff;
  }
}

bool Serial16550::Transmit(std::uint8_t character) {
  transmitter_interrupt_ = true;
  line_status_polled_ = false;
  if ((modem_control_ & kLoop) != 0) {
    if (fifo_.size() < FifoCapacity()) {
      fifo_.push(character);
    } else {
      overrun_ = true;
    }
    return false;
  }
  output_.push_back(std::byte{character});
  return character == '\n' || output_.size() >= kOutputLimit;
}

void Serial16550::WriteInterruptEnable(std::uint8_t value) {
  // Enabling the transmitter's interrupt raises it at once when the transmitter is empty.
  if ((value & kEnableTransmit) != 0 && (interrupt_enable_ & kEnableTransmit) == 0) {
    transmitter_interrupt_ = true;
  }
  interrupt_enable_ = value & kInterruptEnableBits;
}

void Serial16550::WriteFifoControl(std::uint8_t value) {
  const bool toggled = ((value ^ fifo_control_) & kFifoEnable) != 0;
  fifo_control_ = (value & kFifoEnable) != 0 ? value & kKeptFifoControl : 0;
  if (toggled || (value & kClearReceiveFifo) != 0) {
    fifo_.clear();
    OnDrained();
  }
}

void Serial16550::WriteModemControl(std::uint8_t value) {
  const unsigned before = ModemInputs();
  modem_control_ = value & kModemControlBits;
  const unsigned after = ModemInputs();
  unsigned changed = before ^ after;
  if ((after & kRingIndicator) != 0) {
    changed &= ~unsigned{kRingIndicator};  // only the end of a ring counts
  }
  modem_delta_ = static_cast<std::uint8_t>(modem_delta_ | (changed >> 4U));
  Refill();
}

bool Serial16550::WriteRegister(std::uint64_t offset, std::uint8_t value) {
  const bool latch = (line_control_ & kDivisorLatchAccess) != 0;
  switch (offset) {
    case kData:
      if (!latch) {
        return Transmit(value);
      }
      divisor_ = static_cast<std::uint16_t>((divisor_ & 0xff00U) | value);
      return false;
    case kInterruptEnable:
      if (!latch) {
        WriteInterruptEnable(value);
        return true;
      }
      divisor_ = static_cast<std::uint16_t>((divisor_ & 0x00ffU) | (unsigned{value} << 8U));
      return false;
    case kFifoControl:
      WriteFifoControl(value);
      return false;
    case kLineControl:
      line_control_ = value;
      return false;
    case kModemControl:
      WriteModemControl(value);
      return false;
    case kScratch:
      scratch_ = value;
      return false;
    default:
      return false;  // the status registers are read-only
  }
}

std::uint64_t Serial16550::Read(std::uint64_t offset, unsigned size) {
  std::uint64_t value = 0;
  bool flush = false;
  bool room = false;
  {
    const MutexLock lock(mutex_);
    // The ISA bus splits wider accesses into bytes.
    for (unsigned i = 0; i < size; ++i) {
      bool flush_byte = false;
      value |= std::uint64_t{ReadRegister(offset + i, &flush_byte)} << (i * 8U);
      flush = flush || flush_byte;
    }
    UpdateLine();
    flush = flush && !output_.empty();
    room = HasRoomAgain();
  }
  if (flush) {
    Flush();
  }
  if (room && on_room_) {
    on_room_();
  }
  return value;
}

void Serial16550::Write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  bool flush = false;
  {
    const MutexLock lock(mutex_);
    for (unsigned i = 0; i < size; ++i) {
      flush = WriteRegister(offset + i, static_cast<std::uint8_t>(value >> (i * 8U))) || flush;
    }
    UpdateLine();
    flush = flush && !output_.empty();
  }
  if (flush) {
    Flush();
  }
}

}  // namespace veneer
