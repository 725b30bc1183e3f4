#include "table.h"

#include <string>

namespace veneer {

HypercallTable::HypercallTable(Metrics& metrics) : unknown_(metrics.Get("hypercall.unknown")) {
  for (const auto rows : {ConsoleRows(), EventChannelRows(), GrantTableRows(), HvmRows(),
                          MemoryRows(), MulticallRows(), PhysdevRows(), PmuRows(), SchedRows(),
                          TimerRows(), VcpuRows(), VersionRows(), VmAssistRows()}) {
    Add(rows, metrics);
  }
}

void HypercallTable::Add(std::span<const HypercallRow> rows, Metrics& metrics) {
  for (const HypercallRow& row : rows) {
    if (row.number >= numbers_.size()) {
      numbers_.resize(row.number + 1);
    }
    numbers_[row.number].push_back(
        {row.operation, row.handler, &metrics.Get(std::string("hypercall.") + row.name)});
  }
}

std::uint64_t OperationOf(const HypercallFrame& frame) {
  constexpr std::uint64_t kMemoryOperationMask = 0x3f;  // the rest says where to go on
  switch (frame.number) {
    case __HYPERVISOR_memory_op:
      return frame.args[0] & kMemoryOperationMask;
    case __HYPERVISOR_hvm_op:
      return frame.args[0];
    default:
      return static_cast<std::uint32_t>(frame.args[0]);
  }
}

const HypercallTable::Operation* HypercallTable::Find(const HypercallFrame& frame) const {
  if (frame.number >= numbers_.size()) {
    return nullptr;
  }
  const std::uint64_t wanted = OperationOf(frame);
  for (const Operation& operation : numbers_[frame.number]) {
    if (operation.operation == wanted || operation.operation == kNoOperation) {
      return &operation;
    }
  }
  return nullptr;
}

CallResult HypercallTable::Run(Call& call) const {
  const Operation* operation = Find(call.frame);
  if (operation == nullptr) {
    unknown_.Add();
    return Errno(XEN_ENOSYS);
  }
  operation->count->Add();
  return operation->handler(call);
}

}  // namespace veneer
