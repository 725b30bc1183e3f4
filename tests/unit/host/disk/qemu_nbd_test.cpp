#include "src/host/disk/qemu_nbd.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "image_io.h"
#include "support/eventually.h"
#include "support/scratch_directory.h"

namespace veneer {
namespace {

using testing::Eventually;

// Empty for a process that has ended.
std::string CommandLine(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Another process that starts a server and is killed when it has done `work` for a while: at any
// point of the server's own start. Returns the server's number; 0: it could not be started.
pid_t StartAndBeKilled(const DiskConfig& config, unsigned work) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) {
    return 0;
  }
  const pid_t starter = fork();
  if (starter == 0) {
    const auto server = QemuNbd::Start(config, "qcow2", 2);
    const pid_t pid = server ? (*server)->pid() : 0;
    static_cast<void>(!write(ends[1], &pid, sizeof pid));
    for (unsigned i = 0; i < work; ++i) {
      static_cast<void>(getppid());
    }
    raise(SIGKILL);
  }
  close(ends[1]);
  pid_t server = 0;
  if (starter < 0 || read(ends[0], &server, sizeof server) != sizeof server) {
    server = 0;
  }
  close(ends[0]);
  waitpid(starter, nullptr, 0);
  return server;
}

TEST(QemuNbd, EndsWithAVeneerThatIsKilledAtAnyPointOfItsStart) {
  if (!FindProgram("qemu-nbd", "qemu-utils")) {
    GTEST_SKIP() << "qemu-nbd is missing (Debian's package qemu-utils)";
  }
  const test::ScratchDirectory scratch;
  DiskConfig config;
  config.path = scratch.File("base.qcow2");
  ASSERT_TRUE(RunTool("qemu-img", {"create", "-q", "-f", "qcow2", config.path, "4M"}).succeeded());
  config.overlay = true;
  for (unsigned work = 0; work < 200'000; work += 10'000) {
    const pid_t server = StartAndBeKilled(config, work);
    ASSERT_NE(server, 0);
    EXPECT_TRUE(Eventually([&] {
      return CommandLine(server).find(config.path) == std::string::npos;
    })) << "after "
        << work;
  }
}

}  // namespace
}  // namespace veneer
