// Where the integration tests find what they run.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/scratch_directory.h"

namespace veneer::test {

// The variable's value. A test that needs it and does not have it fails: nothing is skipped in
// silence.
inline std::string Needed(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') {
    ADD_FAILURE() << variable << " is not set; run the integration tests through tests/run";
    return "/nonexistent";
  }
  return value;
}

inline std::string Veneer() { return Needed("VENEER"); }

// The variable's value, or `otherwise`.
inline std::string Setting(const char* variable, const std::string& otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

// Far more than a boot takes; only a guest that hangs gets there. VENEER_TEST_BOOT_SECONDS allows
// more, for a distribution's kernel on a host that interprets it.
inline std::chrono::seconds BootLimit() {
  return std::chrono::seconds(std::atoi(Setting("VENEER_TEST_BOOT_SECONDS", "600").c_str()));
}

// The kernel and initramfs for guests with emulated disks and NICs: distributions have kernels
// whose only drivers are PV ones.
inline std::string EmulatedKernel() {
  return Setting("VENEER_TEST_EMULATED_KERNEL", Needed("VENEER_TEST_KERNEL"));
}
inline std::string EmulatedInitrd() {
  return Setting("VENEER_TEST_EMULATED_INITRD", Needed("VENEER_TEST_INITRD"));
}

// Guest memory in MiB, given for the small test kernel: a distribution's kernel needs a multiple,
// VENEER_TEST_MEMORY_SCALE.
inline std::uint64_t GuestMib(std::uint64_t mib) {
  return mib *
         static_cast<std::uint64_t>(std::atoi(Setting("VENEER_TEST_MEMORY_SCALE", "1").c_str()));
}
inline std::string GuestMemory(std::uint64_t mib) { return std::to_string(GuestMib(mib)) + "M"; }

// "veneer run" with a kernel command line, what VENEER_TEST_CMDLINE adds to that, and more options;
// VENEER_TEST_RUN_OPTIONS, pairs of words, are given to all that do not have that option:
// "--kvm-xen off".
inline std::vector<std::string> RunCommand(const std::string& kernel, const std::string& cmdline,
                                           const std::vector<std::string>& options) {
  const std::string more = Setting("VENEER_TEST_CMDLINE", "");
  std::vector<std::string> argv{Veneer(),    "run",
                                "--kernel",  kernel,
                                "--cmdline", more.empty() ? cmdline : more + " " + cmdline};
  std::istringstream all(Setting("VENEER_TEST_RUN_OPTIONS", ""));
  for (std::string option, value; all >> option >> value;) {
    if (std::find(options.begin(), options.end(), option) == options.end()) {
      argv.insert(argv.end(), {option, value});
    }
  }
  argv.insert(argv.end(), options.begin(), options.end());
  return argv;
}

}  // namespace veneer::test
