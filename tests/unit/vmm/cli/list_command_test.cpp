#include "src/vmm/cli/list_command.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/vmm/cli/exit_code.h"
#include "src/vmm/cli/file_limit.h"
#include "support/scratch_directory.h"
#include "veneer/vmm/control/control_socket.h"

namespace veneer {
namespace {

using ::testing::IsEmpty;

constexpr std::chrono::milliseconds kAtOnce{1};

TEST(FindGuests, AFolderThatNobodyHasMadeHasNone) {
  const auto guests = FindGuests("/no/such/folder", kAtOnce);
  ASSERT_TRUE(guests) << guests.error().message;
  EXPECT_THAT(*guests, IsEmpty());
}

TEST(FindGuests, ThoseThatListenAreFoundEvenWithoutAnAnswer) {
  const test::ScratchDirectory scratch;
  const auto web = ControlSocket::Claim(ControlSocketIn(scratch.path(), "web")).value();
  const auto db = ControlSocket::Claim(ControlSocketIn(scratch.path(), "db")).value();
  std::ofstream(scratch.File("left.sock")) << "no socket";
  std::ofstream(scratch.File(".sock"));
  const auto guests = FindGuests(scratch.path(), kAtOnce);
  ASSERT_TRUE(guests) << guests.error().message;
  ASSERT_EQ(guests->size(), 2U);
  EXPECT_EQ((*guests)[0].name, "db");
  EXPECT_EQ((*guests)[1].name, "web");
  EXPECT_EQ((*guests)[1].info, "");
}

TEST(GuestTable, HasALineForEach) {
  const std::vector<ListedGuest> guests = {
      {"web", R"({"ok":true,"name":"web","state":"running","vcpus":2,"memory":{"now":134217728},)"
              R"("uptime_seconds":90061.5,"pid":4711})"},
      {"hung", ""},
      {"odd", "[]"}};
  EXPECT_EQ(GuestTable(guests),
            "Name                      PID  Mem(MiB) vCPUs  State               Up\n"
            "web                      4711       128     2  running    1d 01:01:01\n"
            "hung                        -         -     -  no answer            -\n"
            "odd                         -         -     -  no answer            -\n");
  EXPECT_EQ(GuestJson(guests),
            R"([{"name":"web","state":"running","vcpus":2,"memory":{"now":134217728},)"
            R"("uptime_seconds":90061.5,"pid":4711},{"name":"hung","state":"no answer"},)"
            R"({"name":"odd","state":"no answer"}])"
            "\n");
  EXPECT_EQ(GuestJson({}), "[]\n");
}

// The next connection to a control socket, which does not block.
UniqueFd NextConnection(const ControlSocket& socket) {
  pollfd ready{.fd = socket.fd(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&ready, 1, 10'000), 1);
  return UniqueFd(accept(socket.fd(), nullptr, nullptr));
}

TEST(WaitCommand, EndsWithTheGuest) {
  const test::ScratchDirectory scratch;
  const std::string path = ControlSocketIn(scratch.path(), "web");
  auto socket = ControlSocket::Claim(path).value();
  int code = -1;
  std::thread waiter([&] { code = WaitCommand({.guest = {.name = "web", .socket = path}}); });
  // What a reboot does: the connection ends, the guest listens on.
  UniqueFd first = NextConnection(*socket);
  first.Reset();
  UniqueFd second = NextConnection(*socket);
  EXPECT_TRUE(second.valid());
  socket->CloseAfterRelease(std::move(second));
  socket.reset();
  waiter.join();
  EXPECT_EQ(code, static_cast<int>(ExitCode::kOk));
}

TEST(WaitCommand, SaysWhyNot) {
  const test::ScratchDirectory scratch;
  EXPECT_EQ(WaitCommand({.guest = {.name = "web", .socket = scratch.File("none")}}),
            static_cast<int>(ExitCode::kHostError));
  EXPECT_EQ(WaitCommand({.guest = {.name = "a/b", .socket = {}}}),
            static_cast<int>(ExitCode::kUsage));
}

TEST(RaiseFileLimit, NeverLowersIt) {
  rlimit before{};
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  RaiseFileLimit();
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_GE(after.rlim_cur, std::min<rlim_t>(before.rlim_max, 16384));
  EXPECT_GE(after.rlim_cur, before.rlim_cur);
  EXPECT_EQ(after.rlim_max, before.rlim_max);
}

}  // namespace
}  // namespace veneer
