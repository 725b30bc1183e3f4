// HYPERVISOR_multicall (xen/xen.h): an array of calls, each with its result.
#include <algorithm>
#include <iterator>

#include "arguments.h"
#include "table.h"

namespace veneer {
namespace {

constexpr std::uint64_t kPerSlice = 32;

// Runs one entry. `again`: it made a break and was written back so that it can go on.
CallResult RunEntry(Call& call, std::uint64_t address) {
  multicall_entry_t entry{};
  if (!CopyIn(call, address, entry)) {
    return Errno(XEN_EFAULT);
  }
  HypercallFrame frame;
  frame.number = entry.op;
  std::copy(std::begin(entry.args), std::end(entry.args), frame.args.begin());
  frame.width = call.frame.width;
  Call inner{.domain = call.domain,
             .table = call.table,
             .console = call.console,
             .memory = call.memory,
             .vcpu = call.vcpu,
             .frame = frame,
             .in_multicall = true};
  const CallResult result = call.table.Run(inner);
  if (result.again) {
    std::copy(frame.args.begin(), frame.args.end(), std::begin(entry.args));
  } else {
    entry.result = static_cast<xen_ulong_t>(result.value);
  }
  if (!CopyOut(call, address, entry)) {
    return Errno(XEN_EFAULT);
  }
  return result.again ? CallResult::Again() : CallResult(0);
}

CallResult Multicall(Call& call) {
  if (call.in_multicall) {
    return Errno(XEN_EINVAL);
  }
  std::uint64_t& address = call.frame.args[0];
  std::uint64_t& left = call.frame.args[1];
  for (std::uint64_t done = 0; left != 0; ++done) {
    if (done == kPerSlice) {
      return CallResult::Again();
    }
    const CallResult result = RunEntry(call, address);
    if (result.again || result.value < 0) {
      return result;
    }
    address += WireSize<multicall_entry_t>(call);
    --left;
  }
  return 0;
}

constexpr HypercallRow kRows[] = {
    {__HYPERVISOR_multicall, kNoOperation, "multicall", Multicall},
};

}  // namespace

std::span<const HypercallRow> MulticallRows() { return kRows; }

}  // namespace veneer
