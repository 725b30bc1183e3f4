#include "veneer/xencompat/xenstore/guest_ring.h"

#include <utility>

#include "ring_page.h"
#include "service_state.h"
#include "veneer/vmm/base/log.h"

namespace veneer {

class XenstoreGuestRing::Impl : public std::enable_shared_from_this<XenstoreGuestRing::Impl> {
 public:
  Impl(XenstoreService& service, DomId domain, std::span<std::byte, kPageSize> page,
       std::function<void()> notify)
      : service_(service), domain_(domain), page_(page), notify_(std::move(notify)) {}

  void Open() {
    StoreLock lock(service_.state());
    page_.Offer();
    Connect();
  }

  void Close() {
    StoreLock lock(service_.state());
    connection_.reset();
  }

  // Moves bytes both ways until one side has to wait for the guest.
  void Serve() {
    bool progress = false;
    {
      StoreLock lock(service_.state());
      if (connection_ == nullptr) {
        return;
      }
      if (page_.ReconnectRequested()) {
        Restart();
        progress = true;
      } else if (!connection_->broken()) {
        exchanging_ = true;
        progress = Exchange();
        exchanging_ = false;
      }
    }
    if (progress) {
      notify_();
    }
  }

  void Reset() {
    StoreLock lock(service_.state());
    if (connection_ != nullptr) {
      Restart();
    }
  }

 private:
  void Connect() REQUIRES(service_.state().mutex) {
    connection_ = std::make_unique<Connection>(
        service_.state().store, service_.state().counters, domain_, Connection::Kind::kGuest,
        [this] {
          if (exchanging_) {
            return;
          }
          service_.state().mutex.AssertHeld();
          service_.state().deliveries.push_back([weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
              self->Serve();
            }
          });
        });
  }

  void Restart() REQUIRES(service_.state().mutex) {
    connection_.reset();
    page_.Clear();
    Connect();
  }

  // One copy of the requests is enough: for what the guest adds meanwhile it sends another event,
  // and a guest that never stops adding does not keep us here.
  bool Exchange() {
    const auto requests = page_.Requests();
    if (!requests) {
      Refuse(XENSTORE_ERROR_RINGIDX);
      return true;
    }
    std::span<const std::byte> rest(*requests);
    bool progress = Send();
    while (!rest.empty() && !connection_->broken()) {
      const std::size_t taken = connection_->Feed(rest);
      if (connection_->broken()) {
        Refuse(XENSTORE_ERROR_PROTO);
        return true;
      }
      page_.Take(taken);
      rest = rest.subspan(taken);
      const bool sent = Send();
      progress = progress || sent || taken > 0;
      if (taken == 0 && !sent) {
        break;
      }
    }
    return progress;
  }

  // True if anything was sent.
  bool Send() {
    bool sent = false;
    while (!connection_->broken() && !connection_->Output().empty()) {
      const auto count = page_.Put(connection_->Output());
      if (!count) {
        Refuse(XENSTORE_ERROR_RINGIDX);
        return true;
      }
      if (*count == 0) {
        break;
      }
      connection_->ConsumeOutput(*count);
      sent = true;
    }
    return sent;
  }

  void Refuse(std::uint32_t error) {
    connection_->Break();
    page_.SetError(error);
    LogGuest(limiter_, "domain {}: xenstore stopped, {}", domain_.value,
             error == XENSTORE_ERROR_PROTO ? "the guest sent a message that is too long"
                                           : "the ring's indices are more than its size apart");
  }

  XenstoreService& service_;
  const DomId domain_;
  RingPage page_;  // used under the lock of the store
  const std::function<void()> notify_;
  std::unique_ptr<Connection> connection_;  // guarded by the lock; null once closed
  bool exchanging_ = false;                 // guarded by the lock; output is sent without reminder
  LogLimiter limiter_;
};

XenstoreGuestRing::XenstoreGuestRing(XenstoreService& service, DomId domain,
                                     std::span<std::byte, kPageSize> page,
                                     std::function<void()> notify)
    : impl_(std::make_shared<Impl>(service, domain, page, std::move(notify))) {
  impl_->Open();
}

XenstoreGuestRing::~XenstoreGuestRing() { impl_->Close(); }

void XenstoreGuestRing::Notify() { impl_->Serve(); }

void XenstoreGuestRing::Reset() { impl_->Reset(); }

}  // namespace veneer
