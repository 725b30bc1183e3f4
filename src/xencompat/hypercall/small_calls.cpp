// The hypercalls with little behind them: set_timer_op, vm_assist, console_io (xen/xen.h),
// physdev_op (xen/physdev.h), xenpmu_op (xen/pmu.h).
#include <algorithm>
#include <array>
#include <limits>

#include "table.h"

namespace veneer {
namespace {

CallResult SetTimer(Call& call) {
  if (!call.domain.options().time) {
    return Errno(XEN_ENOSYS);
  }
  // 32-bit code passes the two halves.
  const std::uint64_t deadline =
      call.Narrow() ? call.frame.args[0] | (call.frame.args[1] << 32) : call.frame.args[0];
  call.domain.timers().SetTimerOp(call.vcpu, static_cast<std::int64_t>(deadline));
  return 0;
}

CallResult VmAssist(Call& call) {
  // The only one that an HVM guest has a use for.
  if (call.Arg32(1) != VMASST_TYPE_runstate_update_flag) {
    return Errno(XEN_EINVAL);
  }
  switch (call.Arg32(0)) {
    case VMASST_CMD_enable:
      call.domain.FlagRunstateUpdates(true);
      return 0;
    case VMASST_CMD_disable:
      call.domain.FlagRunstateUpdates(false);
      return 0;
    default:
      return Errno(XEN_ENOSYS);
  }
}

// Arguments: operation, count, buffer.
CallResult ConsoleWrite(Call& call) {
  std::array<std::byte, 1024> text;
  const std::uint32_t count = call.Arg32(1);
  const std::uint32_t slice = std::min(count, static_cast<std::uint32_t>(text.size()));
  const std::span<std::byte> piece = std::span(text).first(slice);
  if (!call.memory.Read(call.frame.args[2], piece)) {
    return Errno(XEN_EFAULT);
  }
  call.console.Write(piece);
  if (slice == count) {
    return 0;
  }
  call.frame.args[1] = count - slice;
  call.frame.args[2] += slice;
  return CallResult::Again();
}

// There is no keyboard behind the emergency console.
CallResult ConsoleRead(Call& call) {
  constexpr std::uint32_t kMost = std::numeric_limits<std::int32_t>::max();
  return call.Arg32(1) > kMost ? Errno(XEN_E2BIG) : 0;
}

// Both arguments start like this one. No physical interrupts are offered (XENFEAT_hvm_pirqs is
// off), so there is none to which a guest has a right.
CallResult MapPirq(Call&, const physdev_unmap_pirq_t&) { return Errno(XEN_EPERM); }

// No virtual PMU, whatever the operation.
CallResult Pmu(Call&) { return Errno(XEN_EOPNOTSUPP); }

constexpr HypercallRow kTimerRows[] = {
    {__HYPERVISOR_set_timer_op, kNoOperation, "set_timer_op", SetTimer},
};
constexpr HypercallRow kVmAssistRows[] = {
    {__HYPERVISOR_vm_assist, kNoOperation, "vm_assist", VmAssist},
};
constexpr HypercallRow kConsoleRows[] = {
    {__HYPERVISOR_console_io, CONSOLEIO_write, "console_io.write", ConsoleWrite},
    {__HYPERVISOR_console_io, CONSOLEIO_read, "console_io.read", ConsoleRead},
};
constexpr HypercallRow kPhysdevRows[] = {
    {__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, "physdev_op.map_pirq", In<MapPirq>},
    {__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, "physdev_op.unmap_pirq", In<MapPirq>},
};
constexpr HypercallRow kPmuRows[] = {
    {__HYPERVISOR_xenpmu_op, kNoOperation, "xenpmu_op", Pmu},
};

}  // namespace

std::span<const HypercallRow> TimerRows() { return kTimerRows; }
std::span<const HypercallRow> VmAssistRows() { return kVmAssistRows; }
std::span<const HypercallRow> ConsoleRows() { return kConsoleRows; }
std::span<const HypercallRow> PhysdevRows() { return kPhysdevRows; }
std::span<const HypercallRow> PmuRows() { return kPmuRows; }

}  // namespace veneer
