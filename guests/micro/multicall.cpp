// HYPERVISOR_multicall.
#include "arch.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"

namespace micro {
namespace {

constexpr uint32_t kMany = 70;  // more than the VMM does in one go
multicall_entry_t entries[kMany];

intptr_t Multicall(multicall_entry_t* list, uint32_t count) {
  return Hypercall(__HYPERVISOR_multicall, list, count);
}

int64_t ResultOf(uint32_t index) {
  return static_cast<intptr_t>(entries[index].result);  // unsigned in the structure
}

}  // namespace

void TestMulticall() {
  const intptr_t version = VersionOp(XENVER_version, 0);
  entries[0].op = __HYPERVISOR_xen_version;
  entries[0].args[0] = XENVER_version;
  entries[1].op = 60;
  entries[2].op = __HYPERVISOR_xen_version;
  entries[2].args[0] = XENVER_extraversion;
  entries[2].args[1] = bad_address;
  entries[3].op = __HYPERVISOR_multicall;
  entries[3].args[0] = Word(entries);
  entries[3].args[1] = 1;
  Check("multicall/four", Multicall(entries, 4), 0);
  Check("multicall/version", ResultOf(0), version);
  Check("multicall/unknown", ResultOf(1), -XEN_ENOSYS);
  Check("multicall/bad-pointer-inside", ResultOf(2), -XEN_EFAULT);
  CheckTrue("multicall/nested", ResultOf(3) < 0);
  Check("multicall/none", Multicall(entries, 0), 0);
  Check("multicall/bad-pointer", Multicall(reinterpret_cast<multicall_entry_t*>(bad_address), 1),
        -XEN_EFAULT);
  for (multicall_entry_t& entry : entries) {
    entry.op = __HYPERVISOR_xen_version;
    entry.result = 0;
    entry.args[0] = XENVER_version;
  }
  Check("multicall/many", Multicall(entries, kMany), 0);
  uint32_t right = 0;
  for (uint32_t i = 0; i < kMany; ++i) {
    right += ResultOf(i) == version ? 1 : 0;
  }
  Check("multicall/all-done", right, kMany);
}

}  // namespace micro
