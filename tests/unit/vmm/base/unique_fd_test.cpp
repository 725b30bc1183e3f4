#include "veneer/vmm/base/unique_fd.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <utility>

#include <gtest/gtest.h>

namespace veneer {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) != -1; }

UniqueFd Open() { return UniqueFd(eventfd(0, EFD_CLOEXEC)); }

TEST(UniqueFd, OwnsNothingByDefault) {
  const UniqueFd fd;
  EXPECT_FALSE(fd.valid());
  EXPECT_EQ(fd.get(), -1);
}

TEST(UniqueFd, ClosesAtTheEndOfItsLife) {
  int raw = -1;
  {
    const UniqueFd fd = Open();
    ASSERT_TRUE(fd.valid());
    raw = fd.get();
    EXPECT_TRUE(IsOpen(raw));
  }
  EXPECT_FALSE(IsOpen(raw));
}

TEST(UniqueFd, MovingLeavesTheSourceEmptyAndTheDescriptorOpen) {
  UniqueFd from = Open();
  const int raw = from.get();
  const UniqueFd to = std::move(from);
  EXPECT_FALSE(from.valid());  // NOLINT(bugprone-use-after-move): what is tested
  EXPECT_EQ(to.get(), raw);
  EXPECT_TRUE(IsOpen(raw));
}

TEST(UniqueFd, AssignmentClosesWhatWasOwned) {
  UniqueFd a = Open();
  UniqueFd b = Open();
  const int raw_a = a.get();
  const int raw_b = b.get();
  a = std::move(b);
  EXPECT_FALSE(IsOpen(raw_a));
  EXPECT_TRUE(IsOpen(raw_b));
  EXPECT_EQ(a.get(), raw_b);
}

TEST(UniqueFd, AssignmentToItselfKeepsTheDescriptor) {
  UniqueFd fd = Open();
  const int raw = fd.get();
  UniqueFd& same = fd;
  fd = std::move(same);
  EXPECT_EQ(fd.get(), raw);
  EXPECT_TRUE(IsOpen(raw));
}

TEST(UniqueFd, ReleaseGivesUpWithoutClosing) {
  UniqueFd fd = Open();
  const int raw = fd.Release();
  EXPECT_FALSE(fd.valid());
  EXPECT_TRUE(IsOpen(raw));
  fd.Reset(raw);
  EXPECT_EQ(fd.get(), raw);
  fd.Reset();
  EXPECT_FALSE(IsOpen(raw));
}

}  // namespace
}  // namespace veneer
