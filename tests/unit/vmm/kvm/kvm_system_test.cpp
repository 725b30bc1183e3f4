// What the user is told when /dev/kvm is not what it should be. None of this needs a real one.
#include "veneer/vmm/kvm/kvm_system.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_directory.h"

namespace veneer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class KvmSystemTest : public ::testing::Test {
 protected:
  static std::string Complaint(const std::string& path) {
    const auto system = KvmSystem::Open(path);
    if (system) {
      return "opened";
    }
    EXPECT_EQ(system.error().kind, ErrorKind::kHost);
    return system.error().message;
  }

  const test::ScratchDirectory scratch_;
};

TEST_F(KvmSystemTest, SaysHowToGetAMissingDevice) {
  EXPECT_THAT(Complaint(scratch_.File("kvm")),
              AllOf(HasSubstr(scratch_.File("kvm") + " is missing"),
                    HasSubstr("modprobe kvm_intel"), HasSubstr("nested virtualization")));
}

TEST_F(KvmSystemTest, TreatsANodeWithoutADriverAsMissing) {
  // Opening a socket's name fails with ENXIO, as opening such a node does.
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, scratch_.File("socket").c_str(), sizeof address.sun_path - 1);
  // The call takes the general type of all address families.
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_THAT(Complaint(scratch_.File("socket")), HasSubstr("is missing"));
  close(fd);
}

TEST_F(KvmSystemTest, SaysHowToGetThePermission) {
  const int fd = open(scratch_.File("kvm").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0);
  ASSERT_GE(fd, 0);
  close(fd);
  ASSERT_EQ(chmod(scratch_.path().c_str(), 0755), 0);
  std::string complaint;
  // The bare system call changes this one thread only, so that the test may run as root.
  std::thread([&] {
    constexpr unsigned kNobody = 65534;
    if (geteuid() == 0 && syscall(SYS_setresuid, -1, kNobody, -1) != 0) {
      return;
    }
    complaint = Complaint(scratch_.File("kvm"));
  }).join();
  if (complaint.empty()) {
    GTEST_SKIP() << "root here may not become another user";
  }
  EXPECT_THAT(complaint, AllOf(HasSubstr("no permission to use " + scratch_.File("kvm")),
                               HasSubstr("usermod -aG kvm"), Not(HasSubstr("missing"))));
}

TEST_F(KvmSystemTest, NamesAFileThatIsNotKvm) {
  EXPECT_THAT(Complaint("/dev/null"), HasSubstr("/dev/null is not a KVM"));
  const int fd = open(scratch_.File("file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  close(fd);
  EXPECT_THAT(Complaint(scratch_.File("file")), HasSubstr(scratch_.File("file") + " is not a KVM"));
}

TEST_F(KvmSystemTest, GivesTheSystemsReasonForAnythingElse) {
  EXPECT_THAT(Complaint(scratch_.path()),
              AllOf(HasSubstr("cannot open " + scratch_.path()), HasSubstr("Is a directory")));
  EXPECT_THAT(Complaint("/dev/null/kvm"),
              AllOf(HasSubstr("cannot open /dev/null/kvm"), HasSubstr("Not a directory")));
}

TEST(KvmCapabilities, XenSupportCountsOnlyIfItDoesAllThatIsNeeded) {
  KvmCapabilities capabilities;
  EXPECT_FALSE(capabilities.kernel_xen());
  capabilities.xen_flags = 0x02;  // interception alone (Linux 5.12)
  EXPECT_FALSE(capabilities.kernel_xen());
  capabilities.xen_flags = 0xff;  // Linux 6.8
  EXPECT_FALSE(capabilities.kernel_xen());
  capabilities.xen_flags = 0x1ff;  // Linux 6.12
  EXPECT_TRUE(capabilities.kernel_xen());
}

}  // namespace
}  // namespace veneer
