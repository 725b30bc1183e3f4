// A ring does what it was made for, and nothing else.
#include "veneer/host/sandbox/bound_ring.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <optional>

#include <gtest/gtest.h>

#include "veneer/vmm/base/unique_fd.h"

namespace veneer {
namespace {

class BoundRing : public ::testing::Test {
 protected:
  void SetUp() override {
    if (io_uring_queue_init(8, &ring_, IORING_SETUP_R_DISABLED) != 0) {
      GTEST_SKIP() << "this host has no io_uring that can be bound";
    }
    made_ = true;
    const int file = file_.get();
    ASSERT_EQ(io_uring_register_files(&ring_, &file, 1), 0);
    constexpr std::array<std::uint8_t, 1> kOperations{IORING_OP_READ};
    ASSERT_EQ(BindRing(ring_, kOperations), 0);
  }
  ~BoundRing() override {
    if (made_) {
      io_uring_queue_exit(&ring_);
    }
  }

  io_uring_sqe& Entry() { return *io_uring_get_sqe(&ring_); }
  int Outcome() {
    EXPECT_EQ(io_uring_submit(&ring_), 1);
    io_uring_cqe* completion = nullptr;
    EXPECT_EQ(io_uring_wait_cqe(&ring_, &completion), 0);
    const int result = completion->res;
    io_uring_cqe_seen(&ring_, completion);
    return result;
  }

  const UniqueFd file_{open("/dev/zero", O_RDONLY | O_CLOEXEC)};
  io_uring ring_{};
  bool made_ = false;
};

TEST_F(BoundRing, ReadsItsFile) {
  std::array<char, 16> bytes{};
  io_uring_sqe& entry = Entry();
  io_uring_prep_read(&entry, 0, bytes.data(), bytes.size(), 0);
  entry.flags |= IOSQE_FIXED_FILE;
  EXPECT_EQ(Outcome(), 16);
}

TEST_F(BoundRing, ReadsNoOther) {
  std::array<char, 16> bytes{};
  io_uring_prep_read(&Entry(), file_.get(), bytes.data(), bytes.size(), 0);
  EXPECT_EQ(Outcome(), -EACCES);
}

TEST_F(BoundRing, OpensNothing) {
  io_uring_prep_openat(&Entry(), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
  EXPECT_EQ(Outcome(), -EACCES);
}

TEST_F(BoundRing, TakesNoOtherFiles) {
  const int file = file_.get();
  EXPECT_EQ(io_uring_register_files_update(&ring_, 0, &file, 1), -EACCES);
}

}  // namespace
}  // namespace veneer
