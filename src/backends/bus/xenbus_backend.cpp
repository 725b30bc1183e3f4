#include "veneer/backends/bus/xenbus_backend.h"

#include <utility>

#include <fmt/core.h>

#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

std::string Number(std::uint64_t value) { return fmt::format("{}", value); }

std::string StateText(XenbusState state) { return Number(static_cast<std::uint64_t>(state)); }

XsResult<void> MakeDirectory(XenstoreView& store, const std::string& path,
                             const XsPermissions& permissions) {
  // What an earlier device of this name has left.
  static_cast<void>(store.Remove(path));
  if (const auto made = store.Mkdir(path); !made) {
    return made;
  }
  return store.SetPermissions(path, permissions);
}

}  // namespace

XsResult<void> WriteXenbusKeys(XenstoreView& store, const std::string& path,
                               const XenbusKeys& keys) {
  for (const auto& [name, value] : keys) {
    if (const auto written = store.Write(fmt::format("{}/{}", path, name), value); !written) {
      return written;
    }
  }
  return {};
}

// Shared with the tasks it has posted, which find out by a weak pointer that it is gone.
class XenbusBackend::Impl : public std::enable_shared_from_this<XenbusBackend::Impl> {
 public:
  Impl(XenstoreClient& store, XenstoreClient::Poster post, XenbusDriver& driver, Device device)
      : store_(store),
        post_(std::move(post)),
        driver_(driver),
        device_(std::move(device)),
        front_(
            fmt::format("{}/device/{}/{}", XsDomainPath(device_.guest), device_.type, device_.id)),
        back_(fmt::format("{}/backend/{}/{}/{}", XsDomainPath(kHostDomId), device_.type,
                          device_.guest.value, device_.id)) {}

  Result<void> Start();
  void Stop() {
    watch_.reset();
    watchers_.reset();
  }

  XenbusState state() const { return state_; }

  XsResult<void> Announce(const XenbusKeys& keys);
  void Fail(std::string_view reason);
  void StartOver(std::function<void()> done);
  void Remove(std::function<void()> removed);

 private:
  XsResult<void> WriteKeys(XenstoreTransaction& store);
  XenbusState FrontState();
  // Acts on the front-end's state as it is now: states that came and went meanwhile do not matter.
  void Look();
  // The guest may have begun to watch our state while both ends were closed: see Invite().
  void OnWatched();
  void Invite();
  // False, with the device closed: xenstore does not take it.
  bool Offer();
  void Reopen();
  void Connect();
  // Ends service, then becomes `next`.
  void DisconnectThen(XenbusState next);
  void SwitchTo(XenbusState next);
  void WriteState(XenbusState state);
  void FinishStartingOver();
  void FinishRemoval();

  XenstoreClient& store_;
  const XenstoreClient::Poster post_;
  XenbusDriver& driver_;
  const Device device_;
  const std::string front_;
  const std::string back_;
  XenbusState state_ = XenbusState::kUnknown;
  bool front_was_connected_ = false;  // since we are
  bool watched_ = false;              // the guest has begun to watch us since we last disconnected
  bool invited_ = false;              // see Invite()
  bool disconnecting_ = false;
  bool removing_ = false;
  bool gone_ = false;  // keys removed
  std::function<void()> removed_;
  std::function<void()> started_over_;       // what to call; none: it is not starting over
  std::unique_ptr<XenstoreWatch> watch_;     // of the front-end's state
  std::unique_ptr<XenstoreWatch> watchers_;  // of ours
  LogLimiter limiter_;
};

Result<void> XenbusBackend::Impl::Start() {
  if (const auto written =
          store_.Transact([this](XenstoreTransaction& store) { return WriteKeys(store); });
      !written) {
    return HostError("cannot write the xenstore keys of {} {}: {}", device_.type, device_.id,
                     XsErrorName(written.error()));
  }
  state_ = XenbusState::kInitialising;
  Reopen();
  auto watch = store_.Watch(front_ + "/state", post_, [this](const std::string&) { Look(); });
  if (!watch) {
    return HostError("cannot watch the xenstore keys of {} {}: {}", device_.type, device_.id,
                     XsErrorName(watch.error()));
  }
  watch_ = std::move(*watch);
  auto watchers =
      store_.WatchWatchers(back_ + "/state", post_, [this](const std::string&) { OnWatched(); });
  if (!watchers) {
    return HostError("cannot see who watches the xenstore keys of {} {}: {}", device_.type,
                     device_.id, XsErrorName(watchers.error()));
  }
  watchers_ = std::move(*watchers);
  return {};
}

