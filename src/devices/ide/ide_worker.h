// The thread that moves data between an IDE controller's drives and their images.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "veneer/devices/ide/ide_controller.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/thread.h"
#include "veneer/vmm/base/token_bucket.h"

namespace veneer {

// Who started an operation. Called on the worker's thread, without locks.
class IdeListener {
 public:
  virtual ~IdeListener() = default;
  virtual void OnIoEnd(int error) = 0;
};

// One operation at a time for each drive.
class IdeWorker {
 public:
  // Takes the images of `drives`.
  static Result<std::unique_ptr<IdeWorker>> Create(std::vector<IdeDriveConfig>& drives);
  IdeWorker(const IdeWorker&) = delete;
  IdeWorker& operator=(const IdeWorker&) = delete;
  // Waits for operations under way; nobody is told of their end any more.
  ~IdeWorker();

  // Any thread. The image of a drive that has not been closed.
  DiskImage& image(unsigned drive) { return *lanes_[drive]->image; }

  // Any thread. `operation` belongs to the worker until `listener` hears of its end.
  void Start(unsigned drive, DiskOperation& operation, IdeListener& listener);
  // Any thread: tries again what failed and was held back.
  void Retry();
  // Any thread: the image is not used any more, and goes once nothing of it is under way.
  void Close(unsigned drive);

 private:
  struct Lane {
    Lane(std::unique_ptr<DiskImage> disk, const IdeDriveConfig& config)
        : image(std::move(disk)),
          bytes_limit(config.bytes_per_second),
          requests_limit(config.requests_per_second),
          on_error(config.on_error),
          name(config.name),
          on_failure(config.on_failure) {}
    // Whether `operation`, which failed, is not to be heard of.
    bool HoldsBack() const;

    std::unique_ptr<DiskImage> image;
    TokenBucket bytes_limit;
    TokenBucket requests_limit;
    const DiskOnError on_error;
    const std::string name;
    const DiskFailureReceiver on_failure;
    // The thread's own.
    std::unique_ptr<DiskChannel> channel;
    DiskOperation* operation = nullptr;  // under way
    IdeListener* listener = nullptr;
    bool waiting = false;    // for its limit
    bool held_back = false;  // has failed, and waits to be tried again
    bool closing = false;
  };

  IdeWorker() = default;
  Result<void> SetUp(EventLoop& loop);
  void Begin(Lane& lane);
  void Serve(Lane& lane);
  // Tells the listener.
  void EndOperation(Lane& lane);
  void CloseIfIdle(Lane& lane);
  void StopWhenIdle();

  std::array<std::unique_ptr<Lane>, IdeController::kDrives> lanes_;
  std::function<void()> stopped_;  // the thread's own: to be called when all is idle, then nothing
  // Its end waits for the thread: before what that uses goes.
  std::unique_ptr<LoopThread> thread_;
};

}  // namespace veneer
