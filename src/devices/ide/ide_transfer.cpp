// How data gets from a drive to the guest and back: by the data port, or by the bus master.
#include <algorithm>
#include <cstring>
#include <utility>

#include "ide_cable.h"
#include "veneer/vmm/base/check.h"

namespace veneer {

std::span<std::byte> IdeCable::Buffer(std::size_t bytes) {
  mutex_.AssertHeld();
  VENEER_CHECK(bytes <= kMaxBuffer && !io_under_way_);
  if (buffer_.size() < bytes) {
    buffer_.resize(bytes);
  }
  return std::span(buffer_).first(bytes);
}

void IdeCable::End(std::uint8_t status, std::uint8_t error, bool interrupt) {
  mutex_.AssertHeld();
  phase_ = Phase::kIdle;
  registers().status = status;
  registers().error = error;
  if (interrupt) {
    SetInterrupt(true);
  }
}

// --- By the port --------------------------------------------------------------------------------

void IdeCable::SendPort(std::size_t bytes, Then then) {
  mutex_.AssertHeld();
  VENEER_CHECK(bytes > 0 && bytes % 2 == 0 && bytes <= buffer_.size());
  phase_ = Phase::kToGuest;
  position_ = 0;
  limit_ = bytes;
  then_ = std::move(then);
  registers().status = ata::kReady | ata::kSeekDone;
  SetInterrupt(true);
}

void IdeCable::ReceivePort(std::size_t bytes, bool interrupt, Then then) {
  mutex_.AssertHeld();
  VENEER_CHECK(bytes > 0 && bytes % 2 == 0);
  Buffer(bytes);
  phase_ = Phase::kFromGuest;
  position_ = 0;
  limit_ = bytes;
  then_ = std::move(then);
  registers().status = ata::kReady | ata::kSeekDone;
  if (interrupt) {
    SetInterrupt(true);
  }
}

std::uint64_t IdeCable::ReadData(unsigned size) {
  if (phase_ != Phase::kToGuest) {
    return 0;
  }
  std::uint64_t value = 0;
  std::memcpy(&value, buffer_.data() + position_, std::min<std::size_t>(size, limit_ - position_));
  PassData(size);
  return value;
}

void IdeCable::WriteData(unsigned size, std::uint64_t value) {
  if (phase_ != Phase::kFromGuest) {
    return;
  }
  std::memcpy(buffer_.data() + position_, &value, std::min<std::size_t>(size, limit_ - position_));
  PassData(size);
}

void IdeCable::PassData(unsigned size) {
  position_ = std::min<std::size_t>(position_ + size, limit_);
  if (position_ == limit_) {
    std::exchange(then_, nullptr)();
  }
}

// --- Images -------------------------------------------------------------------------------------

void IdeCable::RunIo(DiskAction action, std::uint64_t offset, std::uint64_t length, IoThen then) {
  mutex_.AssertHeld();
  operation_.buffers.clear();
  if (action == DiskAction::kRead || action == DiskAction::kWrite) {
    const std::span<std::byte> buffer = Buffer(length);
    operation_.buffers.push_back(iovec{buffer.data(), buffer.size()});
  }
  operation_.action = action;
  operation_.offset = offset;
  operation_.length = length;
  io_then_ = std::move(then);
  StartIo();
}

void IdeCable::StartIo() {
  VENEER_CHECK(!io_under_way_);
  operation_.error = 0;
  phase_ = Phase::kBusy;
  io_under_way_ = true;
  io_place_ = active_;
  io_bytes_ = operation_.length;
  worker_.Start(places_[active_].number, operation_, *this);
}

void IdeCable::OnIoEnd(int error) {
  const MutexLock lock(mutex_);
  io_under_way_ = false;
  CountIo(error);
  if (std::exchange(io_abandoned_, false)) {
    phase_ = Phase::kIdle;
    FinishReset();
    return;
  }
  std::exchange(io_then_, nullptr)(error);
}

void IdeCable::CountIo(int error) {
  Counters& counters = *places_[io_place_].counters;
  if (error != 0) {
    counters.errors.Add();
    LogGuest(limiter_, "IDE drive {}: {}", places_[io_place_].number, std::strerror(error));
    return;
  }
  switch (operation_.action) {
    case DiskAction::kRead:
      counters.reads.Add();
      counters.read_bytes.Add(io_bytes_);
      break;
    case DiskAction::kWrite:
      counters.writes.Add();
      counters.written_bytes.Add(io_bytes_);
      break;
    case DiskAction::kFlush:
      counters.flushes.Add();
      break;
    case DiskAction::kDiscard:
      counters.discards.Add();
      break;
  }
}

// --- By the bus master --------------------------------------------------------------------------

std::uint8_t IdeCable::ReadBusMaster(std::uint64_t offset) {
  const MutexLock lock(mutex_);
  return bus_master_.Read(offset);
}

void IdeCable::WriteBusMaster(std::uint64_t offset, std::uint8_t value) {
  const MutexLock lock(mutex_);
  bus_master_.Write(offset, value);
  if (phase_ == Phase::kAwaitDma && bus_master_.active()) {
    StartDma();
  }
}

void IdeCable::AwaitDma(bool to_guest, Then then) {
  mutex_.AssertHeld();
  phase_ = Phase::kAwaitDma;
  dma_to_guest_ = to_guest;
  then_ = std::move(then);
  registers().status = ata::kReady | ata::kSeekDone;
  if (bus_master_.active()) {
    StartDma();
  }
}

void IdeCable::StartDma() {
  const Then then = std::exchange(then_, nullptr);
  if (bus_master_.to_memory() != dma_to_guest_) {
    FailDma();
    return;
  }
  then();
}

void IdeCable::RunDma(DiskAction action, std::uint64_t offset, std::uint64_t length, IoThen then) {
  mutex_.AssertHeld();
  dma_ = Dma{.action = action, .offset = offset, .left = length, .then = std::move(then)};
  NextPiece();
}

void IdeCable::NextPiece() {
  // The guest may have stopped the master meanwhile.
  if (!bus_master_.active()) {
    FailDma();
    return;
  }
  if (dma_.left == 0) {
    bus_master_.End(false);
    std::exchange(dma_.then, nullptr)(0);
    return;
  }
  if (!bus_master_.Take(dma_.left, operation_.buffers, operation_.length)) {
    FailDma();
    return;
  }
  operation_.action = dma_.action;
  operation_.offset = dma_.offset;
  io_then_ = [this](int error) {
    mutex_.AssertHeld();
    if (error != 0) {
      bus_master_.End(false);
      std::exchange(dma_.then, nullptr)(error);
      return;
    }
    dma_.offset += io_bytes_;
    dma_.left -= io_bytes_;
    NextPiece();
  };
  StartIo();
}

bool IdeCable::CopyDma(bool to_guest, std::size_t bytes) {
  mutex_.AssertHeld();
  const std::span<std::byte> buffer = Buffer(bytes);
  if (to_guest ? bus_master_.CopyTo(buffer) : bus_master_.CopyFrom(buffer)) {
    bus_master_.End(false);
    return true;
  }
  FailDma();
  return false;
}

void IdeCable::FailDma() {
  dma_.then = nullptr;
  bus_master_.End(true);
  Fail(ata::kAborted);
}

}  // namespace veneer