XsResult<void> XenbusBackend::Impl::WriteKeys(XenstoreTransaction& store) {
  // The back-end first: a guest that looks at the front-end finds its other end complete.
  auto done = MakeDirectory(store, back_, XsShared(kHostDomId, device_.guest, XsAccess::kRead));
  if (done) {
    done = WriteXenbusKeys(store, back_,
                           {{"frontend", front_},
                            {"frontend-id", Number(device_.guest.value)},
                            {"online", "1"},
                            {"state", StateText(XenbusState::kInitialising)}});
  }
  if (done) {
    done = WriteXenbusKeys(store, back_, device_.back);
  }
  if (done) {
    done = MakeDirectory(store, front_, XsShared(device_.guest, kHostDomId, XsAccess::kRead));
  }
  if (done) {
    done = WriteXenbusKeys(store, front_,
                           {{"backend", back_},
                            {"backend-id", Number(kHostDomId.value)},
                            {"state", StateText(XenbusState::kInitialising)}});
  }
  if (done) {
    done = WriteXenbusKeys(store, front_, device_.front);
  }
  return done;
}

XenbusState XenbusBackend::Impl::FrontState() {
  const auto text = store_.Read(front_ + "/state");
  return text ? ParseXenbusState(*text) : XenbusState::kUnknown;
}

void XenbusBackend::Impl::Look() {
  if (disconnecting_ || gone_) {
    return;
  }
  const XenbusState front = FrontState();
  switch (front) {
    case XenbusState::kInitialising:
    case XenbusState::kInitWait:
      if (removing_) {
        DisconnectThen(XenbusState::kClosed);
      } else if (state_ == XenbusState::kClosed || invited_) {
        Reopen();
      } else if (state_ != XenbusState::kInitWait) {
        // It starts over without having closed: a guest that was reset.
        DisconnectThen(XenbusState::kClosed);
      }
      break;
    case XenbusState::kInitialised:
    case XenbusState::kReconfigured:
      if (state_ == XenbusState::kConnected && front_was_connected_) {
        // New rings, and what lay between them and the old ones has passed us by.
        DisconnectThen(XenbusState::kReconfiguring);
        break;
      }
      [[fallthrough]];
    case XenbusState::kConnected:
      if (state_ == XenbusState::kInitWait || state_ == XenbusState::kReconfiguring) {
        Connect();
      }
      front_was_connected_ = front == XenbusState::kConnected;
      break;
    case XenbusState::kReconfiguring:
      if (state_ == XenbusState::kConnected) {
        DisconnectThen(XenbusState::kReconfiguring);
      }
      break;
    case XenbusState::kClosing:
      // Requests under way are still served: it says Closed when it has no more.
      if (state_ != XenbusState::kClosed) {
        SwitchTo(XenbusState::kClosing);
      }
      break;
    case XenbusState::kClosed:
      if (invited_ && !removing_) {
        break;  // it has not got to it yet
      }
      [[fallthrough]];
    case XenbusState::kUnknown:
      if (state_ != XenbusState::kClosed || removing_) {
        DisconnectThen(XenbusState::kClosed);
      }
      break;
  }
}

void XenbusBackend::Impl::OnWatched() {
  watched_ = true;
  Invite();
}

// A front-end that begins to watch us while both ends are closed has been bound to its device
// again. netfront says Initialising then, but blkfront says nothing, leaves its own state at
// Closed, and acts on one state of ours alone: at Connected it writes its part and says
// Initialised.
void XenbusBackend::Impl::Invite() {
  const bool closed = state_ == XenbusState::kClosed && FrontState() == XenbusState::kClosed;
  if (!watched_ || !closed || disconnecting_ || removing_ || gone_ || !Offer()) {
    return;
  }
  LogDebug("{}: the front-end has come back", back_);
  state_ = XenbusState::kInitWait;
  invited_ = true;
  WriteState(XenbusState::kConnected);
}

bool XenbusBackend::Impl::Offer() {
  front_was_connected_ = false;
  const auto offered = driver_.Offer(store_, back_);
  if (!offered) {
    Fail(fmt::format("xenstore does not take what it offers ({})", XsErrorName(offered.error())));
  }
  return offered.has_value();
}

void XenbusBackend::Impl::Reopen() {
  if (Offer()) {
    SwitchTo(XenbusState::kInitWait);
  }
}

void XenbusBackend::Impl::Connect() {
  if (const XenbusDriver::Outcome connected = driver_.Connect(store_, front_, back_); !connected) {
    Fail(connected.error());
    return;
  }
  SwitchTo(XenbusState::kConnected);
}

