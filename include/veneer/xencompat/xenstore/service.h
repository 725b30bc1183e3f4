// The one xenstore of the process: the store behind one lock, for the guest's ring, the host's
// socket and the VMM's own areas.
#pragma once

#include <cstddef>
#include <memory>

#include "veneer/vmm/base/metrics.h"
#include "veneer/xencompat/xenstore/xs_types.h"

namespace veneer {

struct XenstoreState;

// Thread-safe. Outlives everything made from it (clients, watches, rings, sockets).
//
// Lock order: the lock is taken after a device's own and before those of the grant table and of the
// event channels. No callback is made while it is held: whoever changes the tree delivers the
// resulting events after letting go of it, on its own thread.
class XenstoreService {
 public:
  struct Options {
    XenstoreQuotas quotas;
    Metrics* metrics = nullptr;  // counters "xenstore.*"; not owned, may be null
  };

  // An empty tree but for /local/domain, /tool and /vm, all of domain 0's.
  explicit XenstoreService(const Options& options);
  XenstoreService() : XenstoreService(Options{}) {}
  XenstoreService(const XenstoreService&) = delete;
  XenstoreService& operator=(const XenstoreService&) = delete;
  ~XenstoreService();

  // The domain exists and may use the store: fires @introduceDomain.
  void IntroduceDomain(DomId domain);
  // The domain has shut down or is gone: fires @releaseDomain. Its nodes stay.
  void ReleaseDomain(DomId domain);

  // What a domain has taken of its quotas.
  struct Usage {
    std::size_t nodes = 0;
    std::size_t watches = 0;
    std::size_t transactions = 0;
  };
  Usage UsageOf(DomId domain) const;

  // For the parts of this area.
  XenstoreState& state() { return *state_; }

 private:
  std::unique_ptr<XenstoreState> state_;
};

}  // namespace veneer
