#include "veneer/xencompat/entry/xen_cpuid.h"

#include <xen/arch-x86/cpuid.h>

namespace veneer {
namespace {

static_assert(kXenCpuidBase == XEN_CPUID_FIRST_LEAF);

// EAX of leaf 3, subleaf 0 (there is no macro for these in the public header).
constexpr std::uint32_t kTimeHostTscReliable = 1U << 1;
constexpr std::uint32_t kTimeRdtscp = 1U << 2;
// EBX of the same: how RDTSC behaves.
constexpr std::uint32_t kTscModeDefault = 0;
constexpr std::uint32_t kTscModeNeverEmulate = 2;

XenCpuidLeaf Signature() {
  return {.leaf = kXenCpuidBase,
          .eax = kXenCpuidBase + XEN_CPUID_MAX_NUM_LEAVES,
          .ebx = XEN_CPUID_SIGNATURE_EBX,
          .ecx = XEN_CPUID_SIGNATURE_ECX,
          .edx = XEN_CPUID_SIGNATURE_EDX};
}

XenCpuidLeaf Time(const XenCpuidConfig& config) {
  std::uint32_t flags = 0;
  flags |= config.tsc_reliable ? kTimeHostTscReliable : 0;
  flags |= config.rdtscp ? kTimeRdtscp : 0;
  return {.leaf = kXenCpuidBase + 3,
          .subleaf = 0,
          .has_subleaves = true,
          .eax = flags,
          .ebx = config.tsc_reliable ? kTscModeNeverEmulate : kTscModeDefault,
          .ecx = config.tsc_khz,
          .edx = config.incarnation};
}

XenCpuidLeaf HostTsc(const XenCpuidConfig& config) {
  return {.leaf = kXenCpuidBase + 3, .subleaf = 2, .has_subleaves = true, .eax = config.tsc_khz};
}

XenCpuidLeaf HvmFeatures(const XenCpuidConfig& config, std::uint32_t vcpu) {
  std::uint32_t flags = XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_DOMID_PRESENT;
  flags |= config.apic_registers_virtualized ? XEN_HVM_CPUID_APIC_ACCESS_VIRT : 0;
  flags |= config.x2apic_virtualized ? XEN_HVM_CPUID_X2APIC_VIRT : 0;
  flags |= config.extended_destination_id ? XEN_HVM_CPUID_EXT_DEST_ID : 0;
  flags |= config.upcall_vector ? XEN_HVM_CPUID_UPCALL_VECTOR : 0;
  return {.leaf = kXenCpuidBase + 4,
          .has_subleaves = true,
          .eax = flags,
          .ebx = vcpu,
          .ecx = config.domid};
}

}  // namespace

std::vector<XenCpuidLeaf> XenCpuidLeaves(const XenCpuidConfig& config, std::uint32_t vcpu) {
  constexpr std::uint32_t kHypercallPages = 1;
  return {
      Signature(),
      {.leaf = kXenCpuidBase + 1, .eax = (std::uint32_t{config.major} << 16) | config.minor},
      {.leaf = kXenCpuidBase + 2, .eax = kHypercallPages, .ebx = kXenHypercallMsr},
      Time(config),
      HostTsc(config),
      HvmFeatures(config, vcpu),
      {.leaf = kXenCpuidBase + 5, .has_subleaves = true, .eax = config.physical_address_bits},
  };
}

}  // namespace veneer
