// Registers and interrupts. What moves frames is in e1000_traffic.cpp.
#include "e1000_device.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

constexpr std::uint32_t kCtrlAtReset = 0x241;  // full duplex, link, 1000 Mb/s
constexpr std::uint64_t kItrUnitNs = 256;
constexpr std::uint32_t kMdicInterrupt = 1U << 29U;
constexpr std::uint32_t kRingSize = 0x20;  // of its registers
constexpr std::uint32_t kRingLengthBits = 0xfff80;
constexpr std::uint32_t kRingBaseBits = 0xfffffff0;

bool Within(std::uint32_t offset, std::uint32_t base, std::uint32_t words) {
  return offset >= base && offset < base + words * 4;
}

}  // namespace

E1000Device::E1000Device(GuestMemory& memory, Metrics& metrics, const E1000Config& config,
                         std::shared_ptr<NetLink> link)
    : memory_(memory),
      config_(config),
      counters_([&] {
        const auto counter = [&](const char* name) -> Counter& {
          return metrics.Get(fmt::format("e1000.{}.{}", config.number, name));
        };
        return Counters{.tx_frames = counter("tx_frames"),
                        .tx_bytes = counter("tx_bytes"),
                        .tx_dropped = counter("tx_dropped"),
                        .rx_frames = counter("rx_frames"),
                        .rx_bytes = counter("rx_bytes"),
                        .rx_filtered = counter("rx_filtered"),
                        .rx_dropped = counter("rx_dropped"),
                        .interrupts = counter("interrupts")};
      }()),
      eeprom_(config.mac),
      link_(std::move(link)),
      transmitter_(memory),
      tx_limit_(config.bytes_per_second),
      rx_limit_(config.bytes_per_second) {
  Reset();
}

void E1000Device::Reset() {
  registers_ = {};
  statistics_ = {};
  rx_ring_ = {};
  tx_ring_ = {};
  settings_ = {};
  settings_.SetAddress(config_.mac);
  registers_[e1000::kCtrl / 4] = kCtrlAtReset;
  causes_ = 0;
  mask_ = 0;
  ++generation_;
  UpdateLine();
}

std::uint32_t E1000Device::Read(std::uint32_t offset) {
  const MutexLock lock(mutex_);
  if (unplugged_) {
    return std::numeric_limits<std::uint32_t>::max();
  }
  if (offset >= e1000::kRegistersEnd) {
    return 0;
  }
  return ReadSpecial(offset);
}

std::uint32_t E1000Device::ReadSpecial(std::uint32_t offset) {
  if (Within(offset, e1000::kStatistics, e1000::kStatisticsCount)) {
    return std::exchange(statistics_[(offset - e1000::kStatistics) / 4], 0);
  }
  if (Within(offset, e1000::kReceiveAddress, 2 * E1000ReceiveSettings::kAddresses)) {
    return settings_.addresses[(offset - e1000::kReceiveAddress) / 4];
  }
  if (Within(offset, e1000::kMulticastTable, E1000ReceiveSettings::kTableWords)) {
    return settings_.multicast[(offset - e1000::kMulticastTable) / 4];
  }
  if (Within(offset, e1000::kVlanTable, E1000ReceiveSettings::kTableWords)) {
    return settings_.vlans[(offset - e1000::kVlanTable) / 4];
  }
  for (const auto& [base, ring] :
       {std::pair(e1000::kRdbal, &rx_ring_), {e1000::kTdbal, &tx_ring_}}) {
    if (Within(offset, base, kRingSize / 4)) {
      if (const std::uint32_t* const field = ring->Find(offset - base)) {
        return *field;
      }
    }
  }
  switch (offset) {
    case e1000::kCtrlAgain:
      return registers_[e1000::kCtrl / 4];
    case e1000::kStatus:
      return e1000::kStatusLink;
    case e1000::kEecd:
      return eeprom_.ReadControl();
    case e1000::kEerd:
      return eeprom_.ReadWord(registers_[offset / 4]);
    case e1000::kIcr: {
      const std::uint32_t causes = std::exchange(causes_, 0);
      UpdateLine();
      return causes;
    }
    case e1000::kIms:
      return mask_;
    case e1000::kIcs:
    case e1000::kImc:
      return 0;
    default:
      return registers_[offset / 4];
  }
}

void E1000Device::Write(std::uint32_t offset, std::uint32_t value) {
  bool kick = false;
  {
    const MutexLock lock(mutex_);
    if (unplugged_ || offset >= e1000::kRegistersEnd) {
      return;
    }
    kick = WriteSpecial(offset, value);
  }
  if (kick) {
    kick_.Signal();
  }
}

// True if there may be something to do for the NIC's thread.
bool E1000Device::WriteRing(E1000Ring& ring, std::uint32_t offset, std::uint32_t value) {
  std::uint32_t* const field = ring.Find(offset);
  if (field == nullptr) {
    return false;
  }
  if (field == &ring.base_low) {
    value &= kRingBaseBits;
  } else if (field == &ring.length) {
    value &= kRingLengthBits;
  } else if (field != &ring.base_high) {
    value &= 0xffffU;
  }
  *field = value;
  if (field != &ring.tail) {
    ++generation_;
  }
  return field == &ring.tail;
}

