// A register window whose accesses go to functions: for devices with ports in several places.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "veneer/vmm/bus/device.h"

namespace veneer {

class PortWindow final : public BusDevice {
 public:
  using ReadFunction = std::function<std::uint64_t(std::uint64_t offset, unsigned size)>;
  using WriteFunction =
      std::function<void(std::uint64_t offset, unsigned size, std::uint64_t value)>;

  PortWindow(ReadFunction read, WriteFunction write)
      : read_(std::move(read)), write_(std::move(write)) {}

  std::uint64_t Read(std::uint64_t offset, unsigned size) override { return read_(offset, size); }
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override {
    write_(offset, size, value);
  }

 private:
  ReadFunction read_;
  WriteFunction write_;
};

}  // namespace veneer
