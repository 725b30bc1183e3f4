#include "veneer/vmm/base/thread.h"

#include <pthread.h>

#include <csignal>
#include <future>
#include <system_error>
#include <utility>

namespace veneer {

namespace {

// Written before there are threads.
ThreadRules& Rules() {
  static ThreadRules rules;
  return rules;
}

Result<std::thread> StartDeafThread(const std::string& name, std::function<void()> run) {
  // A new thread has its maker's mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Result<std::thread> thread = StartThreadWithSignals(name, std::move(run));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

void SetThreadRules(const ThreadRules& rules) { Rules() = rules; }

void ConfineThread(ThreadKind kind) {
  if (Rules().confine != nullptr) {
    Rules().confine(kind);
  }
}

void CallOnMaker(const std::function<void()>& call) {
  if (Rules().maker == nullptr) {
    return call();
  }
  // Shared: the maker may still be closing it when the caller has gone on.
  const auto done = std::make_shared<std::promise<void>>();
  std::future<void> result = done->get_future();
  Rules().maker->Post([done, &call] {
    call();
    done->set_value();
  });
  result.get();
}

Result<std::thread> StartThreadWithSignals(const std::string& name, std::function<void()> run) {
  constexpr std::size_t kLongestName = 15;
  try {
    return std::thread([shown = name.substr(0, kLongestName), run = std::move(run)] {
      static_cast<void>(pthread_setname_np(pthread_self(), shown.c_str()));
      run();
    });
  } catch (const std::system_error& refusal) {
    return ErrnoError(refusal.code().value(), fmt::format("cannot start the thread '{}'", name));
  }
}

Result<std::thread> StartThread(ThreadKind kind, const std::string& name,
                                std::function<void()> run) {
  auto confined = [kind, run = std::move(run)] {
    ConfineThread(kind);
    run();
  };
  if (kind != ThreadKind::kOutput && kind != ThreadKind::kKeeper) {
    return StartDeafThread(name, std::move(confined));
  }
  Result<std::thread> thread = HostError("not started");
  CallOnMaker([&] { thread = StartDeafThread(name, std::move(confined)); });
  return thread;
}

Result<std::unique_ptr<LoopThread>> LoopThread::Start(
    ThreadKind kind, const std::string& name, std::function<Result<void>(EventLoop&)> set_up,
    std::function<void()> tear_down) {
  std::unique_ptr<LoopThread> made(new LoopThread());
  VENEER_TRY_ASSIGN(made->loop_, EventLoop::Create());
  // Shared: the caller may be gone while the thread still closes the promise.
  const auto ready = std::make_shared<std::promise<Result<void>>>();
  std::future<Result<void>> result = ready->get_future();
  VENEER_TRY_ASSIGN(made->thread_, StartDeafThread(name, [kind, loop = made->loop_.get(), ready,
                                                          set_up = std::move(set_up),
                                                          tear_down = std::move(tear_down)] {
                      Result<void> done = set_up(*loop);
                      ConfineThread(kind);
                      const bool good = done.has_value();
                      ready->set_value(std::move(done));
                      if (good) {
                        loop->Run();
                      }
                      tear_down();
                    }));
  VENEER_TRY(result.get());
  return made;
}

LoopThread::~LoopThread() {
  if (thread_.joinable()) {
    loop_->Stop();
    thread_.join();
  }
}

}  // namespace veneer
