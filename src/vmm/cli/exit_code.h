// What `veneer run` tells its caller. Documented in --help and the README.
#pragma once

namespace veneer {

enum class ExitCode {
  kOk = 0,                // the guest powered off, or ended as the user told it to
  kHostError = 1,         // no /dev/kvm, no memory, a file that cannot be written, ...
  kUsage = 2,             // an option, a configuration file or a kernel image is wrong
  kGuestCrash = 3,        // the guest's kernel panicked or triple-faulted
  kEmulationFailure = 4,  // an instruction that this host cannot perform
  kTimeout = 5,           // --timeout has passed
  kSignalBase = 128,      // plus the number of the signal that ended Veneer
};

}  // namespace veneer
