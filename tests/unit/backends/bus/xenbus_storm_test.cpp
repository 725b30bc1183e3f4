// A front-end that writes any state at any time, with disconnections that take as long as they
// like.

#include <random>

#include "xenbus_fixture.h"

namespace veneer {
namespace {

class XenbusStormTest : public XenbusTest {
 protected:
  // The driver checks the order of its calls.
  void Step(std::mt19937& random) {
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        WriteFront("state", std::to_string(random() % 10));
        break;
      case 3:
        WriteFront("ring-ref", "8");
        break;
      case 4:
        static_cast<void>(client_.Remove(std::string(kFront) + "/ring-ref"));
        break;
      case 5:
        driver_.slow = !driver_.slow;
        break;
      case 6:
        if (driver_.pending_disconnect) {
          driver_.FinishDisconnect();
        }
        break;
      default:
        tasks_.RunOne();
        break;
    }
  }
  void Settle() {
    driver_.slow = false;
    if (driver_.pending_disconnect) {
      driver_.FinishDisconnect();
    }
    tasks_.RunAll();
  }
};

TEST_F(XenbusStormTest, AlwaysEndsUpWhereAWellBehavedFrontEndFindsIt) {
  std::mt19937 random(4711);
  Make();
  for (int round = 0; round < 200; ++round) {
    for (int step = 0; step < 50; ++step) {
      Step(random);
    }
    Settle();
    FrontSays(XenbusState::kClosed);
    Settle();
    ASSERT_EQ(Back("state"), "6");
    ASSERT_FALSE(driver_.connected);
    FrontSays(XenbusState::kInitialising);
    ASSERT_EQ(Back("state"), "2");
    BringUp();
    ASSERT_TRUE(driver_.connected);
  }
}

TEST_F(XenbusStormTest, RemovalInTheMiddleAlwaysEnds) {
  std::mt19937 random(42);
  for (int round = 0; round < 200; ++round) {
    Make();
    for (int step = 0; step < 30; ++step) {
      Step(random);
    }
    bool removed = false;
    device_->Remove([&removed] { removed = true; });
    for (int step = 0; step < 30 && !removed; ++step) {
      Step(random);
    }
    Settle();
    if (!removed) {
      FrontSays(XenbusState::kClosed);
      Settle();
    }
    ASSERT_TRUE(removed);
    ASSERT_EQ(Back("state"), "(none)");
    device_.reset();
    tasks_.RunAll();
  }
}

}  // namespace
}  // namespace veneer