void XenbusBackend::Impl::DisconnectThen(XenbusState next) {
  disconnecting_ = true;
  watched_ = false;
  driver_.Disconnect([weak = weak_from_this(), next] {
    const auto self = weak.lock();
    if (self == nullptr) {
      return;
    }
    self->disconnecting_ = false;
    self->front_was_connected_ = false;
    if (self->started_over_) {
      self->FinishStartingOver();
      return;
    }
    if (self->state_ != next) {
      self->SwitchTo(next);
    }
    if (next == XenbusState::kClosed && self->removing_) {
      self->FinishRemoval();
      return;
    }
    // Whatever the front-end has done meanwhile. Posted, so that a front-end that goes in circles
    // does not nest calls.
    self->post_([weak] {
      if (const auto again = weak.lock()) {
        again->Look();
        again->Invite();
      }
    });
  });
}

void XenbusBackend::Impl::SwitchTo(XenbusState next) {
  if (state_ != next) {
    LogDebug("{}: {}", back_, XenbusStateName(next));
  }
  state_ = next;
  invited_ = false;
  WriteState(next);
}

void XenbusBackend::Impl::WriteState(XenbusState state) {
  if (const auto written = store_.Write(back_ + "/state", StateText(state)); !written) {
    LogGuest(limiter_, "{}: cannot write its state: {}", back_, XsErrorName(written.error()));
  }
}

XsResult<void> XenbusBackend::Impl::Announce(const XenbusKeys& keys) {
  return store_.Transact([&](XenstoreTransaction& store) -> XsResult<void> {
    if (const auto written = WriteXenbusKeys(store, back_, keys); !written) {
      return written;
    }
    if (state_ != XenbusState::kConnected) {
      return {};
    }
    return store.Write(back_ + "/state", StateText(state_));
  });
}

void XenbusBackend::Impl::Fail(std::string_view reason) {
  if (gone_ || state_ == XenbusState::kClosed) {
    return;
  }
  LogGuest(limiter_, "{}: {}; closed until the guest's driver starts over", back_, reason);
  static_cast<void>(
      store_.Write(fmt::format("{}/error/backend/{}/{}/{}/error", XsDomainPath(kHostDomId),
                               device_.type, device_.guest.value, device_.id),
                   reason));
  SwitchTo(XenbusState::kClosing);
}

void XenbusBackend::Impl::StartOver(std::function<void()> done) {
  VENEER_CHECK(!started_over_);
  if (gone_) {
    done();
    return;
  }
  started_over_ = std::move(done);
  if (!disconnecting_) {
    DisconnectThen(XenbusState::kClosed);
  }
}

void XenbusBackend::Impl::FinishStartingOver() {
  const std::function<void()> done = std::exchange(started_over_, nullptr);
  if (removing_) {
    FinishRemoval();
  } else if (const auto written =
                 store_.Transact([this](XenstoreTransaction& store) { return WriteKeys(store); });
             written) {
    state_ = XenbusState::kInitialising;
    Reopen();
  } else {
    Fail(fmt::format("xenstore does not take its keys ({})", XsErrorName(written.error())));
  }
  done();
}

void XenbusBackend::Impl::Remove(std::function<void()> removed) {
  VENEER_CHECK(!removing_);
  removing_ = true;
  removed_ = std::move(removed);
  static_cast<void>(store_.Write(back_ + "/online", "0"));
  if (disconnecting_) {
    return;  // and then it goes on
  }
  if (state_ != XenbusState::kClosed) {
    SwitchTo(XenbusState::kClosing);
  }
  Look();
}

void XenbusBackend::Impl::FinishRemoval() {
  gone_ = true;
  Stop();
  static_cast<void>(store_.Transact([this](XenstoreTransaction& store) -> XsResult<void> {
    static_cast<void>(store.Remove(front_));
    static_cast<void>(store.Remove(back_));
    return {};
  }));
  post_([weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      // The callback may destroy this device.
      const std::function<void()> removed = std::move(self->removed_);
      removed();
    }
  });
}

Result<std::unique_ptr<XenbusBackend>> XenbusBackend::Create(XenstoreClient& store,
                                                             XenstoreClient::Poster post,
                                                             XenbusDriver& driver, Device device) {
  auto impl = std::make_shared<Impl>(store, std::move(post), driver, std::move(device));
  VENEER_TRY(impl->Start());
  return std::unique_ptr<XenbusBackend>(new XenbusBackend(std::move(impl)));
}

XenbusBackend::XenbusBackend(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

XenbusBackend::~XenbusBackend() { impl_->Stop(); }

XenbusState XenbusBackend::state() const { return impl_->state(); }

XsResult<void> XenbusBackend::Announce(const XenbusKeys& keys) { return impl_->Announce(keys); }
void XenbusBackend::Fail(std::string_view reason) { impl_->Fail(reason); }
void XenbusBackend::StartOver(std::function<void()> done) { impl_->StartOver(std::move(done)); }
void XenbusBackend::Remove(std::function<void()> removed) { impl_->Remove(std::move(removed)); }

}  // namespace veneer
