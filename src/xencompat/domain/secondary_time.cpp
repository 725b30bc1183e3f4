#include "veneer/xencompat/domain/secondary_time.h"

#include <atomic>
#include <cstring>

namespace veneer {
namespace {

// The fences are for the compiler: x86 keeps loads and stores in order.
std::uint32_t LoadVersion(std::span<const std::byte> primary) {
  std::uint32_t version = 0;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(&version, primary.data(), sizeof(version));
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return version;
}

}  // namespace

void SecondaryTime::SetArea(std::optional<GuestArea> area) {
  const MutexLock lock(mutex_);
  area_ = area;
  copied_.reset();
}

void SecondaryTime::Refresh(GuestMemory& memory, std::span<const std::byte> primary) {
  const MutexLock lock(mutex_);
  if (!area_ || primary.size() < sizeof(vcpu_time_info_t)) {
    return;
  }
  const std::uint32_t version = LoadVersion(primary);
  const bool changing = (version & 1U) != 0;
  if (changing || copied_ == version) {
    return;
  }
  vcpu_time_info_t copy;
  std::memcpy(&copy, primary.data(), sizeof(copy));
  if (LoadVersion(primary) != version) {
    return;
  }
  const GuestArea& area = *area_;
  const auto write_version = [&](std::uint32_t value) {
    area.Write(memory, 0, std::as_bytes(std::span(&value, 1)));
    std::atomic_signal_fence(std::memory_order_seq_cst);
  };
  write_version(version | 1U);
  copy.version = version | 1U;
  area.Write(memory, 0, std::as_bytes(std::span(&copy, 1)));
  std::atomic_signal_fence(std::memory_order_seq_cst);
  // Even, and another one than before: the guest starts over if it was reading.
  write_version(version + 2U);
  copied_ = version;
}

}  // namespace veneer
