#include "veneer/vmm/machine/stop.h"

namespace veneer {

const char* Describe(StopReason reason) {
  switch (reason) {
    case StopReason::kPowerOff:
      return "the guest powered off";
    case StopReason::kReset:
      return "the guest asked for a reset";
    case StopReason::kGuestPanic:
      return "the guest's kernel panicked";
    case StopReason::kTripleFault:
      return "the guest crashed with a triple fault";
    case StopReason::kEmulationFailure:
      return "the guest executed an instruction that this host cannot perform";
    case StopReason::kHostError:
      return "the host failed";
    case StopReason::kTimeout:
      return "the time limit has passed";
    case StopReason::kRebootLoop:
      return "the guest reboots again and again";
    case StopReason::kQuit:
      return "stopped by the user";
    case StopReason::kSignal:
      return "stopped by a signal";
  }
  return "stopped";
}

}  // namespace veneer
