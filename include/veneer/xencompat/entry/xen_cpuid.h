// The CPUID leaves by which a guest finds Xen (xen/arch-x86/cpuid.h).
#pragma once

#include <cstdint>
#include <vector>

namespace veneer {

struct XenCpuidConfig {
  // The version told to the guest; Linux switches features off below 4.0.
  std::uint16_t major = 4;
  std::uint16_t minor = 17;
  std::uint16_t domid = 1;

  // Time. Guests use the TSC instead of the PV clock if it is said not to be emulated.
  std::uint32_t tsc_khz = 0;
  bool tsc_reliable = false;  // invariant and synchronised between vCPUs
  bool rdtscp = false;
  std::uint32_t incarnation = 1;

  // What the virtual machine really has, told in leaf 4.
  bool apic_registers_virtualized = false;
  bool x2apic_virtualized = false;
  bool extended_destination_id = false;  // MSI with APIC ids above 255
  bool upcall_vector = true;             // HVMOP_set_evtchn_upcall_vector works

  std::uint8_t physical_address_bits = 46;
};

struct XenCpuidLeaf {
  std::uint32_t leaf = 0;
  std::uint32_t subleaf = 0;
  bool has_subleaves = false;
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

inline constexpr std::uint32_t kXenCpuidBase = 0x40000000;
// What leaf 2 names; a write of a page's address fills that page with hypercall stubs.
inline constexpr std::uint32_t kXenHypercallMsr = 0x40000000;

// The leaves of vCPU `vcpu` (Xen's id, which the MADT's ACPI processor id must agree with).
std::vector<XenCpuidLeaf> XenCpuidLeaves(const XenCpuidConfig& config, std::uint32_t vcpu);

}  // namespace veneer
