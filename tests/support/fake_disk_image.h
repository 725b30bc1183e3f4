// A disk in memory that can fail, and can hold back what it has been told to do.
#pragma once

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/event_fd.h"

namespace veneer::testing {

// Thread-safe; serves one channel.
class FakeDiskImage final : public DiskImage {
 public:
  explicit FakeDiskImage(std::uint64_t bytes) : bytes_(bytes), data_(bytes) {
    ready_ = EventFd::Create().value();
  }

  Facts facts() const override {
    const std::scoped_lock lock(mutex_);
    return Facts{.bytes = bytes_,
                 .logical_sector = sector_,
                 .physical_sector = sector_,
                 .discard_granularity = sector_,
                 .readonly = readonly_};
  }
  Result<void> Refresh() override { return {}; }
  void Interrupt() override {
    SetVerdict([](const DiskOperation&) { return EIO; });
    Hold(false);
  }
  Result<std::unique_ptr<DiskChannel>> OpenChannel() override;

  void SetSize(std::uint64_t bytes) {
    const std::scoped_lock lock(mutex_);
    bytes_ = bytes;
    data_.resize(bytes);
  }
  void SetLogicalSector(std::uint32_t bytes) {
    const std::scoped_lock lock(mutex_);
    sector_ = bytes;
  }
  void SetReadonly(bool readonly) {
    const std::scoped_lock lock(mutex_);
    readonly_ = readonly;
  }
  // Decides what becomes of each operation: 0 or an errno value.
  void SetVerdict(std::function<int(const DiskOperation&)> verdict) {
    const std::scoped_lock lock(mutex_);
    verdict_ = std::move(verdict);
  }
  // While held, operations wait.
  void Hold(bool hold) {
    {
      const std::scoped_lock lock(mutex_);
      held_ = hold;
    }
    Wake();
  }
  // What has been handed in so far, in order.
  std::vector<DiskAction> Seen() {
    const std::scoped_lock lock(mutex_);
    return seen_;
  }
  // Sleeps until that many operations have been handed in.
  void WaitForSeen(std::size_t count) {
    std::unique_lock lock(mutex_);
    VENEER_CHECK(
        changed_.wait_for(lock, std::chrono::seconds(60), [&] { return seen_.size() >= count; }));
  }

 private:
  class Channel final : public DiskChannel {
   public:
    explicit Channel(FakeDiskImage& image) : image_(image) {}
    void Queue(DiskOperation& operation) override { queued_.push_back(&operation); }
    void Submit() override {
      {
        const std::scoped_lock lock(image_.mutex_);
        for (DiskOperation* operation : queued_) {
          image_.seen_.push_back(operation->action);
          started_.push_back(operation);
        }
      }
      queued_.clear();
      image_.changed_.notify_all();
      image_.Wake();
    }
    std::span<DiskOperation* const> Collect() override {
      ended_.clear();
      image_.ready_.Drain();
      const std::scoped_lock lock(image_.mutex_);
      if (!image_.held_) {
        ended_.swap(started_);
        for (DiskOperation* operation : ended_) {
          image_.Perform(*operation);
        }
      }
      return ended_;
    }
    bool Arm() override {
      const std::scoped_lock lock(image_.mutex_);
      return !image_.held_ && !started_.empty();
    }
    void Disarm() override {}
    int ready_fd() const override { return image_.ready_.get(); }

   private:
    FakeDiskImage& image_;
    std::vector<DiskOperation*> queued_;
    std::vector<DiskOperation*> started_;
    std::vector<DiskOperation*> ended_;
  };

  void Wake() { ready_.Signal(); }
  void Perform(DiskOperation& operation) {
    operation.error = verdict_ ? verdict_(operation) : 0;
    std::uint64_t at = operation.offset;
    if (operation.error != 0 || operation.action == DiskAction::kFlush ||
        operation.action == DiskAction::kDiscard) {
      return;
    }
    for (const iovec& part : operation.buffers) {
      VENEER_CHECK(at + part.iov_len <= data_.size());
      if (operation.action == DiskAction::kRead) {
        std::memcpy(part.iov_base, data_.data() + at, part.iov_len);
      } else {
        std::memcpy(data_.data() + at, part.iov_base, part.iov_len);
      }
      at += part.iov_len;
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t bytes_;
  std::uint32_t sector_ = 512;
  bool readonly_ = false;
  std::vector<std::byte> data_;
  bool held_ = false;
  std::function<int(const DiskOperation&)> verdict_;
  std::vector<DiskAction> seen_;
  EventFd ready_;
};

inline Result<std::unique_ptr<DiskChannel>> FakeDiskImage::OpenChannel() {
  return std::make_unique<Channel>(*this);
}

}  // namespace veneer::testing
