// CPUID leaves as plain data.
#pragma once

#include <cstdint>
#include <vector>

namespace veneer {

struct CpuidLeaf {
  std::uint32_t function = 0;
  std::uint32_t index = 0;         // sub-leaf
  bool index_significant = false;  // the leaf has sub-leaves
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};
using CpuidTable = std::vector<CpuidLeaf>;

// The leaf, or nullptr.
CpuidLeaf* FindLeaf(CpuidTable& table, std::uint32_t function, std::uint32_t index = 0);

// Where hypervisors introduce themselves.
inline constexpr std::uint32_t kHypervisorLeafBase = 0x40000000;
inline constexpr std::uint32_t kHypervisorLeafEnd = 0x40010000;

// Fits what the host's KVM supports to vCPU `vcpu` of `vcpus`: APIC ids, a flat topology of one
// package with one thread per core.
void SetTopology(CpuidTable& table, unsigned vcpu, unsigned vcpus);

}  // namespace veneer
