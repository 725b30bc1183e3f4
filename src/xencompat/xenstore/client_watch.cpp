#include "client_watch.h"

#include <utility>

#include "service_state.h"

namespace veneer {

XenstoreWatch::~XenstoreWatch() { state_->Cancel(); }

XenstoreWatch::State::State(XenstoreService& service, StoreWatch::Kind kind, std::string path,
                            XenstoreClient::Poster post, XenstoreClient::WatchCallback callback)
    : service_(service),
      kind_(kind),
      path_(std::move(path)),
      post_(std::move(post)),
      callback_(std::move(callback)) {}

XsResult<void> XenstoreWatch::State::Start() {
  StoreLock lock(service_.state());
  session_ = lock.store().Open(kHostDomId, false, *this);
  const bool changes = kind_ == StoreWatch::Kind::kChanges;
  const auto result = changes ? lock.store().Watch(*session_, path_, "")
                              : lock.store().WatchWatchers(*session_, path_);
  if (!result) {
    session_.reset();
  } else if (changes) {
    OnWatchEvent(path_, "");
  }
  return result;
}

void XenstoreWatch::State::Cancel() {
  StoreLock lock(service_.state());
  session_.reset();
  pending_.clear();
}

void XenstoreWatch::State::OnWatchEvent(std::string_view path, std::string_view) {
  if (flooded_ || pending_paths_.count(path) > 0) {
    return;
  }
  if (pending_.empty()) {
    service_.state().mutex.AssertHeld();
    service_.state().deliveries.push_back(
        [self = shared_from_this()] { self->post_([self] { self->Deliver(); }); });
  }
  if (pending_.size() >= kMaxPending) {
    flooded_ = true;
    pending_.assign(1, path_);
    pending_paths_.clear();
    return;
  }
  pending_.emplace_back(path);
  pending_paths_.emplace(path);
}

void XenstoreWatch::State::Deliver() {
  std::vector<std::string> paths;
  {
    StoreLock lock(service_.state());
    paths.swap(pending_);
    pending_paths_.clear();
    flooded_ = false;
  }
  for (const std::string& path : paths) {
    {
      // A callback may have destroyed the watch.
      StoreLock lock(service_.state());
      if (session_ == nullptr) {
        return;
      }
    }
    callback_(path);
  }
}

}  // namespace veneer
