#include "veneer/backends/bus/queue_workers.h"

#include <sys/epoll.h>

#include <atomic>
#include <future>

#include <fmt/core.h>

#include "veneer/vmm/base/check.h"

namespace veneer {

Result<std::unique_ptr<QueueWorker>> QueueWorker::Create(ThreadKind kind, const std::string& name,
                                                         Host host) {
  std::unique_ptr<QueueWorker> worker(new QueueWorker());
  VENEER_TRY_ASSIGN(worker->kick_, EventFd::Create());
  const auto set_up = [self = worker.get(), open = host.open](EventLoop& loop) -> Result<void> {
    VENEER_TRY(open(loop, [self] { self->Serve(); }));
    return loop.AddFd(self->kick_.get(), EPOLLIN, [self](std::uint32_t) {
      self->kick_.Drain();
      if (self->server_ != nullptr) {
        self->server_->OnKick();
      }
    });
  };
  const auto tear_down = [self = worker.get(), close = host.close] {
    self->server_.reset();
    close();
  };
  VENEER_TRY_ASSIGN(worker->thread_, LoopThread::Start(kind, name, set_up, tear_down));
  return worker;
}

QueueWorker::~QueueWorker() {
  if (thread_ != nullptr) {
    // Shared: this may go on while the thread still closes it.
    const auto detached = std::make_shared<std::promise<void>>();
    Detach([detached] { detached->set_value(); });
    detached->get_future().wait();
  }
}

void QueueWorker::Attach(MakeServer make) {
  thread_->loop().Post([this, make = std::move(make)] {
    VENEER_CHECK(server_ == nullptr);
    server_ = make(thread_->loop());
    server_->Serve();
  });
}

void QueueWorker::Detach(std::function<void()> done) {
  thread_->loop().Post([this, done = std::move(done)] {
    if (server_ == nullptr) {
      done();
      return;
    }
    server_->Stop([this, done] {
      // Called from inside the server, which goes when that is over.
      thread_->loop().Post([this, done] {
        server_.reset();
        done();
      });
    });
  });
}

void QueueWorker::Report(Inquiry::Answer answer) {
  thread_->loop().Post([this, answer = std::move(answer)] {
    answer(server_ != nullptr ? server_->Report() : "no ring");
  });
}

Result<void> QueueWorkers::Prepare(std::size_t count) {
  while (workers_.size() < count) {
    const std::size_t index = workers_.size();
    VENEER_TRY_ASSIGN(
        std::unique_ptr<QueueWorker> worker,
        QueueWorker::Create(kind_, fmt::format("{}-{}", name_, index), make_host_(index)));
    workers_.push_back(std::move(worker));
  }
  ++*connection_;
  return {};
}

std::function<void()> QueueWorkers::BrokenReporter(std::function<void()> report) {
  return [post = post_, report = std::move(report), connection = *connection_,
          weak = std::weak_ptr(connection_)] {
    post([report, connection, weak] {
      if (const auto current = weak.lock(); current != nullptr && *current == connection) {
        report();
      }
    });
  };
}

void QueueWorkers::Attach(std::vector<QueueWorker::MakeServer> servers) {
  VENEER_CHECK(attached_ == 0 && servers.size() <= workers_.size());
  attached_ = servers.size();
  for (std::size_t i = 0; i < servers.size(); ++i) {
    workers_[i]->Attach(std::move(servers[i]));
  }
}

void QueueWorkers::Kick() {
  for (const auto& worker : workers_) {
    worker->Kick();
  }
}

std::future<void> QueueWorkers::BeginEnd() {
  struct Count {
    std::atomic<std::size_t> left;
    std::promise<void> none;
  };
  // One more than workers, so that it ends here if there are none.
  const auto count = std::make_shared<Count>();
  count->left = workers_.size() + 1;
  const auto ended = [count] {
    if (--count->left == 0) {
      count->none.set_value();
    }
  };
  for (const auto& worker : workers_) {
    worker->Detach(ended);
  }
  std::future<void> all = count->none.get_future();
  ended();
  return all;
}

void QueueWorkers::Detach(const std::function<void()>& done) {
  ++*connection_;
  if (attached_ == 0) {
    done();
    return;
  }
  // Counted on the control thread.
  auto remaining = std::make_shared<std::size_t>(std::exchange(attached_, 0));
  const std::size_t count = *remaining;
  for (std::size_t i = 0; i < count; ++i) {
    workers_[i]->Detach([post = post_, remaining, done] {
      post([remaining, done] {
        if (--*remaining == 0) {
          done();
        }
      });
    });
  }
}

void QueueWorkers::Report(Inquiry& inquiry) {
  for (std::size_t i = 0; i < attached_; ++i) {
    std::string whom = fmt::format("{} queue {}", name_, i);
    workers_[i]->Report([whom, answer = inquiry.Ask(whom)](const std::string& line) {
      answer(fmt::format("{}: {}", whom, line));
    });
  }
}

}  // namespace veneer
