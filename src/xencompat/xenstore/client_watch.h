// A watch of the VMM's own: events are collected under the lock and handed to a thread of the
// owner's choice.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store.h"
#include "veneer/xencompat/xenstore/client.h"

namespace veneer {

class XenstoreWatch::State : public WatchSink,
                             public std::enable_shared_from_this<XenstoreWatch::State> {
 public:
  // Different paths that may wait; more than that, and the owner is told to look at everything.
  static constexpr std::size_t kMaxPending = 1024;

  State(XenstoreService& service, StoreWatch::Kind kind, std::string path,
        XenstoreClient::Poster post, XenstoreClient::WatchCallback callback);
  ~State() override = default;

  XsResult<void> Start();
  void Cancel();

  // Under the lock of the store.
  void OnWatchEvent(std::string_view path, std::string_view token) override;

 private:
  void Deliver();

  XenstoreService& service_;
  const StoreWatch::Kind kind_;
  const std::string path_;
  const XenstoreClient::Poster post_;
  const XenstoreClient::WatchCallback callback_;

  // Guarded by the lock of the store.
  std::unique_ptr<StoreSession> session_;  // null once cancelled
  std::vector<std::string> pending_;       // in order of the first event
  std::set<std::string, std::less<>> pending_paths_;
  bool flooded_ = false;
};

}  // namespace veneer
