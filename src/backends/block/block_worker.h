// A queue's thread: event loop, way to the image, and the ring it serves while a front-end is
// connected.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "block_queue.h"
#include "disk_state.h"
#include "veneer/base/event_fd.h"
#include "veneer/base/thread.h"

namespace veneer {

// Belongs to the control thread.
class BlockWorker {
 public:
  // `disk` and `grants` outlive it.
  static Result<std::unique_ptr<BlockWorker>> Create(DiskState& disk, GrantTable& grants,
                                                     unsigned index);
  BlockWorker(const BlockWorker&) = delete;
  BlockWorker& operator=(const BlockWorker&) = delete;
  // Waits for requests under way.
  ~BlockWorker();

  // What the front-end's event channel writes to.
  int kick_fd() const { return kick_.get(); }

  // Nothing is attached.
  void Attach(QueueConnection connection);
  // `done` runs on the worker's thread, once nothing of the front-end's is used any more.
  void Detach(std::function<void()> done);

 private:
  BlockWorker(DiskState& disk, GrantTable& grants) : disk_(disk), grants_(grants) {}
  Result<void> Start(unsigned index);
  Result<void> SetUp(EventLoop& loop);
  void OnKick();

  DiskState& disk_;
  GrantTable& grants_;
  EventFd kick_;
  // The thread's own.
  std::unique_ptr<DiskChannel> channel_;
  std::unique_ptr<BlockQueue> queue_;
  // Its end waits for the thread: before what that uses goes.
  std::unique_ptr<LoopThread> thread_;
};

}  // namespace veneer
