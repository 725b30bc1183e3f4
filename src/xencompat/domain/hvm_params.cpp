#include "veneer/xencompat/domain/hvm_params.h"

#include <initializer_list>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

enum class Access { kFree, kReadOnly, kGone, kForbidden };

Access GuestAccess(std::uint32_t index) {
  switch (index) {
    case HVM_PARAM_CALLBACK_IRQ:
    case HVM_PARAM_VM86_TSS:
    case HVM_PARAM_VM86_TSS_SIZED:
    case HVM_PARAM_ACPI_IOPORTS_LOCATION:
    case HVM_PARAM_VM_GENERATION_ID_ADDR:
    case HVM_PARAM_STORE_EVTCHN:
    case HVM_PARAM_CONSOLE_EVTCHN:
    case HVM_PARAM_X87_FIP_WIDTH:
      return Access::kFree;
    case HVM_PARAM_STORE_PFN:
    case HVM_PARAM_CONSOLE_PFN:
      return Access::kReadOnly;
    // Numbers that older versions of Xen used: PAE, device model's domain, introspection events,
    // nested HVM, buffered I/O events.
    case 4:
    case 13:
    case 20:
    case 21:
    case 22:
    case 23:
    case 24:
    case 25:
    case 26:
    case 30:
      return Access::kGone;
    default:
      return Access::kForbidden;
  }
}

bool ValidValue(std::uint32_t index, std::uint64_t value, std::uint64_t current) {
  switch (index) {
    case HVM_PARAM_X87_FIP_WIDTH:
      return value == 0 || value == 4 || value == 8;
    case HVM_PARAM_VM86_TSS:
      return value <= UINT32_MAX;
    case HVM_PARAM_ACPI_IOPORTS_LOCATION:
      return value == current;  // the ACPI ports do not move here
    default:
      return true;
  }
}

}  // namespace

void HvmParams::Preset(std::uint32_t index, std::uint64_t value) {
  VENEER_CHECK(index < HVM_NR_PARAMS);
  const MutexLock lock(mutex_);
  values_[index] = value;
}

void HvmParams::StartOver() {
  const MutexLock lock(mutex_);
  for (const unsigned index :
       std::initializer_list<unsigned>{HVM_PARAM_CALLBACK_IRQ, HVM_PARAM_VM86_TSS,
                                       HVM_PARAM_VM86_TSS_SIZED, HVM_PARAM_X87_FIP_WIDTH}) {
    values_[index] = 0;
  }
}

XenResult<void> HvmParams::Set(std::uint32_t index, std::uint64_t value) {
  if (index >= HVM_NR_PARAMS) {
    return XenError(XEN_EINVAL);
  }
  const Access access = GuestAccess(index);
  if (access == Access::kGone) {
    return XenError(XEN_EINVAL);
  }
  if (access != Access::kFree) {
    return XenError(XEN_EPERM);
  }
  const MutexLock lock(mutex_);
  if (!ValidValue(index, value, values_[index])) {
    return XenError(XEN_EINVAL);
  }
  values_[index] = value;
  return {};
}

XenResult<std::uint64_t> HvmParams::Get(std::uint32_t index) const {
  if (index >= HVM_NR_PARAMS) {
    return XenError(XEN_EINVAL);
  }
  switch (GuestAccess(index)) {
    case Access::kGone:
      return XenError(XEN_EINVAL);
    case Access::kForbidden:
      return XenError(XEN_EPERM);
    case Access::kFree:
    case Access::kReadOnly:
      break;
  }
  const MutexLock lock(mutex_);
  return values_[index];
}

CallbackMethod DecodeCallback(std::uint64_t value) {
  constexpr unsigned kTypeShift = 56;
  switch (value >> kTypeShift) {
    case HVM_PARAM_CALLBACK_TYPE_GSI: {
      const auto gsi = static_cast<std::uint8_t>(value);
      // GSI 1 is no interrupt but a signal to the toolstack: Linux writes it when every vCPU has an
      // upcall vector of its own.
      constexpr std::uint8_t kSignalOnly = 1;
      if (gsi == 0 || gsi == kSignalOnly) {
        return CallbackNone{};
      }
      return CallbackGsi{Gsi{gsi}};
    }
    case HVM_PARAM_CALLBACK_TYPE_PCI_INTX:
      return CallbackPciIntx{static_cast<std::uint8_t>((value >> 11) & 31),
                             static_cast<std::uint8_t>(value & 3)};
    case HVM_PARAM_CALLBACK_TYPE_VECTOR:
      return CallbackVector{static_cast<std::uint8_t>(value)};
    default:
      return CallbackNone{};
  }
}

}  // namespace veneer
