#include "veneer/xencompat/xenstore/client.h"

#include <charconv>
#include <utility>

#include <fmt/core.h>

#include "client_watch.h"
#include "service_state.h"

namespace veneer {
namespace {

// A session without watches of its own.
class NoEvents : public WatchSink {
 public:
  void OnWatchEvent(std::string_view, std::string_view) override {}
};

std::unique_ptr<StoreSession> OpenSession(XenstoreService& service) {
  static NoEvents no_events;
  StoreLock lock(service.state());
  return lock.store().Open(kHostDomId, false, no_events);
}

}  // namespace

XenstoreView::XenstoreView(XenstoreService& service, StoreSession& session,
                           std::uint32_t transaction)
    : service_(service), session_(session), transaction_(transaction) {}

XsResult<std::string> XenstoreView::Read(std::string_view path) {
  StoreLock lock(service_.state());
  return lock.store().Read(session_, transaction_, path);
}

XsResult<void> XenstoreView::Write(std::string_view path, std::string_view value) {
  StoreLock lock(service_.state());
  return lock.store().Write(session_, transaction_, path, value);
}

XsResult<void> XenstoreView::WriteNumber(std::string_view path, std::uint64_t value) {
  return Write(path, fmt::format("{}", value));
}

XsResult<std::uint64_t> XenstoreView::ReadNumber(std::string_view path) {
  const auto text = Read(path);
  if (!text) {
    return tl::unexpected(text.error());
  }
  std::uint64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end) {
    return tl::unexpected(XsError::kInvalid);
  }
  return value;
}

XsResult<void> XenstoreView::Mkdir(std::string_view path) {
  StoreLock lock(service_.state());
  return lock.store().Mkdir(session_, transaction_, path);
}

XsResult<void> XenstoreView::Remove(std::string_view path) {
  StoreLock lock(service_.state());
  return lock.store().Remove(session_, transaction_, path);
}

XsResult<std::vector<std::string>> XenstoreView::Directory(std::string_view path) {
  StoreLock lock(service_.state());
  auto listing = lock.store().Directory(session_, transaction_, path);
  if (!listing) {
    return tl::unexpected(listing.error());
  }
  return std::move(listing->names);
}

XsResult<XsPermissions> XenstoreView::GetPermissions(std::string_view path) {
  StoreLock lock(service_.state());
  return lock.store().GetPermissions(session_, transaction_, path);
}

XsResult<void> XenstoreView::SetPermissions(std::string_view path,
                                            const XsPermissions& permissions) {
  StoreLock lock(service_.state());
  return lock.store().SetPermissions(session_, transaction_, path, permissions);
}

XenstoreClient::XenstoreClient(XenstoreService& service)
    : XenstoreClient(service, OpenSession(service)) {}

XenstoreClient::XenstoreClient(XenstoreService& service, std::unique_ptr<StoreSession> session)
    : XenstoreView(service, *session, 0), own_session_(std::move(session)) {}

XenstoreClient::~XenstoreClient() {
  StoreLock lock(service_.state());
  own_session_.reset();
}

XsResult<void> XenstoreClient::Transact(const Body& body) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::uint32_t id = 0;
    {
      StoreLock lock(service_.state());
      const auto started = lock.store().StartTransaction(session_);
      if (!started) {
        return tl::unexpected(started.error());
      }
      id = *started;
    }
    XenstoreTransaction transaction(service_, session_, id);
    const XsResult<void> outcome = body(transaction);
    StoreLock lock(service_.state());
    const XsResult<void> ended = lock.store().EndTransaction(session_, id, outcome.has_value());
    if (!outcome) {
      return outcome;
    }
    if (ended || ended.error() != XsError::kAgain) {
      return ended;
    }
  }
  return tl::unexpected(XsError::kAgain);
}

XsResult<std::unique_ptr<XenstoreWatch>> XenstoreClient::Watch(std::string_view path, Poster post,
                                                               WatchCallback callback) {
  return Start(std::make_shared<XenstoreWatch::State>(service_, StoreWatch::Kind::kChanges,
                                                      std::string(path), std::move(post),
                                                      std::move(callback)));
}

XsResult<std::unique_ptr<XenstoreWatch>> XenstoreClient::WatchWatchers(std::string_view path,
                                                                       Poster post,
                                                                       WatchCallback callback) {
  return Start(std::make_shared<XenstoreWatch::State>(service_, StoreWatch::Kind::kWatchers,
                                                      std::string(path), std::move(post),
                                                      std::move(callback)));
}

XsResult<std::unique_ptr<XenstoreWatch>> XenstoreClient::Start(
    std::shared_ptr<XenstoreWatch::State> watch) {
  const auto started = watch->Start();
  if (!started) {
    return tl::unexpected(started.error());
  }
  return std::make_unique<XenstoreWatch>(std::move(watch));
}

XsResult<std::unique_ptr<XenstoreWatch>> XenstoreClient::Watch(std::string_view path,
                                                               EventLoop& loop,
                                                               WatchCallback callback) {
  return Watch(
      path, [&loop](std::function<void()> task) { loop.Post(std::move(task)); },
      std::move(callback));
}

}  // namespace veneer
