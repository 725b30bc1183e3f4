// A link in memory: what it is sent is kept, and what a test gives it arrives.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "veneer/host/net/net_link.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/event_fd.h"

namespace veneer::testing {

struct NetFrame {
  std::vector<std::byte> bytes;
  virtio_net_hdr header{};
  std::size_t pieces = 1;  // that it was sent in
};

// Thread-safe.
class FakeNetLink final : public NetLink {
 public:
  explicit FakeNetLink(NetLink::Facts facts = {.name = "fake", .offloads = true})
      : facts_(std::move(facts)), queues_(facts_.queues) {
    for (Queue& queue : queues_) {
      queue.ready = std::move(*EventFd::Create());
    }
  }

  // ---- The test's side.

  void Arrive(NetFrame frame, unsigned queue = 0) {
    {
      const std::scoped_lock lock(mutex_);
      queues_.at(queue).arrived.push_back(std::move(frame));
    }
    queues_.at(queue).ready.Signal();
  }
  // Frames that the guest has sent so far and nobody has taken; waits for at least `count`.
  std::vector<NetFrame> TakeSent(std::size_t count) {
    std::unique_lock lock(mutex_);
    VENEER_CHECK(
        changed_.wait_for(lock, std::chrono::seconds(60), [&] { return sent_.size() >= count; }));
    return std::exchange(sent_, {});
  }
  std::size_t sent() const {
    const std::scoped_lock lock(mutex_);
    return sent_.size();
  }
  // The next frames find it full, or find room again.
  void SetFull(bool full) {
    {
      const std::scoped_lock lock(mutex_);
      full_ = full;
    }
    for (Queue& queue : queues_) {
      queue.ready.Signal();
    }
  }
  // It is full once it has taken so many more.
  void SetRoom(std::size_t frames) {
    const std::scoped_lock lock(mutex_);
    room_ = frames;
  }
  void SetRefusing(bool refusing) {
    const std::scoped_lock lock(mutex_);
    refusing_ = refusing;
  }
  std::size_t waiting(unsigned queue = 0) const {
    const std::scoped_lock lock(mutex_);
    return queues_.at(queue).arrived.size();
  }
  NetOffloads receiver_offloads() const {
    const std::scoped_lock lock(mutex_);
    return offloads_;
  }
  unsigned open_channels() const {
    const std::scoped_lock lock(mutex_);
    return open_;
  }

  // ---- NetLink

  Facts facts() const override { return facts_; }
  Result<void> SetReceiverOffloads(const NetOffloads& offloads) override {
    const std::scoped_lock lock(mutex_);
    offloads_ = offloads;
    return {};
  }
  Result<std::unique_ptr<NetChannel>> OpenChannel(unsigned queue) override {
    return std::make_unique<Channel>(*this, queues_.at(queue));
  }

 private:
  struct Queue {
    EventFd ready;
    std::deque<NetFrame> arrived;
  };

  class Channel final : public NetChannel {
   public:
    Channel(FakeNetLink& link, Queue& queue) : link_(link), queue_(queue) {
      const std::scoped_lock lock(link_.mutex_);
      ++link_.open_;
    }
    ~Channel() override {
      const std::scoped_lock lock(link_.mutex_);
      --link_.open_;
    }
    NetSent Send(const virtio_net_hdr& header, std::span<const iovec> pieces) override {
      NetFrame frame{.bytes = {}, .header = header, .pieces = pieces.size()};
      for (const iovec& piece : pieces) {
        const auto* const start = static_cast<const std::byte*>(piece.iov_base);
        frame.bytes.insert(frame.bytes.end(), start, start + piece.iov_len);
      }
      const std::scoped_lock lock(link_.mutex_);
      if (link_.full_) {
        return NetSent::kFull;
      }
      if (link_.refusing_) {
        return NetSent::kRefused;
      }
      link_.full_ = link_.room_ && --*link_.room_ == 0;
      if (link_.full_) {
        link_.room_.reset();
      }
      link_.sent_.push_back(std::move(frame));
      link_.changed_.notify_all();
      return NetSent::kSent;
    }
    std::optional<std::size_t> Receive(virtio_net_hdr& header,
                                       std::span<const iovec> room) override {
      NetFrame frame;
      {
        const std::scoped_lock lock(link_.mutex_);
        if (queue_.arrived.empty()) {
          return std::nullopt;
        }
        frame = std::move(queue_.arrived.front());
        queue_.arrived.pop_front();
      }
      header = frame.header;
      std::size_t done = 0;
      for (const iovec& piece : room) {
        const std::size_t part = std::min(piece.iov_len, frame.bytes.size() - done);
        std::memcpy(piece.iov_base, frame.bytes.data() + done, part);
        done += part;
      }
      return done;  // cut, as a tap does it
    }
    bool Arm() override {
      const std::scoped_lock lock(link_.mutex_);
      return !queue_.arrived.empty();
    }
    void OnReady() override { queue_.ready.Drain(); }
    int ready_fd() const override { return queue_.ready.get(); }

   private:
    FakeNetLink& link_;
    Queue& queue_;
  };

  const Facts facts_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Queue> queues_;
  std::vector<NetFrame> sent_;
  NetOffloads offloads_;
  bool full_ = false;
  std::optional<std::size_t> room_;
  bool refusing_ = false;
  unsigned open_ = 0;
};

}  // namespace veneer::testing
