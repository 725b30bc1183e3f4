// Waiting for what other threads bring about, with an end: a test that waits for ever says nothing.
#pragma once

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

namespace veneer::testing {

// Whether `done` comes true before half a minute has passed, which is long even for a sanitizer on
// a busy machine.
template <typename Done>
::testing::AssertionResult Eventually(Done done) {
  constexpr std::chrono::seconds kLimit{30};
  const auto end = std::chrono::steady_clock::now() + kLimit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) {
      return ::testing::AssertionFailure() << "waited for it for " << kLimit.count() << " seconds";
    }
    std::this_thread::yield();
  }
  return ::testing::AssertionSuccess();
}

}  // namespace veneer::testing
