#include "src/vmm/cli/standard_streams.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace veneer {
namespace {

bool IsNull(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

// In a process of its own, which ends with 0 if all is well.
class StandardStreams : public ::testing::TestWithParam<unsigned> {};

TEST_P(StandardStreams, ClosedOnesAreTheNullDeviceAndTheRestIsLeftAlone) {
  const unsigned closed = GetParam();
  EXPECT_EXIT(
      {
        const int other = open("/proc/self/status", O_RDONLY);
        for (int fd = 0; fd <= 2; ++fd) {
          dup2(other, fd);
        }
        for (int fd = 0; fd <= 2; ++fd) {
          if ((closed >> fd & 1U) != 0) {
            close(fd);
          }
        }
        bool good = OpenMissingStandardStreams().has_value();
        for (int fd = 0; fd <= 2; ++fd) {
          good = good && IsNull(fd) == ((closed >> fd & 1U) != 0);
        }
        char byte = 0;
        good = good && ((closed & 1U) == 0 || read(0, &byte, 1) == 0);
        good = good && ((closed & 2U) == 0 || write(1, &byte, 1) == 1);
        _exit(good ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

INSTANTIATE_TEST_SUITE_P(Sets, StandardStreams, ::testing::Range(0U, 8U));

}  // namespace
}  // namespace veneer
