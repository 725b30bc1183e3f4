#include "ide_worker.h"

#include <sys/epoll.h>

#include <algorithm>
#include <future>
#include <utility>

#include "veneer/vmm/base/clock.h"

namespace veneer {

Result<std::unique_ptr<IdeWorker>> IdeWorker::Create(std::vector<IdeDriveConfig>& drives) {
  std::unique_ptr<IdeWorker> worker(new IdeWorker());
  for (std::size_t i = 0; i < drives.size(); ++i) {
    worker->lanes_[i] = std::make_unique<Lane>(std::move(drives[i].image), drives[i]);
  }
  VENEER_TRY_ASSIGN(worker->thread_,
                    LoopThread::Start(
                        ThreadKind::kDisk, "ide",
                        [raw = worker.get()](EventLoop& loop) { return raw->SetUp(loop); },
                        [raw = worker.get()] {
                          for (const auto& lane : raw->lanes_) {
                            if (lane != nullptr) {
                              lane->channel.reset();
                            }
                          }
                        }));
  return worker;
}

Result<void> IdeWorker::SetUp(EventLoop& loop) {
  for (const auto& lane : lanes_) {
    if (lane == nullptr) {
      continue;
    }
    VENEER_TRY_ASSIGN(lane->channel, lane->image->OpenChannel());
    VENEER_TRY(loop.AddFd(lane->channel->ready_fd(), EPOLLIN,
                          [this, raw = lane.get()](std::uint32_t) { Serve(*raw); }));
  }
  return {};
}

IdeWorker::~IdeWorker() {
  if (thread_ == nullptr) {
    return;
  }
  // Shared: the thread may still be closing it when this object is gone.
  const auto idle = std::make_shared<std::promise<void>>();
  thread_->loop().Post([this, idle] {
    stopped_ = [idle] { idle->set_value(); };
    StopWhenIdle();
  });
  const std::future<void> ended = idle->get_future();
  if (ended.wait_for(kDiskStopLimit) == std::future_status::timeout) {
    thread_->loop().Post([this] {
      for (const auto& lane : lanes_) {
        if (lane != nullptr && lane->image != nullptr) {
          lane->image->Interrupt();
        }
      }
    });
    ended.wait();
  }
}

void IdeWorker::StopWhenIdle() {
  const bool idle = std::ranges::all_of(lanes_, [](const auto& lane) {
    return lane == nullptr || lane->operation == nullptr || lane->waiting || lane->held_back;
  });
  if (stopped_ && idle) {
    std::exchange(stopped_, nullptr)();
  }
}

void IdeWorker::Start(unsigned drive, DiskOperation& operation, IdeListener& listener) {
  thread_->loop().Post([this, lane = lanes_[drive].get(), &operation, &listener] {
    lane->operation = &operation;
    lane->listener = &listener;
    Begin(*lane);
  });
}

void IdeWorker::Begin(Lane& lane) {
  const std::uint64_t now = HostClock().MonotonicNs();
  const std::uint64_t delay =
      std::max(lane.bytes_limit.DelayNs(now), lane.requests_limit.DelayNs(now));
  lane.waiting = delay > 0;
  if (lane.waiting) {
    thread_->loop().AddTimer(now + delay, [this, &lane] { Begin(lane); });
    return;
  }
  lane.requests_limit.Charge(1, now);
  if (lane.operation->action == DiskAction::kDiscard) {
    lane.bytes_limit.ChargeASecondAtMost(lane.operation->length, now);
  } else {
    lane.bytes_limit.Charge(lane.operation->length, now);
  }
  lane.channel->Queue(*lane.operation);
  lane.channel->Submit();
  Serve(lane);
}

void IdeWorker::Serve(Lane& lane) {
  if (lane.channel == nullptr) {
    return;
  }
  lane.channel->Disarm();
  while (lane.operation != nullptr && !lane.held_back) {
    if (lane.channel->Collect().empty()) {
      if (!lane.channel->Arm()) {
        return;
      }
      lane.channel->Disarm();
      continue;
    }
    // There was but one.
    if (lane.operation->error != 0 && !stopped_ && !lane.closing && lane.HoldsBack()) {
      lane.held_back = true;
      return;
    }
    EndOperation(lane);
  }
  CloseIfIdle(lane);
  StopWhenIdle();
}

bool IdeWorker::Lane::HoldsBack() const {
  if (on_error == DiskOnError::kReport || !IsDiskFailure(operation->error) || !on_failure) {
    return false;
  }
  on_failure({DescribeDiskFailure(name, operation->action, operation->error), on_error});
  return true;
}

void IdeWorker::Retry() {
  thread_->loop().Post([this] {
    for (const auto& lane : lanes_) {
      if (lane == nullptr || !std::exchange(lane->held_back, false)) {
        continue;
      }
      if (lane->operation->action == DiskAction::kFlush) {
        // What it should have brought to the disk is lost: a second one would only say it is not.
        EndOperation(*lane);
      } else {
        lane->channel->Queue(*lane->operation);
        lane->channel->Submit();
        Serve(*lane);
      }
    }
  });
}

void IdeWorker::EndOperation(Lane& lane) {
  const int error = std::exchange(lane.operation, nullptr)->error;
  if (!stopped_) {
    lane.listener->OnIoEnd(error);
  }
}

void IdeWorker::Close(unsigned drive) {
  thread_->loop().Post([this, lane = lanes_[drive].get()] {
    lane->closing = true;
    if (std::exchange(lane->held_back, false)) {
      EndOperation(*lane);
    }
    CloseIfIdle(*lane);
  });
}

void IdeWorker::CloseIfIdle(Lane& lane) {
  if (lane.closing && lane.operation == nullptr && lane.channel != nullptr) {
    thread_->loop().RemoveFd(lane.channel->ready_fd());
    lane.channel.reset();
    lane.image.reset();
  }
}

}  // namespace veneer
