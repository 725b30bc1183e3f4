// Xenstore for the VMM's own areas (back-ends, toolstack, control): domain 0, in-process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/vmm/base/event_loop.h"
#include "veneer/xencompat/xenstore/service.h"
#include "veneer/xencompat/xenstore/xs_types.h"

namespace veneer {

class StoreSession;

// Reading and writing, inside a transaction or outside. Paths are absolute; a relative one is
// kInvalid. Each call takes effect at once and may run callbacks of other parts (the guest's event
// channel) on this thread, after the store's lock is released.
class XenstoreView {
 public:
  XenstoreView(const XenstoreView&) = delete;
  XenstoreView& operator=(const XenstoreView&) = delete;

  [[nodiscard]] XsResult<std::string> Read(std::string_view path);
  // Makes missing parents, which inherit the permissions of the nearest node that exists.
  XsResult<void> Write(std::string_view path, std::string_view value);
  // The number in decimal, as xenstore keeps numbers.
  XsResult<void> WriteNumber(std::string_view path, std::uint64_t value);
  // kInvalid if the value is not a decimal number that fits.
  [[nodiscard]] XsResult<std::uint64_t> ReadNumber(std::string_view path);
  // No effect on a node that exists.
  XsResult<void> Mkdir(std::string_view path);
  // With everything below. A missing node is no error as long as its parent exists.
  XsResult<void> Remove(std::string_view path);
  // Names of the children, ascending.
  [[nodiscard]] XsResult<std::vector<std::string>> Directory(std::string_view path);
  [[nodiscard]] XsResult<XsPermissions> GetPermissions(std::string_view path);
  XsResult<void> SetPermissions(std::string_view path, const XsPermissions& permissions);

 protected:
  XenstoreView(XenstoreService& service, StoreSession& session, std::uint32_t transaction);
  ~XenstoreView() = default;

  XenstoreService& service_;
  StoreSession& session_;
  std::uint32_t transaction_ = 0;
};

// What the body of XenstoreClient::Transact() works on: a snapshot of the tree and its own changes.
class XenstoreTransaction : public XenstoreView {
 private:
  friend class XenstoreClient;
  using XenstoreView::XenstoreView;
};

// A watch in force; gone with this object. Destroy it on the thread that runs its callbacks, or
// while that thread does not run: then no callback comes afterwards.
class XenstoreWatch {
 public:
  class State;
  explicit XenstoreWatch(std::shared_ptr<State> state) : state_(std::move(state)) {}
  XenstoreWatch(const XenstoreWatch&) = delete;
  XenstoreWatch& operator=(const XenstoreWatch&) = delete;
  ~XenstoreWatch();

 private:
  std::shared_ptr<State> state_;
};

// Thread-safe; any number of them.
class XenstoreClient : public XenstoreView {
 public:
  explicit XenstoreClient(XenstoreService& service);
  ~XenstoreClient();

  // Runs `body` in a transaction and commits; from the start again when somebody else changed what
  // it used, at most kAttempts times (then kAgain). Gives up without effect when `body` fails.
  static constexpr int kAttempts = 64;
  using Body = std::function<XsResult<void>(XenstoreTransaction&)>;
  XsResult<void> Transact(const Body& body);

  // Calls `callback` with the path of every node at or below `path` that changed, and once at the
  // start with `path` itself. Changes of the same node that come close together make one call;
  // after a flood of different ones there is one call with `path`, so that a guest cannot fill the
  // queue: re-read what matters. Also for "@introduceDomain" and "@releaseDomain".
  // The callbacks run where `post` or `loop` runs them, without any lock of the store held.
  using WatchCallback = std::function<void(const std::string& path)>;
  using Poster = std::function<void(std::function<void()>)>;
  [[nodiscard]] XsResult<std::unique_ptr<XenstoreWatch>> Watch(std::string_view path, Poster post,
                                                               WatchCallback callback);
  // `loop` outlives the watch.
  [[nodiscard]] XsResult<std::unique_ptr<XenstoreWatch>> Watch(std::string_view path,
                                                               EventLoop& loop,
                                                               WatchCallback callback);
  // Calls `callback` with `path` whenever a guest begins to watch exactly that, in the same way; a
  // guest that does so again and again makes one call as long as that has not run.
  [[nodiscard]] XsResult<std::unique_ptr<XenstoreWatch>> WatchWatchers(std::string_view path,
                                                                       Poster post,
                                                                       WatchCallback callback);

 private:
  XsResult<std::unique_ptr<XenstoreWatch>> Start(std::shared_ptr<XenstoreWatch::State> watch);
  explicit XenstoreClient(XenstoreService& service, std::unique_ptr<StoreSession> session);
  std::unique_ptr<StoreSession> own_session_;
};

}  // namespace veneer
