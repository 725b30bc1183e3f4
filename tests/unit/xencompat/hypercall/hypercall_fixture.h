// Runs each test of hypercalls for 64-bit and for 32-bit code.
#pragma once

#include <gtest/gtest.h>

#include "support/xen_guest.h"

namespace veneer {

class HypercallTest : public ::testing::TestWithParam<GuestWidth> {
 protected:
  static constexpr std::uint64_t kBarFrame = testing::XenGuest::kBar.value / kPageSize;
  static constexpr std::uint64_t kBad = testing::XenGuest::kUnmapped;
  bool Wide() const { return GetParam() == GuestWidth::k64; }

  testing::XenGuest guest_{GetParam()};
};

inline std::string WidthName(const ::testing::TestParamInfo<GuestWidth>& info) {
  return info.param == GuestWidth::k64 ? "Wide" : "Narrow";
}

}  // namespace veneer

#define VENEER_BOTH_WIDTHS(Suite)                                                             \
  INSTANTIATE_TEST_SUITE_P(                                                                   \
      Widths, Suite, ::testing::Values(::veneer::GuestWidth::k64, ::veneer::GuestWidth::k32), \
      ::veneer::WidthName)
