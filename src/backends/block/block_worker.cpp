#include "block_worker.h"

#include <pthread.h>
#include <sys/epoll.h>

#include <csignal>
#include <future>
#include <utility>

#include "veneer/base/check.h"

namespace veneer {

Result<std::unique_ptr<BlockWorker>> BlockWorker::Create(DiskState& disk, GrantTable& grants,
                                                         unsigned index) {
  std::unique_ptr<BlockWorker> worker(new BlockWorker(disk, grants));
  VENEER_TRY(worker->Start(index));
  return worker;
}

Result<void> BlockWorker::Start(unsigned index) {
  VENEER_TRY_ASSIGN(kick_, EventFd::Create());
  VENEER_TRY_ASSIGN(loop_, EventLoop::Create());
  // The thread takes no signals: they are the main thread's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::promise<Result<void>> ready;
  thread_ = std::thread([this, &ready] {
    Result<void> made = SetUp();
    const bool good = made.has_value();
    ready.set_value(std::move(made));
    if (good) {
      loop_->Run();
    }
    queue_.reset();
    channel_.reset();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const std::string name = fmt::format("{}-{}", disk_.config.vdev, index);
  static_cast<void>(pthread_setname_np(thread_.native_handle(), name.c_str()));
  Result<void> result = ready.get_future().get();
  if (!result) {
    thread_.join();
  }
  return result;
}

Result<void> BlockWorker::SetUp() {
  VENEER_TRY_ASSIGN(channel_, disk_.image.OpenChannel());
  VENEER_TRY(loop_->AddFd(kick_.get(), EPOLLIN, [this](std::uint32_t) { OnKick(); }));
  return loop_->AddFd(channel_->ready_fd(), EPOLLIN, [this](std::uint32_t) {
    if (queue_ != nullptr) {
      queue_->Serve();
    }
  });
}

void BlockWorker::OnKick() {
  kick_.Drain();
  if (queue_ != nullptr) {
    queue_->OnKick();
  }
}

BlockWorker::~BlockWorker() {
  if (thread_.joinable()) {
    Detach([this] { loop_->Stop(); });
    thread_.join();
  }
}

void BlockWorker::Attach(QueueConnection connection) {
  auto shared = std::make_shared<QueueConnection>(std::move(connection));
  loop_->Post([this, shared] {
    VENEER_CHECK(queue_ == nullptr);
    queue_ = std::make_unique<BlockQueue>(disk_, grants_, *loop_, *channel_, std::move(*shared));
    queue_->Serve();
  });
}

void BlockWorker::Detach(std::function<void()> done) {
  loop_->Post([this, done = std::move(done)] {
    if (queue_ == nullptr) {
      done();
      return;
    }
    queue_->Stop([this, done] {
      // Called from inside the queue, which goes when that is over.
      loop_->Post([this, done] {
        queue_.reset();
        done();
      });
    });
  });
}

}  // namespace veneer
