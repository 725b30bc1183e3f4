#include "veneer/vmm/base/thread.h"

#include <pthread.h>

#include <csignal>

#include <gtest/gtest.h>

namespace veneer {
namespace {

bool Blocked(int number) {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return sigismember(&mask, number) == 1;
}

TEST(StartThread, HearsNoSignalsAndItsMakerStillDoes) {
  bool heard = true;
  Result<std::thread> thread =
      StartThread(ThreadKind::kHelper, "deaf", [&] { heard = !Blocked(SIGUSR1); });
  ASSERT_TRUE(thread);
  thread->join();
  EXPECT_FALSE(heard);
  EXPECT_FALSE(Blocked(SIGUSR1));
}

TEST(StartThread, OneWithSignalsHearsThem) {
  bool heard = false;
  Result<std::thread> thread = StartThreadWithSignals("awake", [&] { heard = !Blocked(SIGUSR1); });
  ASSERT_TRUE(thread);
  thread->join();
  EXPECT_TRUE(heard);
}

// Threads want a stack that no host has room for, as long as this lives.
class NoRoomForStacks {
 public:
  NoRoomForStacks() {
    constexpr std::size_t kTooMuch = std::size_t{1} << 46U;
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    pthread_attr_init(&huge);
    pthread_attr_setstacksize(&huge, kTooMuch);
    EXPECT_EQ(pthread_setattr_default_np(&huge), 0);
    pthread_attr_destroy(&huge);
  }
  ~NoRoomForStacks() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }
  NoRoomForStacks(const NoRoomForStacks&) = delete;
  NoRoomForStacks& operator=(const NoRoomForStacks&) = delete;

 private:
  pthread_attr_t before_{};
};

TEST(StartThread, NoRoomForAThreadIsAnErrorAndTheSignalsAreAsTheyWere) {
  const NoRoomForStacks no_room;
  const Result<std::thread> thread = StartThread(ThreadKind::kHelper, "one too many", [] {});
  ASSERT_FALSE(thread);
  EXPECT_EQ(thread.error().kind, ErrorKind::kHost);
  EXPECT_NE(thread.error().message.find("one too many"), std::string::npos);
  EXPECT_FALSE(Blocked(SIGUSR1));
  EXPECT_FALSE(Blocked(SIGTERM));
}

TEST(LoopThread, NoRoomForItsThreadIsAnError) {
  const NoRoomForStacks no_room;
  EXPECT_FALSE(LoopThread::Start(
      ThreadKind::kHelper, "loop", [](EventLoop&) { return Result<void>(); }, [] {}));
}

}  // namespace
}  // namespace veneer
