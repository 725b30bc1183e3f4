// The registers and resets. What moves data is in ide_transfer.cpp.
#include "ide_cable.h"

#include <utility>

namespace veneer {

void IdeCable::AddDrive(unsigned place, std::unique_ptr<IdeDrive> drive, unsigned number,
                        Metrics& metrics) {
  const MutexLock lock(mutex_);
  const auto counter = [&](const char* name) -> Counter& {
    return metrics.Get(fmt::format("ide.{}.{}", number, name));
  };
  Place& at = places_[place];
  at.drive = std::move(drive);
  at.number = number;
  at.counters = std::make_unique<Counters>(Counters{
      .reads = counter("reads"),
      .writes = counter("writes"),
      .flushes = counter("flushes"),
      .discards = counter("discards"),
      .read_bytes = counter("read_bytes"),
      .written_bytes = counter("written_bytes"),
      .errors = counter("errors"),
  });
  ShowSignature(place);
}

std::uint64_t IdeCable::ReadCommandBlock(std::uint64_t offset, unsigned size) {
  const MutexLock lock(mutex_);
  if (offset == ata::kData && (size == 2 || size == 4)) {
    return ReadData(size);
  }
  return size == 1 ? ReadRegister(offset) : ~std::uint64_t{0};
}

void IdeCable::WriteCommandBlock(std::uint64_t offset, unsigned size, std::uint64_t value) {
  const MutexLock lock(mutex_);
  if (offset == ata::kData) {
    if (size == 2 || size == 4) {
      WriteData(size, value);
    }
  } else if (size == 1) {
    WriteRegister(offset, static_cast<std::uint8_t>(value));
  }
}

std::uint8_t IdeCable::ReadAlternateStatus() {
  const MutexLock lock(mutex_);
  return Status();
}

std::uint8_t IdeCable::Status() {
  const Place& place = selected();
  if (place.drive == nullptr) {
    return 0;
  }
  if (Busy()) {
    return ata::kBusy;
  }
  const bool asks = phase_ != Phase::kIdle && active_ == selected_;
  return place.registers.status | (asks ? ata::kDataRequest : 0);
}

std::uint8_t IdeCable::ReadRegister(std::uint64_t offset) {
  const Place& place = selected();
  if (offset == ata::kStatus) {
    SetInterrupt(false);
    return Status();
  }
  if (place.drive == nullptr) {
    return 0;
  }
  const bool high_order = (control_ & ata::kHighOrderByte) != 0;
  switch (offset) {
    case ata::kData:
      return 0;
    case ata::kError:
      return place.registers.error;
    case ata::kDevice:
      return place.registers.now[ata::kDevice];
    default:
      return high_order ? place.registers.previous[offset] : place.registers.now[offset];
  }
}

void IdeCable::WriteRegister(std::uint64_t offset, std::uint8_t value) {
  control_ &= static_cast<std::uint8_t>(~ata::kHighOrderByte);
  if (offset == ata::kStatus) {
    WriteCommand(value);
    return;
  }
  if (Busy()) {
    return;
  }
  for (Place& place : places_) {
    place.registers.Write(offset, value);
  }
  if (offset == ata::kDevice) {
    selected_ = (value & ata::kDeviceSecond) != 0 ? 1 : 0;
  }
}

void IdeCable::WriteCommand(std::uint8_t command) {
  const Place& place = selected();
  if (place.drive == nullptr && command != ata::kExecuteDiagnostic) {
    return;
  }
  // The one command that a busy drive takes.
  const bool reset =
      command == ata::kDeviceReset && place.drive != nullptr && place.drive->packet();
  if (Busy() && (!reset || active_ != selected_)) {
    return;
  }
  if (reset) {
    BeginReset(1U << selected_);
    return;
  }
  Drop();
  SetInterrupt(false);
  if (command == ata::kExecuteDiagnostic) {
    RunDiagnostic();
    return;
  }
  active_ = selected_;
  registers().error = 0;
  place.drive->Execute(command);
}

void IdeCable::SelectFirst() {
  selected_ = 0;
  for (Place& place : places_) {
    place.registers.now[ata::kDevice] = 0;
  }
}

void IdeCable::RunDiagnostic() {
  SelectFirst();
  for (unsigned place = 0; place < kDrives; ++place) {
    ShowSignature(place);
  }
  if (places_[0].drive != nullptr || places_[1].drive != nullptr) {
    SetInterrupt(true);
  }
}

void IdeCable::ShowSignature(unsigned place) {
  Place& at = places_[place];
  if (at.drive == nullptr) {
    return;
  }
  const IdeDrive::Signature signature = at.drive->signature();
  at.registers.now[ata::kCount] = 1;
  at.registers.now[ata::kLbaLow] = 1;
  at.registers.now[ata::kLbaMid] = signature.mid;
  at.registers.now[ata::kLbaHigh] = signature.high;
  at.registers.error = ata::kDiagnosticPassed;
  at.registers.status = signature.status;
}

void IdeCable::WriteControl(std::uint8_t value) {
  const MutexLock lock(mutex_);
  const bool was_reset = (control_ & ata::kSoftReset) != 0;
  control_ = value;
  const bool is_reset = (control_ & ata::kSoftReset) != 0;
  if (is_reset && !was_reset) {
    SelectFirst();
    BeginReset((1U << kDrives) - 1);
  } else if (!is_reset && was_reset) {
    FinishReset();
  }
  UpdateLine();
}

void IdeCable::Drop() {
  then_ = nullptr;
  io_then_ = nullptr;
  dma_.then = nullptr;
  io_abandoned_ = io_under_way_;
  // What is under way goes on in guest memory or the image: not ready for more before it has ended.
  phase_ = io_under_way_ ? Phase::kBusy : Phase::kIdle;
}

void IdeCable::BeginReset(unsigned places) {
  resetting_ |= places;
  Drop();
  SetInterrupt(false);
  FinishReset();
}

void IdeCable::FinishReset() {
  if ((control_ & ata::kSoftReset) != 0 || io_under_way_) {
    return;
  }
  for (unsigned place = 0; place < kDrives; ++place) {
    if ((resetting_ & (1U << place)) == 0) {
      continue;
    }
    if (places_[place].drive != nullptr) {
      places_[place].drive->Reset();
    }
    ShowSignature(place);
  }
  resetting_ = 0;
}

void IdeCable::Unplug(unsigned place) {
  unsigned number = 0;
  {
    const MutexLock lock(mutex_);
    if (places_[place].drive == nullptr) {
      return;
    }
    if (active_ == place) {
      Drop();
      SetInterrupt(false);
    }
    number = places_[place].number;
    places_[place].drive.reset();
    places_[place].registers = TaskFile();
  }
  worker_.Close(number);
}

void IdeCable::SetInterrupt(bool pending) {
  interrupt_ = pending;
  UpdateLine();
}

void IdeCable::UpdateLine() {
  const bool level = interrupt_ && (control_ & ata::kNoInterrupt) == 0;
  if (std::exchange(line_level_, level) == level) {
    return;
  }
  if (level) {
    bus_master_.OnInterrupt();
  }
  line_.SetLevel(level);
}

}  // namespace veneer
