// What a device asks of the machine when the guest turns power registers.
#pragma once

namespace veneer {

// Called on vCPU threads, without a lock of the device held. Must only note the wish and return:
// the caller is inside the guest's port access.
class PowerControl {
 public:
  virtual ~PowerControl() = default;
  // ACPI S5.
  virtual void PowerOff() = 0;
  // Keyboard controller pulse or reset control register.
  virtual void Reset() = 0;
};

}  // namespace veneer
