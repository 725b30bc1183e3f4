#include "veneer/xencompat/xenstore/standard_tree.h"

#include <gtest/gtest.h>

#include "must.h"

namespace veneer::test {
namespace {

class StandardTree : public ::testing::Test {
 protected:
  StandardTree() {
    domain.name = "guest";
    domain.uuid = "12345678-9abc-def0-1234-56789abcdef0";
    domain.memory_target_kib = 131072;
    domain.memory_max_kib = 262144;
    domain.vcpus = 2;
    domain.vcpus_max = 3;
    domain.store = DomainDescription::Channel{Gfn{0xfeffc}, EvtchnPort{1}};
    domain.console = DomainDescription::Console{{Gfn{0xfefff}, EvtchnPort{2}}, "/dev/pts/7"};
  }
  std::string Own(const std::string& key) {
    return client.Read("/local/domain/1/" + key).value_or("<missing>");
  }
  XsPermissions Permissions(const std::string& key) {
    return client.GetPermissions("/local/domain/1/" + key).value();
  }

  XenstoreService service;
  XenstoreClient client{service};
  DomainDescription domain;
};

TEST_F(StandardTree, HasTheKeysThatGuestsLookFor) {
  ASSERT_TRUE(WriteStandardTree(client, domain));
  EXPECT_EQ(Own("name"), "guest");
  EXPECT_EQ(Own("domid"), "1");
  EXPECT_EQ(Own("vm"), "/vm/" + domain.uuid);
  EXPECT_EQ(Own("memory/target"), "131072");
  EXPECT_EQ(Own("memory/static-max"), "262144");
  EXPECT_EQ(Own("cpu/0/availability"), "online");
  EXPECT_EQ(Own("cpu/1/availability"), "online");
  EXPECT_EQ(Own("cpu/2/availability"), "offline");
  EXPECT_EQ(Own("cpu/3/availability"), "<missing>");
  EXPECT_EQ(Own("control/platform-feature-xs_reset_watches"), "1");
  EXPECT_EQ(Own("control/platform-feature-multiprocessor-suspend"), "1");
  EXPECT_EQ(Own("control/shutdown"), "");
  EXPECT_EQ(Own("store/port"), "1");
  EXPECT_EQ(Own("store/ring-ref"), std::to_string(0xfeffc));
  EXPECT_EQ(Own("console/port"), "2");
  EXPECT_EQ(Own("console/ring-ref"), std::to_string(0xfefff));
  EXPECT_EQ(Own("console/type"), "xenconsoled");
  EXPECT_EQ(Own("console/tty"), "/dev/pts/7");
  EXPECT_EQ(Own("console/limit"), "1048576");
  EXPECT_EQ(client.Read("/vm/" + domain.uuid + "/name"), "guest");
  EXPECT_EQ(client.Read("/vm/" + domain.uuid + "/uuid"), domain.uuid);
  EXPECT_EQ(client.Read("/local/domain/0/name"), "Domain-0");
  EXPECT_EQ(client.Read("/local/domain/0/domid"), "0");
}

TEST_F(StandardTree, LetsTheGuestWriteWhereItReportsAndReadTheRest) {
  ASSERT_TRUE(WriteStandardTree(client, domain));
  for (const char* key : {"data", "drivers", "feature", "attr", "error", "control/shutdown",
                          "control/sysrq", "control/feature-poweroff", "control/feature-reboot",
                          "control/feature-suspend", "device/suspend/event-channel"}) {
    EXPECT_EQ(Permissions(key), XsPrivate(kGuestDomId)) << key;
  }
  const auto readable = XsShared(kHostDomId, kGuestDomId, XsAccess::kRead);
  for (const char* key : {"name", "domid", "vm", "memory", "memory/target", "cpu/0/availability",
                          "device", "control", "store/port", "console/tty", "console"}) {
    EXPECT_EQ(Permissions(key), readable) << key;
  }
  EXPECT_EQ(client.GetPermissions("/local/domain/1"), readable);
  EXPECT_EQ(client.GetPermissions("/vm/" + domain.uuid + "/uuid"), readable);
  EXPECT_EQ(client.GetPermissions("/local/domain/0"), XsPrivate(kHostDomId));
}

TEST_F(StandardTree, LeavesOutWhatTheDomainDoesNotHave) {
  domain.store.reset();
  domain.console.reset();
  ASSERT_TRUE(WriteStandardTree(client, domain));
  EXPECT_EQ(Own("store"), "<missing>");
  EXPECT_EQ(Own("console"), "<missing>");
}

TEST_F(StandardTree, ReplacesWhatALifeBeforeHasLeft) {
  ASSERT_TRUE(WriteStandardTree(client, domain));
  Must(client.Write("/local/domain/1/device/vbd/51712/state", "4"));
  Must(client.Write("/local/domain/0/backend/vbd/1/51712/state", "4"));
  ASSERT_TRUE(WriteStandardTree(client, domain));
  EXPECT_EQ(Own("device/vbd"), "<missing>");
  EXPECT_EQ(client.Read("/local/domain/0/backend/vbd/1/51712/state"), "4");
}

TEST_F(StandardTree, ANameThatIsNoPathComponentIsRefusedAsAWhole) {
  domain.uuid = "not a uuid";
  EXPECT_EQ(WriteStandardTree(client, domain).error(), XsError::kInvalid);
  EXPECT_EQ(Own("name"), "<missing>");
}

}  // namespace
}  // namespace veneer::test
