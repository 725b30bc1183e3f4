// The hypercalls with little behind them.
#include "arch.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"

namespace micro {

void TestSmallCalls() {
  static const char text[] = "micro console_io line\n";
  const auto console = [](uint32_t command, uint32_t count, uintptr_t buffer) {
    return Hypercall(__HYPERVISOR_console_io, command, count, buffer);
  };
  Check("small/console_io", console(CONSOLEIO_write, sizeof(text) - 1, Word(text)), 0);
  Check("small/console_io-bad-pointer", console(CONSOLEIO_write, 8, bad_address - 4), -XEN_EFAULT);
  Check("small/console_io-read", console(CONSOLEIO_read, 8, bad_address), 0);
  Check("small/console_io-unknown", console(99, 0, 0), -XEN_ENOSYS);

  const auto assist = [](uint32_t command, uint32_t type) {
    return Hypercall(__HYPERVISOR_vm_assist, command, type);
  };
  Check("small/vm_assist", assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
  Check("small/vm_assist-off", assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag), 0);
  Check("small/vm_assist-unknown-type", assist(VMASST_CMD_enable, 99), -XEN_EINVAL);
  Check("small/vm_assist-unknown-command", assist(99, VMASST_TYPE_runstate_update_flag),
        -XEN_ENOSYS);

  physdev_map_pirq_t pirq{};
  Check("small/map_pirq", Hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &pirq),
        -XEN_EPERM);
  Check("small/map_pirq-bad-pointer",
        Hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, bad_address), -XEN_EFAULT);
  Check("small/physdev-unknown", Hypercall(__HYPERVISOR_physdev_op, 99), -XEN_ENOSYS);
  CheckTrue("small/xenpmu", Hypercall(__HYPERVISOR_xenpmu_op, 0) < 0);
}

}  // namespace micro
