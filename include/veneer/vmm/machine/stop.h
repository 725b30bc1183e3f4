// Why a machine stopped.
#pragma once

#include <string>

namespace veneer {

enum class StopReason {
  kPowerOff,          // the guest powered itself off
  kReset,             // the guest asked for a reset
  kGuestPanic,        // the guest's kernel panicked
  kTripleFault,       // the guest's exception handling collapsed
  kEmulationFailure,  // an instruction that neither KVM nor an assist can perform
  kHostError,         // KVM or the host failed
  kTimeout,           // the time the user allowed has passed
  kRebootLoop,        // the guest reboots more often than --reboot-limit allows
  kQuit,              // the user asked, at the console or by `veneer ctl`
  kSignal,            // SIGINT, SIGTERM or SIGHUP
};

struct MachineStop {
  StopReason reason = StopReason::kPowerOff;
  std::string detail;  // for the user; may be empty or have several lines
};

// One plain phrase: "the guest powered off", ...
const char* Describe(StopReason reason);

}  // namespace veneer
