// Port 0xe9, where hypervisor-aware code prints, and ports whose writes mean nothing here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "veneer/devices/pc/character_sink.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/bus/bus.h"

namespace veneer {

// Reads as 0xe9, which is how a guest knows the port is there. Writes reach the sink a line at a
// time, or when a line gets longer than kMaxLine.
class DebugPort final : public BusDevice {
 public:
  static constexpr std::uint64_t kPort = 0xe9;
  static constexpr std::size_t kMaxLine = 256;

  // `sink` must outlive this object.
  explicit DebugPort(CharacterSink& sink) : sink_(sink) {}

  Result<void> Attach(Bus& ports);
  // Any thread: hands on an unfinished line.
  void Flush();

  std::uint64_t Read(std::uint64_t offset, unsigned size) override;
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

 private:
  CharacterSink& sink_;
  Mutex mutex_;  // guards line_, and keeps the sink's calls in order
  std::vector<std::byte> line_ GUARDED_BY(mutex_);
};

// The power-on self-test port: guests write it to pass a microsecond. Reads as all-ones.
class PostPort final : public BusDevice {
 public:
  static constexpr std::uint64_t kPort = 0x80;

  Result<void> Attach(Bus& ports);
  std::uint64_t Read(std::uint64_t offset, unsigned size) override;
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override;
};

}  // namespace veneer
