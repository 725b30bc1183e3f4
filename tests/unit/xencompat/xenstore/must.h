// For calls that a test needs to succeed and whose result it does not look at.
#pragma once

#include <gtest/gtest.h>

#include "veneer/xencompat/xenstore/xs_types.h"

namespace veneer::test {

inline void Must(const XsResult<void>& result) {
  if (!result) {
    ADD_FAILURE() << "failed with " << XsErrorName(result.error());
  }
}

}  // namespace veneer::test
