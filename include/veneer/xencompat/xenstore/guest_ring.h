// The guest's way to xenstore: the shared page of <xen/io/xs_wire.h> (struct
// xenstore_domain_interface) and its event channel.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "veneer/vmm/memory/gpa.h"
#include "veneer/xencompat/xenstore/service.h"

namespace veneer {

// Requests are answered on the thread that brings the news, before Notify() returns. Everything in
// the page is the guest's to change at any time; a ring that makes no sense is left alone until the
// guest asks for a reconnect through the page (both server features are offered).
class XenstoreGuestRing {
 public:
  // `page` stays mapped as long as this object; its content is kept as found, but for the server's
  // own words. `notify` raises the guest's event channel; it is called on any thread, with no lock
  // of the store held. Destroy the ring only when no other thread uses the service any more, or
  // `notify` may run a last time during the destruction.
  XenstoreGuestRing(XenstoreService& service, DomId domain, std::span<std::byte, kPageSize> page,
                    std::function<void()> notify);
  XenstoreGuestRing(const XenstoreGuestRing&) = delete;
  XenstoreGuestRing& operator=(const XenstoreGuestRing&) = delete;
  ~XenstoreGuestRing();

  // The guest has signalled its event channel: takes what is in the ring, bounded by the size of
  // the ring, and puts back what fits. Any thread.
  void Notify();

  // The guest starts over (reset, reboot): drops its watches, transactions and half-sent messages
  // and empties the ring. Any thread.
  void Reset();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace veneer
