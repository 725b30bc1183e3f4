// Checks for bugs in Veneer itself. Never for guest input and never for the user's.
#pragma once

namespace veneer {

// Prints the failed condition with its place and aborts.
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace veneer

#define VENEER_CHECK(condition)                              \
  do {                                                       \
    if (!(condition)) [[unlikely]] {                         \
      ::veneer::CheckFailed(#condition, __FILE__, __LINE__); \
    }                                                        \
  } while (false)
