#include "block_worker.h"

#include <sys/epoll.h>

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
  VENEER_TRY_ASSIGN(thread_, LoopThread::Start(
                                 fmt::format("{}-{}", disk_.config.vdev, index),
                                 [this](EventLoop& loop) { return SetUp(loop); },
                                 [this] {
                                   queue_.reset();
                                   channel_.reset();
                                 }));
  return {};
}

Result<void> BlockWorker::SetUp(EventLoop& loop) {
  VENEER_TRY_ASSIGN(channel_, disk_.image.OpenChannel());
  VENEER_TRY(loop.AddFd(kick_.get(), EPOLLIN, [this](std::uint32_t) { OnKick(); }));
  return loop.AddFd(channel_->ready_fd(), EPOLLIN, [this](std::uint32_t) {
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
  if (thread_ != nullptr) {
    // Shared: this may go on while the worker's thread still closes it.
    const auto detached = std::make_shared<std::promise<void>>();
    Detach([detached] { detached->set_value(); });
    detached->get_future().wait();
  }
}

void BlockWorker::Attach(QueueConnection connection) {
  auto shared = std::make_shared<QueueConnection>(std::move(connection));
  thread_->loop().Post([this, shared] {
    VENEER_CHECK(queue_ == nullptr);
    queue_ = std::make_unique<BlockQueue>(disk_, grants_, thread_->loop(), *channel_,
                                          std::move(*shared));
    queue_->Serve();
  });
}

void BlockWorker::Detach(std::function<void()> done) {
  thread_->loop().Post([this, done = std::move(done)] {
    if (queue_ == nullptr) {
      done();
      return;
    }
    queue_->Stop([this, done] {
      // Called from inside the queue, which goes when that is over.
      thread_->loop().Post([this, done] {
        queue_.reset();
        done();
      });
    });
  });
}

}  // namespace veneer
