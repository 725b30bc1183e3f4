// What kind of host the integration tests run on, as far as they expect something else there.
#pragma once

#include <chrono>
#include <string>

#include "integration/environment.h"
#include "support/child_process.h"

namespace veneer::test {

// Whether KVM's own Xen support takes a guest's hypercalls and events over: this host has it, and
// what all guests are given besides (VENEER_TEST_RUN_OPTIONS) does not say otherwise.
inline bool KvmDeliversEvents() {
  if (Setting("VENEER_TEST_RUN_OPTIONS", "").find("--kvm-xen off") != std::string::npos) {
    return false;
  }
  ChildProcess check({Veneer(), "check"});
  check.CloseInput();
  EXPECT_EQ(check.WaitForExit(std::chrono::seconds(60)), 0) << check.err();
  return check.out().find("KVM interception") != std::string::npos;
}

// Whether this host interprets guests' kernels.
inline bool InterpretsKernels() {
  ChildProcess check({Veneer(), "check"});
  check.CloseInput();
  EXPECT_EQ(check.WaitForExit(std::chrono::seconds(60)), 0) << check.err();
  return check.out().find("KVM interprets guest kernels") != std::string::npos;
}

}  // namespace veneer::test
