// Debian's own tools (package xenstore-utils) against the host socket.
#include <gtest/gtest.h>

#include "host_socket_server.h"
#include "must.h"
#include "support/child_process.h"
#include "support/scratch_directory.h"
#include "veneer/xencompat/xenstore/client.h"
#include "veneer/xencompat/xenstore/standard_tree.h"

namespace veneer::test {
namespace {

using std::chrono_literals::operator""s;

class XenstoreUtils : public ::testing::Test {
 protected:
  XenstoreUtils() {
    // Not skipped: the tools are what the socket is for.
    EXPECT_TRUE(std::filesystem::exists("/usr/bin/xenstore-ls"))
        << "Debian's xenstore tools are missing: install the package xenstore-utils";
    domain.name = "guest";
    domain.uuid = "12345678-9abc-def0-1234-56789abcdef0";
    domain.memory_target_kib = domain.memory_max_kib = 262144;
    Must(WriteStandardTree(client, domain));
    service.IntroduceDomain(kGuestDomId);
  }

  std::vector<std::string> Command(std::vector<std::string> arguments) const {
    std::vector<std::string> argv{"/usr/bin/env", "XENSTORED_PATH=" + server.path()};
    arguments.front() = "/usr/bin/" + arguments.front();
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return argv;
  }
  // What the tool prints; its error output too if it fails.
  std::string Run(const std::vector<std::string>& arguments) {
    ChildProcess tool(Command(arguments));
    exit_code = tool.WaitForExit(20s);
    return exit_code == 0 ? tool.out() : tool.out() + tool.err();
  }

  const ScratchDirectory scratch;
  XenstoreService service;
  XenstoreClient client{service};
  DomainDescription domain;
  SocketServer server{service, scratch.File("xenstored")};
  int exit_code = -1;
};

TEST_F(XenstoreUtils, ReadWriteListExistsAndRemove) {
  EXPECT_EQ(Run({"xenstore-read", "/local/domain/1/name"}), "guest\n");
  EXPECT_EQ(Run({"xenstore-write", "/tool/a", "hello", "/tool/b", "world"}), "");
  EXPECT_EQ(exit_code, 0);
  EXPECT_EQ(client.Read("/tool/b"), "world");
  EXPECT_EQ(Run({"xenstore-read", "/tool/a", "/tool/b"}), "hello\nworld\n");
  EXPECT_EQ(Run({"xenstore-list", "/tool"}), "a\nb\n");
  Run({"xenstore-exists", "/tool/a"});
  EXPECT_EQ(exit_code, 0);
  Run({"xenstore-rm", "/tool/a"});
  EXPECT_EQ(exit_code, 0);
  Run({"xenstore-exists", "/tool/a"});
  EXPECT_EQ(exit_code, 1);
  EXPECT_NE(Run({"xenstore-read", "/tool/a"}).find("couldn't read"), std::string::npos);
  EXPECT_EQ(exit_code, 1);
}

TEST_F(XenstoreUtils, LsShowsTheTreeWithPermissions) {
  const std::string tree = Run({"xenstore-ls", "-f", "-p", "/"});
  EXPECT_EQ(exit_code, 0);
  EXPECT_NE(tree.find("/local/domain/1/name = \"guest\""), std::string::npos) << tree;
  EXPECT_NE(tree.find("/local/domain/1/data = \"\""), std::string::npos) << tree;
  EXPECT_NE(tree.find("(n0,r1)"), std::string::npos) << tree;
  EXPECT_NE(tree.find("(n1)"), std::string::npos) << tree;
}

TEST_F(XenstoreUtils, ChmodSetsPermissions) {
  Run({"xenstore-chmod", "-r", "/local/domain/1/memory", "n0", "b1", "r7"});
  EXPECT_EQ(exit_code, 0);
  const XsPermissions expected{
      {kHostDomId, XsAccess::kNone}, {kGuestDomId, XsAccess::kBoth}, {DomId{7}, XsAccess::kRead}};
  EXPECT_EQ(client.GetPermissions("/local/domain/1/memory"), expected);
  EXPECT_EQ(client.GetPermissions("/local/domain/1/memory/target"), expected);
}

TEST_F(XenstoreUtils, ListOfMoreChildrenThanAMessageHolds) {
  std::string expected;
  for (int i = 1000; i < 2500; ++i) {
    Must(client.Write("/tool/many/child-" + std::to_string(i), ""));
    expected += "child-" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(Run({"xenstore-list", "/tool/many"}), expected);
}

TEST_F(XenstoreUtils, WatchReportsChangesAsTheyCome) {
  ChildProcess watch(Command({"xenstore-watch", "-n", "3", "/tool"}));
  ASSERT_TRUE(watch.WaitForOutput("/tool\n", 20s)) << watch.err();
  Must(client.Write("/tool/x", "1"));
  ASSERT_TRUE(watch.WaitForOutput("/tool/x\n", 20s)) << watch.err();
  Run({"xenstore-rm", "/tool/x"});
  EXPECT_EQ(watch.WaitForExit(20s), 0);
  EXPECT_EQ(watch.out(), "/tool\n/tool/x\n/tool/x\n");
}

}  // namespace
}  // namespace veneer::test
