// Attributes of KVM's Xen support that the oldest <linux/kvm.h> Veneer is built with (6.1) lacks:
// numbers from Linux 6.12, arch/x86/include/uapi/asm/kvm.h.
#pragma once

#include <cstdint>

#include "kvm_ioctl.h"

namespace veneer::kvm {

inline constexpr std::uint16_t kXenAttrRunstateUpdateFlag = 0x5;  // since 6.2
inline constexpr std::uint16_t kXenAttrSharedInfoHva = 0x6;       // since 6.9
inline constexpr std::uint16_t kXenVcpuAttrVcpuInfoHva = 0x9;     // since 6.9
inline constexpr std::uint64_t kXenInvalidGpa = ~std::uint64_t{0};

// Both structures have grown members of their unions since, never their size.
static_assert(KVM_XEN_HVM_CONFIG == 0x4038ae7a);
static_assert(KVM_XEN_HVM_SET_ATTR == 0x4048aec9 && KVM_XEN_VCPU_SET_ATTR == 0x4048aecb);
static_assert(KVM_XEN_VCPU_GET_ATTR == 0xc048aeca);
static_assert(KVM_XEN_HVM_EVTCHN_SEND == 0x400caed0);

}  // namespace veneer::kvm
