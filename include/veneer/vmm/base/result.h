// Errors of the host and of the configuration, as values.
//
// Guest-caused errors are not represented here: they become a Xen errno, all-ones on a bus or an
// error response, right where they are found.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>
#include <tl/expected.hpp>

namespace veneer {

// Who has to act on an error; main() turns it into an exit code.
enum class ErrorKind {
  kUsage,     // the user's input: an option, a configuration file, a kernel image
  kHost,      // the host refused: no /dev/kvm, no memory, a system call failed
  kCanceled,  // stopped on request
};

// One plain sentence: what is wrong, where, and what to do.
struct Error {
  ErrorKind kind = ErrorKind::kHost;
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;

template <typename... Args>
tl::unexpected<Error> UsageError(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(
      Error{ErrorKind::kUsage, fmt::format(format, std::forward<Args>(args)...)});
}

template <typename... Args>
tl::unexpected<Error> HostError(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(
      Error{ErrorKind::kHost, fmt::format(format, std::forward<Args>(args)...)});
}

// A system call failed: appends the text of `error_number` (an errno value) to the sentence.
tl::unexpected<Error> ErrnoError(int error_number, std::string_view what);

// Puts `context` in front of an error's message: "CONTEXT: MESSAGE".
tl::unexpected<Error> WithContext(Error error, std::string_view context);

}  // namespace veneer

#define VENEER_CONCAT_INNER(a, b) a##b
#define VENEER_CONCAT(a, b) VENEER_CONCAT_INNER(a, b)

// VENEER_TRY(expr): returns expr's error from the enclosing function, if it has one.
#define VENEER_TRY(expr)                                           \
  do {                                                             \
    if (auto veneer_try_result = (expr); !veneer_try_result) {     \
      return tl::unexpected(std::move(veneer_try_result).error()); \
    }                                                              \
  } while (false)

// VENEER_TRY_ASSIGN(auto x, expr): declares or assigns x from expr's value, or returns its error.
#define VENEER_TRY_ASSIGN(lhs, expr) \
  VENEER_TRY_ASSIGN_INNER(lhs, expr, VENEER_CONCAT(veneer_result_, __LINE__))
#define VENEER_TRY_ASSIGN_INNER(lhs, expr, name)    \
  auto name = (expr);                               \
  if (!name) {                                      \
    return tl::unexpected(std::move(name).error()); \
  }                                                 \
  lhs = std::move(name).value()
