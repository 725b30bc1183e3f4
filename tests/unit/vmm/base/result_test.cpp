#include "veneer/vmm/base/result.h"

#include <cerrno>
#include <memory>

#include <gtest/gtest.h>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) {
    return UsageError("{} is odd", n);
  }
  return n / 2;
}

Result<void> MustBeEven(int n) {
  VENEER_TRY(Half(n));
  return {};
}

Result<int> Quarter(int n) {
  VENEER_TRY_ASSIGN(const int half, Half(n));
  VENEER_TRY_ASSIGN(const int quarter, Half(half));
  return quarter;
}

Result<std::unique_ptr<int>> Boxed(int n) {
  if (n < 0) {
    return HostError("no box for {}", n);
  }
  return std::make_unique<int>(n);
}

Result<int> Unboxed(int n) {
  VENEER_TRY_ASSIGN(const std::unique_ptr<int> box, Boxed(n));
  return *box;
}

TEST(Result, TryGoesOnWithoutAnError) { EXPECT_TRUE(MustBeEven(4)); }

TEST(Result, TryReturnsTheErrorWithItsKind) {
  const Result<void> result = MustBeEven(5);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kUsage);
  EXPECT_EQ(result.error().message, "5 is odd");
}

TEST(Result, TryAssignTakesTheValueOrReturnsTheFirstError) {
  EXPECT_EQ(Quarter(12), 3);
  ASSERT_FALSE(Quarter(7));
  EXPECT_EQ(Quarter(7).error().message, "7 is odd");
  ASSERT_FALSE(Quarter(6));
  EXPECT_EQ(Quarter(6).error().message, "3 is odd");
}

TEST(Result, TryAssignMovesValuesThatCannotBeCopied) {
  EXPECT_EQ(Unboxed(9), 9);
  ASSERT_FALSE(Unboxed(-1));
  EXPECT_EQ(Unboxed(-1).error().kind, ErrorKind::kHost);
}

TEST(Result, ErrnoErrorSaysWhatTheSystemSaid) {
  const Error error = ErrnoError(ENOENT, "cannot open 'x'").value();
  EXPECT_EQ(error.kind, ErrorKind::kHost);
  EXPECT_EQ(error.message, "cannot open 'x': No such file or directory");
}

TEST(Result, ContextComesFirstAndTheKindStays) {
  const Error error = WithContext(Error{ErrorKind::kCanceled, "stopped"}, "--kernel").value();
  EXPECT_EQ(error.kind, ErrorKind::kCanceled);
  EXPECT_EQ(error.message, "--kernel: stopped");
}

TEST(CheckDeathTest, FailedCheckNamesConditionAndPlace) {
  EXPECT_DEATH(VENEER_CHECK(1 + 1 == 3), "1 \\+ 1 == 3.*result_test|result_test.*1 \\+ 1 == 3");
}

}  // namespace
}  // namespace veneer
