// Leaf layouts: Intel SDM vol. 2, CPUID; AMD APM vol. 3, appendix E.
#include "veneer/vmm/vcpu/cpuid.h"

#include <algorithm>
#include <bit>

namespace veneer {

CpuidLeaf* FindLeaf(CpuidTable& table, std::uint32_t function, std::uint32_t index) {
  const auto it = std::find_if(table.begin(), table.end(), [&](const CpuidLeaf& leaf) {
    return leaf.function == function && (!leaf.index_significant || leaf.index == index);
  });
  return it == table.end() ? nullptr : &*it;
}

void SetTopology(CpuidTable& table, unsigned vcpu, unsigned vcpus) {
  const std::uint32_t core_bits = static_cast<std::uint32_t>(std::bit_width(vcpus - 1));
  constexpr std::uint32_t kHyperThreading = 1U << 28;
  for (CpuidLeaf& leaf : table) {
    switch (leaf.function) {
      case 0x1:
        leaf.ebx = (leaf.ebx & 0xffffU) | (vcpus << 16U) | (vcpu << 24U);
        leaf.edx = vcpus > 1 ? leaf.edx | kHyperThreading : leaf.edx & ~kHyperThreading;
        break;
      case 0x4: {  // caches: who shares them
        const std::uint32_t level = (leaf.eax >> 5U) & 7U;
        const std::uint32_t sharing = level >= 3 ? vcpus - 1 : 0;
        leaf.eax = (leaf.eax & 0x3fffU) | (sharing << 14U) | ((vcpus - 1) << 26U);
        break;
      }
      case 0x8000001d: {
        const std::uint32_t level = (leaf.eax >> 5U) & 7U;
        const std::uint32_t sharing = level >= 3 ? vcpus - 1 : 0;
        leaf.eax = (leaf.eax & 0x3fffU) | (sharing << 14U);
        break;
      }
      case 0xb:
      case 0x1f: {  // x2APIC topology: level 0 threads, level 1 cores
        const bool threads = leaf.index == 0;
        const bool cores = leaf.index == 1;
        leaf.eax = cores ? core_bits : 0;
        leaf.ebx = threads ? 1 : (cores ? vcpus : 0);
        leaf.ecx = leaf.index | (threads ? 1U << 8U : (cores ? 2U << 8U : 0U));
        leaf.edx = vcpu;
        break;
      }
      case 0x80000008:
        leaf.ecx = (leaf.ecx & ~0xf0ffU) | (vcpus - 1) | (core_bits << 12U);
        break;
      case 0x8000001e:
        leaf.eax = vcpu;
        leaf.ebx = vcpu;  // one thread per core
        leaf.ecx = 0;     // one node
        break;
      default:
        break;
    }
  }
}

}  // namespace veneer
