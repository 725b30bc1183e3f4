#include "src/vmm/machine/run_gate.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace veneer {
namespace {

TEST(RunGate, LetsThreadsPassUntilItIsStopped) {
  RunGate gate;
  EXPECT_TRUE(gate.Pass());
  gate.Stop();
  EXPECT_FALSE(gate.Pass());
}

TEST(RunGate, HoldsThreadsWhilePausedAndLetsThemGoOn) {
  RunGate gate;
  gate.Pause();
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] { passed += gate.Pass() ? 1 : 0; });
  }
  gate.WaitUntilHeld(3);
  EXPECT_EQ(passed, 0);
  gate.Resume();
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(passed, 3);
}

TEST(RunGate, StopReleasesPausedThreads) {
  RunGate gate;
  gate.Pause();
  bool passed = true;
  std::thread thread([&] { passed = gate.Pass(); });
  gate.WaitUntilHeld(1);
  gate.Stop();
  thread.join();
  EXPECT_FALSE(passed);
}

TEST(RunGate, ResumeDoesNotUndoAStop) {
  RunGate gate;
  gate.Stop();
  gate.Resume();
  EXPECT_FALSE(gate.Pass());
}

TEST(RunGate, WhatTheMachineHoldsNoResumeLetsGo) {
  RunGate gate;
  gate.Hold();
  std::atomic<bool> passed{false};
  std::thread thread([&] { passed = gate.Pass(); });
  gate.WaitUntilHeld(1);
  gate.Pause();
  gate.Resume();
  gate.WaitUntilHeld(1);
  EXPECT_FALSE(gate.open());
  EXPECT_FALSE(passed);
  gate.Release();
  thread.join();
  EXPECT_TRUE(passed);
  EXPECT_TRUE(gate.open());
}

TEST(RunGate, WhatTheUserPausedStaysSoWhenTheMachineIsDone) {
  RunGate gate;
  gate.Hold();
  gate.Pause();
  gate.Release();
  EXPECT_FALSE(gate.open());
  gate.Resume();
  EXPECT_TRUE(gate.open());
  gate.Hold();
  gate.Stop();
  EXPECT_FALSE(gate.Pass());
  gate.Release();
  EXPECT_FALSE(gate.open());
}

}  // namespace
}  // namespace veneer