bool E1000Device::WriteSpecial(std::uint32_t offset, std::uint32_t value) {
  if (Within(offset, e1000::kReceiveAddress, 2 * E1000ReceiveSettings::kAddresses)) {
    settings_.addresses[(offset - e1000::kReceiveAddress) / 4] = value;
    return false;
  }
  if (Within(offset, e1000::kMulticastTable, E1000ReceiveSettings::kTableWords)) {
    settings_.multicast[(offset - e1000::kMulticastTable) / 4] = value;
    return false;
  }
  if (Within(offset, e1000::kVlanTable, E1000ReceiveSettings::kTableWords)) {
    settings_.vlans[(offset - e1000::kVlanTable) / 4] = value;
    return false;
  }
  if (Within(offset, e1000::kStatistics, e1000::kStatisticsCount)) {
    return false;
  }
  if (Within(offset, e1000::kRdbal, kRingSize / 4) && rx_ring_.Find(offset - e1000::kRdbal)) {
    return WriteRing(rx_ring_, offset - e1000::kRdbal, value);
  }
  if (Within(offset, e1000::kTdbal, kRingSize / 4) && tx_ring_.Find(offset - e1000::kTdbal)) {
    return WriteRing(tx_ring_, offset - e1000::kTdbal, value);
  }
  switch (offset) {
    case e1000::kCtrl:
    case e1000::kCtrlAgain:
      if ((value & e1000::kCtrlReset) != 0) {
        Reset();
        return true;
      }
      if ((value & e1000::kCtrlPhyReset) != 0) {
        phy_.Reset();
      }
      registers_[e1000::kCtrl / 4] = value & ~e1000::kCtrlPhyReset;
      settings_.strip_vlan = (value & e1000::kCtrlVlanMode) != 0;
      return false;
    case e1000::kEecd:
      eeprom_.WriteControl(value);
      return false;
    case e1000::kMdic:
      registers_[offset / 4] = phy_.Access(value);
      if ((value & kMdicInterrupt) != 0) {
        Raise(e1000::kMdioDone);
      }
      return false;
    case e1000::kIcr:
      causes_ &= ~value;
      UpdateLine();
      return false;
    case e1000::kIcs:
      Raise(value & e1000::kAllCauses);
      return false;
    case e1000::kIms:
      mask_ |= value & e1000::kAllCauses;
      UpdateLine();
      return false;
    case e1000::kImc:
      mask_ &= ~value;
      UpdateLine();
      return false;
    case e1000::kRctl:
      settings_.control = value;
      registers_[offset / 4] = value;
      return true;
    case e1000::kTctl:
      registers_[offset / 4] = value;
      return true;
    case e1000::kRxcsum:
      settings_.checksum = value;
      registers_[offset / 4] = value;
      return false;
    case e1000::kStatus:
      return false;
    default:
      registers_[offset / 4] = value;
      return false;
  }
}

void E1000Device::Raise(std::uint32_t causes) {
  causes_ |= causes;
  UpdateLine();
}

void E1000Device::UpdateLine() {
  const bool wanted = (causes_ & mask_) != 0;
  if (wanted == line_ || pin_ == nullptr) {
    return;
  }
  if (wanted) {
    const std::uint64_t now = HostClock().MonotonicNs();
    if (now < next_interrupt_ns_) {
      if (!std::exchange(timer_armed_, true)) {
        timer_->SetDeadline(next_interrupt_ns_);
      }
      return;
    }
    next_interrupt_ns_ = now + (registers_[e1000::kItr / 4] & 0xffffU) * kItrUnitNs;
    counters_.interrupts.Add();
  }
  line_ = wanted;
  pin_->SetIntx(wanted);
}

void E1000Device::Count(unsigned statistic, std::uint64_t by) {
  const bool wide = statistic == e1000::kGoodBytesReceived || statistic == e1000::kGoodBytesSent ||
                    statistic == e1000::kBytesReceived || statistic == e1000::kBytesSent;
  if (wide) {
    const std::uint64_t sum =
        (std::uint64_t{statistics_[statistic + 1]} << 32U | statistics_[statistic]) + by;
    statistics_[statistic] = static_cast<std::uint32_t>(sum);
    statistics_[statistic + 1] = static_cast<std::uint32_t>(sum >> 32U);
    return;
  }
  // They stop at their end instead of starting again.
  const std::uint64_t sum = statistics_[statistic] + by;
  statistics_[statistic] = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(sum, std::numeric_limits<std::uint32_t>::max()));
}

void E1000Device::Unplug() {
  {
    const MutexLock lock(mutex_);
    Reset();
    unplugged_ = true;
  }
  kick_.Signal();
}

}  // namespace veneer
