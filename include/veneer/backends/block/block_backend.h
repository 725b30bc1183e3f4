// The back-end of one PV disk (blkfront in Linux), after <xen/io/blkif.h>.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "veneer/backends/bus/xenbus_state.h"
#include "veneer/host/disk/disk_config.h"
#include "veneer/host/disk/disk_failure.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/inquiry.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/result.h"
#include "veneer/xencompat/evtchn/event_channels.h"
#include "veneer/xencompat/gnttab/grant_table.h"
#include "veneer/xencompat/xenstore/client.h"

namespace veneer {

// Belongs to one control thread: the one that runs what `post` is given. Requests are served on a
// thread per queue, which exist from the first connection on.
class BlockBackend {
 public:
  // All outlive it, `post` included.
  struct Parts {
    XenstoreClient& store;
    EventChannels& events;
    GrantTable& grants;
    Metrics& metrics;  // "disk.VDEV.*", see the area's README
    XenstoreClient::Poster post;
    DiskFailureReceiver on_failure{};  // of disks with another on-error than report
  };

  // `config.vdev` is set. Makes the device's keys; a guest finds it at once.
  static Result<std::unique_ptr<BlockBackend>> Create(const Parts& parts, const DiskConfig& config,
                                                      std::unique_ptr<DiskImage> image);
  BlockBackend(const BlockBackend&) = delete;
  BlockBackend& operator=(const BlockBackend&) = delete;
  // Waits for requests under way, but not for ever: after kDiskStopLimit the image is interrupted.
  // Unanswered ones stay so.
  ~BlockBackend();
  // The destructor follows: so that several do not wait one after the other.
  void BeginEnd();

  const DiskConfig& config() const;
  XenbusState state() const;

  // Tries again what failed and was held back (on-error=pause).
  void Retry();
  // Tells the guest the image's new size.
  Result<void> Resize();
  // Asks each queue for how its rings stand.
  void Report(Inquiry& inquiry);
  // See XenbusBackend::StartOver().
  void StartOver(std::function<void()> done);
  // See XenbusBackend::Remove().
  void Remove(std::function<void()> removed);

 private:
  class Impl;
  explicit BlockBackend(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace veneer
