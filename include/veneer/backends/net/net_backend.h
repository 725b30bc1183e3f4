// The back-end of one PV NIC (netfront in Linux), after <xen/io/netif.h>.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "veneer/backends/bus/xenbus_state.h"
#include "veneer/host/net/net_link.h"
#include "veneer/vmm/base/inquiry.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/result.h"
#include "veneer/xencompat/evtchn/event_channels.h"
#include "veneer/xencompat/gnttab/grant_table.h"
#include "veneer/xencompat/xenstore/client.h"

namespace veneer {

// Belongs to one control thread: the one that runs what `post` is given. Frames are moved on a
// thread per queue, which exist from the first connection on.
class NetBackend {
 public:
  // All outlive it, `post` included.
  struct Parts {
    XenstoreClient& store;
    EventChannels& events;
    GrantTable& grants;
    Metrics& metrics;  // "net.NUMBER.*", see the area's README
    XenstoreClient::Poster post;
  };

  // `number`: the device's, "eth0" usually being 0. `config.mac` is set. Makes the device's keys; a
  // guest finds it at once.
  static Result<std::unique_ptr<NetBackend>> Create(const Parts& parts, unsigned number,
                                                    const NetConfig& config,
                                                    std::unique_ptr<NetLink> link);
  NetBackend(const NetBackend&) = delete;
  NetBackend& operator=(const NetBackend&) = delete;
  ~NetBackend();

  const NetConfig& config() const;
  NetLink::Facts link() const;
  XenbusState state() const;
  // Asks each queue for how its rings stand.
  void Report(Inquiry& inquiry);
  // See XenbusBackend::StartOver().
  void StartOver(std::function<void()> done);
  // See XenbusBackend::Remove().
  void Remove(std::function<void()> removed);

 private:
  class Impl;
  explicit NetBackend(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace veneer
