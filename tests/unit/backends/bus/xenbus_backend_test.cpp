// Every state of the front-end in every state of the back-end that matters, step by step.

#include "xenbus_fixture.h"

namespace veneer {
namespace {

using Calls = std::vector<std::string>;

TEST(XenbusStateText, IsWhatTheNodesHold) {
  EXPECT_EQ(ParseXenbusState("1"), XenbusState::kInitialising);
  EXPECT_EQ(ParseXenbusState("4"), XenbusState::kConnected);
  EXPECT_EQ(ParseXenbusState("8"), XenbusState::kReconfigured);
  for (const char* bad : {"", "0", "9", "44", " 4", "4 ", "-1", "x", "04"}) {
    EXPECT_EQ(ParseXenbusState(bad), XenbusState::kUnknown) << bad;
  }
  EXPECT_EQ(XenbusStateName(XenbusState::kReconfigured), "Reconfigured");
}

TEST_F(XenbusTest, MakesTheKeysOfBothEndsAndOffers) {
  Make();
  EXPECT_EQ(Front("backend"), kBack);
  EXPECT_EQ(Front("backend-id"), "0");
  EXPECT_EQ(Front("state"), "1");
  EXPECT_EQ(Front("virtual-device"), "51712");
  EXPECT_EQ(Back("frontend"), kFront);
  EXPECT_EQ(Back("frontend-id"), "1");
  EXPECT_EQ(Back("online"), "1");
  EXPECT_EQ(Back("mode"), "w");
  EXPECT_EQ(Back("feature-test"), "1");
  EXPECT_EQ(Back("state"), "2");
  EXPECT_EQ(driver_.TakeCalls(), Calls{"offer"});
}

TEST_F(XenbusTest, TheGuestOwnsItsEndAndReadsOurs) {
  Make();
  for (const char* key : {"", "/state", "/virtual-device"}) {
    EXPECT_EQ(*client_.GetPermissions(std::string(kFront) + key),
              XsShared(kGuestDomId, kHostDomId, XsAccess::kRead));
  }
  for (const char* key : {"", "/state", "/mode"}) {
    EXPECT_EQ(*client_.GetPermissions(std::string(kBack) + key),
              XsShared(kHostDomId, kGuestDomId, XsAccess::kRead));
  }
}

TEST_F(XenbusTest, ABlockDeviceConnectsAtInitialised) {
  Make();
  WriteFront("ring-ref", "8");
  FrontSays(XenbusState::kInitialised);
  EXPECT_EQ(Back("state"), "4");
  EXPECT_EQ(Back("sectors"), "8");
  FrontSays(XenbusState::kConnected);
  EXPECT_EQ(driver_.TakeCalls(), (Calls{"offer", "connect"}));
}

TEST_F(XenbusTest, ANetDeviceConnectsAtConnected) {
  Make();
  WriteFront("ring-ref", "8");
  FrontSays(XenbusState::kConnected);
  EXPECT_EQ(Back("state"), "4");
  EXPECT_EQ(driver_.TakeCalls(), (Calls{"offer", "connect"}));
}

TEST_F(XenbusTest, AFrontEndThatCannotBeServedIsClosedWithTheReasonAndMayStartOver) {
  Make();
  FrontSays(XenbusState::kInitialised);
  EXPECT_EQ(Back("state"), "5");
  EXPECT_EQ(*client_.Read("/local/domain/0/error/backend/vbd/1/51712/error"), "no ring-ref");
  FrontSays(XenbusState::kInitialised);
  EXPECT_EQ(Back("state"), "5") << "it must start over first";
  FrontSays(XenbusState::kClosed);
  EXPECT_EQ(Back("state"), "6");
  FrontSays(XenbusState::kInitialising);
  EXPECT_EQ(Back("state"), "2");
  BringUp();
}

// What a kernel does that finds a device as a crashed one has left it (kexec).
TEST_F(XenbusTest, ClosingClosedAndOpenAgain) {
  Make();
  for (int round = 0; round < 3; ++round) {
    BringUp();
    FrontSays(XenbusState::kClosing);
    EXPECT_EQ(Back("state"), "5");
    EXPECT_TRUE(driver_.connected) << "what is under way is still served";
    FrontSays(XenbusState::kClosed);
    EXPECT_EQ(Back("state"), "6");
    EXPECT_FALSE(driver_.connected);
    FrontSays(XenbusState::kInitialising);
    EXPECT_EQ(Back("state"), "2");
    EXPECT_EQ(driver_.TakeCalls(), (Calls{"disconnect", "offer"}));
  }
}

// As Linux's blkfront after unbind and bind: it says nothing before it sees us connected.
TEST_F(XenbusTest, AClosedFrontEndThatWatchesAgainIsInvited) {
  Make();
  for (int round = 0; round < 3; ++round) {
    BringUp();
    FrontSays(XenbusState::kClosed);
    EXPECT_EQ(Back("state"), "6");
    const GuestWatch watch(store_, std::string(kBack) + "/state");
    tasks_.RunAll();
    EXPECT_EQ(Back("state"), "4");
    EXPECT_FALSE(driver_.connected);
    EXPECT_EQ(driver_.TakeCalls(), (Calls{"disconnect", "offer"}));
    FrontSays(XenbusState::kInitialised);
    EXPECT_TRUE(driver_.connected);
    EXPECT_EQ(Back("state"), "4");
    FrontSays(XenbusState::kConnected);
    EXPECT_EQ(driver_.TakeCalls(), Calls{"connect"});
  }
}

TEST_F(XenbusTest, AWatchFromWhileItLetGoIsRemembered) {
  Make();
  BringUp();
  driver_.slow = true;
  FrontSays(XenbusState::kClosed);
  const GuestWatch watch(store_, std::string(kBack) + "/state");
  tasks_.RunAll();
  EXPECT_EQ(Back("state"), "4") << "still";
  driver_.FinishDisconnect();
  EXPECT_EQ(Back("state"), "6");
  tasks_.RunAll();
  EXPECT_EQ(Back("state"), "4");
  EXPECT_EQ(driver_.TakeCalls(), (Calls{"disconnect", "offer"}));
}

// A kernel that finds a closed device watches, too, and then brings it to life by its states.
TEST_F(XenbusTest, AnInvitedFrontEndMayBeginAtInitialisingInstead) {
  Make();
  BringUp();
  FrontSays(XenbusState::kClosed);
  const GuestWatch watch(store_, std::string(kBack) + "/state");
  tasks_.RunAll();
  FrontSays(XenbusState::kInitialising);
  EXPECT_EQ(Back("state"), "2");
  BringUp();
}

TEST_F(XenbusTest, WatchesOfAFrontEndThatIsNotClosedChangeNothing) {
  Make();
  const GuestWatch early(store_, std::string(kBack) + "/state");
  tasks_.RunAll();
  EXPECT_EQ(Back("state"), "2");
  BringUp();
  const GuestWatch late(store_, std::string(kBack) + "/state");
  tasks_.RunAll();
  EXPECT_EQ(driver_.TakeCalls(), Calls{});
  FrontSays(XenbusState::kClosed);
  EXPECT_EQ(Back("state"), "6") << "nobody has begun to watch since";
  const GuestWatch elsewhere(store_, kBack);
  tasks_.RunAll();
  EXPECT_EQ(Back("state"), "6");
}

TEST_F(XenbusTest, AGuestThatWasResetStartsOverWithoutClosing) {
  Make();
  BringUp();
  FrontSays(XenbusState::kInitialising);
  EXPECT_EQ(Back("state"), "2");
  EXPECT_EQ(driver_.TakeCalls(), (Calls{"disconnect", "offer"}));
  BringUp();
}

TEST_F(XenbusTest, NewRingsAfterStatesThatPassedUsBy) {
  Make();
  BringUp();
  FrontSays(XenbusState::kInitialised);
  EXPECT_EQ(Back("state"), "4");
  EXPECT_EQ(driver_.TakeCalls(), (Calls{"disconnect", "connect"}));
}

TEST_F(XenbusTest, TheSameStateAgainChangesNothing) {
  Make();
  WriteFront("ring-ref", "8");
  FrontSays(XenbusState::kInitialised);
  FrontSays(XenbusState::kInitialised);
  FrontSays(XenbusState::kConnected);
  FrontSays(XenbusState::kConnected);
  EXPECT_EQ(driver_.TakeCalls(), (Calls{"offer", "connect"}));
}

TEST_F(XenbusTest, ReconfiguringLetsGoAndReconfiguredConnectsAgain) {
  Make();
  BringUp();
  FrontSays(XenbusState::kReconfiguring);
  EXPECT_EQ(Back("state"), "7");
  EXPECT_FALSE(driver_.connected);
  FrontSays(XenbusState::kReconfigured);
  EXPECT_EQ(Back("state"), "4");
  FrontSays(XenbusState::kConnected);
  EXPECT_EQ(driver_.TakeCalls(), (Calls{"disconnect", "connect"}));
}

TEST_F(XenbusTest, AFrontEndWithoutStateIsClosed) {
  Make();
  BringUp();
  EXPECT_TRUE(client_.Remove(kFront));
  tasks_.RunAll();
  EXPECT_EQ(Back("state"), "6");
  EXPECT_FALSE(driver_.connected);
  FrontSays(XenbusState::kInitialising);
  EXPECT_EQ(Back("state"), "2");
}

TEST_F(XenbusTest, NothingHappensWhileItLetsGoAndTheLastStateCountsAfterwards) {
  Make();
  BringUp();
  driver_.slow = true;
  FrontSays(XenbusState::kClosed);
  for (const auto state : {XenbusState::kInitialising, XenbusState::kInitialised,
                           XenbusState::kClosed, XenbusState::kInitialising}) {
    FrontSays(state);
  }
  EXPECT_EQ(driver_.TakeCalls(), Calls{"disconnect"});
  EXPECT_EQ(Back("state"), "4");
  driver_.FinishDisconnect();
  tasks_.RunAll();
  EXPECT_EQ(Back("state"), "2");
  EXPECT_EQ(driver_.TakeCalls(), Calls{"offer"});
}

TEST_F(XenbusTest, AFloodOfStatesCostsOneLook) {
  Make();
  BringUp();
  for (int i = 0; i < 1000; ++i) {
    WriteFront("state", i % 2 == 0 ? "6" : "4");
  }
  EXPECT_LE(tasks_.RunAll(), 3);
  EXPECT_EQ(Back("state"), "4");
}

TEST_F(XenbusTest, AnnouncingWritesTheStateAgain) {
  Make();
  BringUp();
  int events = 0;
  const auto watch = client_.Watch(
      std::string(kBack) + "/state", [](const std::function<void()>& task) { task(); },
      [&events](const std::string&) { ++events; });
  ASSERT_TRUE(watch.has_value());
  events = 0;
  EXPECT_TRUE(device_->Announce({{"sectors", "4096"}}));
  EXPECT_EQ(events, 1);
  EXPECT_EQ(Back("sectors"), "4096");
  EXPECT_EQ(Back("state"), "4");
  FrontSays(XenbusState::kClosed);
  events = 0;
  EXPECT_TRUE(device_->Announce({{"sectors", "8192"}}));
  EXPECT_EQ(events, 0);
  EXPECT_EQ(Back("sectors"), "8192");
}

TEST_F(XenbusTest, FailClosesUntilItStartsOver) {
  Make();
  BringUp();
  device_->Fail("a broken ring");
  EXPECT_EQ(Back("state"), "5");
  tasks_.RunAll();
  EXPECT_EQ(Back("state"), "5");
  FrontSays(XenbusState::kClosed);
  FrontSays(XenbusState::kInitialising);
  BringUp();
}

TEST_F(XenbusTest, RemovalWaitsForTheFrontEnd) {
  Make();
  BringUp();
  bool removed = false;
  device_->Remove([&] {
    removed = true;
    device_.reset();
  });
  tasks_.RunAll();
  EXPECT_EQ(Back("state"), "5");
  EXPECT_EQ(Back("online"), "0");
  EXPECT_FALSE(removed);
  EXPECT_TRUE(driver_.connected);
  FrontSays(XenbusState::kClosing);
  EXPECT_FALSE(removed);
  FrontSays(XenbusState::kClosed);
  EXPECT_TRUE(removed);
  EXPECT_EQ(Front("state"), "(none)");
  EXPECT_EQ(Back("state"), "(none)");
  EXPECT_FALSE(driver_.connected);
}

TEST_F(XenbusTest, RemovalDoesNotWaitForADriverThatIsNotThere) {
  for (const auto state :
       {XenbusState::kInitialising, XenbusState::kInitWait, XenbusState::kClosed}) {
    Make();
    FrontSays(state);
    bool removed = false;
    device_->Remove([&] { removed = true; });
    tasks_.RunAll();
    EXPECT_TRUE(removed);
    EXPECT_EQ(Front("state"), "(none)");
    device_.reset();
  }
}

TEST_F(XenbusTest, RemovalDuringADisconnection) {
  Make();
  BringUp();
  driver_.slow = true;
  FrontSays(XenbusState::kClosed);
  bool removed = false;
  device_->Remove([&] { removed = true; });
  tasks_.RunAll();
  EXPECT_FALSE(removed);
  driver_.FinishDisconnect();
  tasks_.RunAll();
  EXPECT_TRUE(removed);
}

TEST_F(XenbusTest, TheSameDeviceCanBeAddedAgain) {
  Make();
  BringUp();
  device_->Remove([] {});
  FrontSays(XenbusState::kClosed);
  device_.reset();
  Make();
  EXPECT_EQ(Front("ring-ref"), "(none)") << "nothing of the old one";
  BringUp();
}

TEST_F(XenbusTest, GoneWithADisconnectionAndTasksUnderWay) {
  Make();
  BringUp();
  driver_.slow = true;
  FrontSays(XenbusState::kClosed);
  WriteFront("state", "1");
  device_.reset();
  driver_.FinishDisconnect();
  tasks_.RunAll();
  EXPECT_EQ(Back("state"), "4") << "nobody is left to write it";
}

TEST_F(XenbusTest, ANewGuestFindsTheDeviceAsNew) {
  Make();
  BringUp();
  bool done = false;
  device_->StartOver([&] { done = true; });
  EXPECT_TRUE(done);
  EXPECT_FALSE(driver_.connected);
  tasks_.RunAll();
  EXPECT_EQ(Front("state"), "1");
  EXPECT_EQ(Front("ring-ref"), "(none)") << "nothing of the old one";
  EXPECT_EQ(Front("virtual-device"), "51712");
  EXPECT_EQ(Back("state"), "2");
  EXPECT_EQ(Back("feature-test"), "1");
  EXPECT_EQ(Back("sectors"), "(none)");
  EXPECT_EQ(driver_.TakeCalls(), (std::vector<std::string>{"disconnect", "offer"}));
  BringUp();
}

TEST_F(XenbusTest, ANewGuestWaitsUntilTheOldOnesPagesAreFree) {
  Make();
  BringUp();
  driver_.slow = true;
  bool done = false;
  device_->StartOver([&] { done = true; });
  tasks_.RunAll();
  EXPECT_FALSE(done);
  driver_.FinishDisconnect();
  EXPECT_TRUE(done);
  tasks_.RunAll();
  EXPECT_EQ(Back("state"), "2");
}

TEST_F(XenbusTest, ANewGuestWhileTheOldOneWasLettingGo) {
  Make();
  BringUp();
  driver_.slow = true;
  FrontSays(XenbusState::kClosed);
  bool done = false;
  device_->StartOver([&] { done = true; });
  EXPECT_FALSE(done);
  driver_.FinishDisconnect();
  EXPECT_TRUE(done);
  tasks_.RunAll();
  EXPECT_EQ(Back("state"), "2");
  EXPECT_EQ(Front("state"), "1");
}

TEST_F(XenbusTest, WhatWasBeingRemovedIsNotShownToANewGuest) {
  Make();
  BringUp();
  bool removed = false;
  bool done = false;
  device_->Remove([&] { removed = true; });
  tasks_.RunAll();
  EXPECT_FALSE(removed);
  device_->StartOver([&] { done = true; });
  tasks_.RunAll();
  EXPECT_TRUE(done);
  EXPECT_TRUE(removed);
  EXPECT_EQ(Front("state"), "(none)");
  // Once more, now that it is gone.
  done = false;
  device_->StartOver([&] { done = true; });
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace veneer
