// Sessions: their transactions, their watches, and who hears of what.
#include <algorithm>
#include <utility>

#include "store.h"
#include "veneer/vmm/base/check.h"

namespace veneer {

StoreSession::StoreSession(Store& store, DomId domain, bool relative_paths, WatchSink& sink)
    : store_(store), domain_(domain), sink_(sink) {
  if (relative_paths) {
    home_ = XsDomainPath(domain);
  }
}

StoreSession::~StoreSession() { store_.Forget(this); }

std::unique_ptr<StoreSession> Store::Open(DomId domain, bool relative_paths, WatchSink& sink) {
  std::unique_ptr<StoreSession> session(new StoreSession(*this, domain, relative_paths, sink));
  sessions_.push_back(session.get());
  return session;
}

void Store::Forget(StoreSession* session) {
  sessions_.erase(std::remove(sessions_.begin(), sessions_.end(), session), sessions_.end());
}

// --- transactions

XsResult<TransactionId> Store::StartTransaction(StoreSession& session) {
  if (!session.privileged() && TransactionsOf(session.domain_) >= quotas_.transactions) {
    return tl::unexpected(XsError::kNoSpace);
  }
  while (session.next_transaction_ == 0 || HasTransaction(session, session.next_transaction_)) {
    ++session.next_transaction_;
  }
  const TransactionId id = session.next_transaction_++;
  session.transactions_.emplace(id, Transaction{tree_.root, tree_, {}, {}});
  return id;
}

bool Store::HasTransaction(const StoreSession& session, TransactionId tx) const {
  return session.transactions_.count(tx) > 0;
}

bool Store::Conflicts(const Transaction& transaction) const {
  if (transaction.base == tree_.root) {
    return false;
  }
  const auto find = [](const NodeRef& root, const std::string& path) {
    return FindNode(root, *StorePath::Parse(path, std::nullopt));
  };
  const auto node_changed = [&](const std::string& path) {
    const NodeRef then = find(transaction.base, path);
    const NodeRef now = find(tree_.root, path);
    return (then ? then->generation : 0) != (now ? now->generation : 0);
  };
  const auto subtree_changed = [&](const std::string& path) {
    return find(transaction.base, path) != find(tree_.root, path);
  };
  return std::any_of(transaction.nodes.begin(), transaction.nodes.end(), node_changed) ||
         std::any_of(transaction.subtrees.begin(), transaction.subtrees.end(), subtree_changed);
}

// Whether the session's domain would own more nodes than now and more than it may.
bool Store::ExceedsNodes(const StoreSession& session, const NodeRef& root) const {
  std::size_t gained = 0;
  std::size_t lost = 0;
  const auto is_own = [&](const NodeContent* content) {
    return content != nullptr && content->permissions.front().domain == session.domain_;
  };
  VisitChanges(tree_.root, root, [&](const NodeChange& change) {
    gained += is_own(change.after) ? 1 : 0;
    lost += is_own(change.before) ? 1 : 0;
  });
  return gained > lost && NodesOf(session.domain_) + gained - lost > quotas_.nodes;
}

XsResult<void> Store::EndTransaction(StoreSession& session, TransactionId tx, bool commit) {
  const auto it = session.transactions_.find(tx);
  if (it == session.transactions_.end()) {
    return tl::unexpected(XsError::kNotFound);
  }
  const Transaction transaction = std::move(it->second);
  session.transactions_.erase(it);
  if (!commit || transaction.base == transaction.tree.root) {
    // Nothing to do to the tree, but the reader still learns whether what it saw was current.
    const bool stale = commit && Conflicts(transaction);
    return stale ? tl::unexpected(XsError::kAgain) : XsResult<void>{};
  }
  if (Conflicts(transaction)) {
    return tl::unexpected(XsError::kAgain);
  }
  NodeRef merged = MergeChanges(transaction.base, transaction.tree.root, tree_.root);
  if (!session.privileged() && ExceedsNodes(session, merged)) {
    return tl::unexpected(XsError::kNoSpace);
  }
  Apply(nullptr, std::move(merged));
  return {};
}

// --- watches

XsResult<void> Store::Watch(StoreSession& session, std::string_view path, std::string_view token) {
  StoreWatch watch;
  watch.token = token;
  if (IsSpecialName(path)) {
    watch.path = path;
  } else {
    const auto parsed = ParsePath(session, path);
    if (!parsed) {
      return tl::unexpected(XsError::kInvalid);
    }
    watch.path = parsed->text();
    watch.hidden = watch.path.size() - path.size();
  }
  const auto same = [&](const StoreWatch& other) {
    return other.path == watch.path && other.token == watch.token;
  };
  if (std::any_of(session.watches_.begin(), session.watches_.end(), same)) {
    return tl::unexpected(XsError::kExists);
  }
  if (!session.privileged() && WatchesOf(session.domain_) >= quotas_.watches) {
    return tl::unexpected(XsError::kTooBig);
  }
  session.watches_.push_back(std::move(watch));
  if (!session.privileged()) {
    FireWatched(session.watches_.back().path);
  }
  return {};
}

XsResult<void> Store::WatchWatchers(StoreSession& session, std::string_view path) {
  VENEER_CHECK(session.privileged());
  const auto parsed = ParsePath(session, path);
  if (!parsed) {
    return tl::unexpected(XsError::kInvalid);
  }
  session.watches_.push_back(
      {.kind = StoreWatch::Kind::kWatchers, .path = std::string(parsed->text()), .token = {}});
  return {};
}

XsResult<void> Store::Unwatch(StoreSession& session, std::string_view path,
                              std::string_view token) {
  std::string absolute(path);
  if (!IsSpecialName(path)) {
    const auto parsed = ParsePath(session, path);
    if (!parsed) {
      return tl::unexpected(XsError::kInvalid);
    }
    absolute = parsed->text();
  }
  const auto it = std::find_if(
      session.watches_.begin(), session.watches_.end(),
      [&](const StoreWatch& watch) { return watch.path == absolute && watch.token == token; });
  if (it == session.watches_.end()) {
    return tl::unexpected(XsError::kNotFound);
  }
  session.watches_.erase(it);
  return {};
}

void Store::ResetWatches(StoreSession& session) {
  session.watches_.clear();
  session.transactions_.clear();
}

// A domain hears of a node that it could read before or can read now, or whose parent it can read:
// the parent's list of children tells it as much.
bool Store::MaySee(const StoreSession& session, const NodeChange& change) const {
  const auto readable = [&](const NodeContent* content) {
    return content != nullptr && Allows(session, content->permissions, XsAccess::kRead);
  };
  return readable(change.before) || readable(change.after) || readable(change.parent);
}

void Store::Fire(const NodeChange& change) {
  for (StoreSession* session : sessions_) {
    // Most sessions watch nothing; looking at the permissions is the dearer part.
    std::optional<bool> may_see;
    for (const StoreWatch& watch : session->watches_) {
      // A watcher above has already heard that a whole subtree went away.
      if (watch.kind != StoreWatch::Kind::kChanges) {
        continue;
      }
      const bool matches =
          change.below_removed ? watch.path == change.path : IsAtOrBelow(change.path, watch.path);
      if (!matches) {
        continue;
      }
      if (!may_see) {
        may_see = MaySee(*session, change);
      }
      if (*may_see) {
        session->sink_.OnWatchEvent(change.path.substr(watch.hidden), watch.token);
      }
    }
  }
}

void Store::FireSpecial(std::string_view name) {
  const XsPermissions& permissions = special_permissions_.find(name)->second;
  for (StoreSession* session : sessions_) {
    for (const StoreWatch& watch : session->watches_) {
      if (watch.path == name && Allows(*session, permissions, XsAccess::kRead)) {
        session->sink_.OnWatchEvent(name, watch.token);
      }
    }
  }
}

void Store::FireWatched(const std::string& path) {
  for (StoreSession* session : sessions_) {
    for (const StoreWatch& watch : session->watches_) {
      if (watch.kind == StoreWatch::Kind::kWatchers && watch.path == path) {
        session->sink_.OnWatchEvent(path, watch.token);
      }
    }
  }
}

std::size_t Store::WatchesOf(DomId domain) const {
  std::size_t count = 0;
  for (const StoreSession* session : sessions_) {
    count += session->domain_ == domain ? session->watches_.size() : 0;
  }
  return count;
}

std::size_t Store::TransactionsOf(DomId domain) const {
  std::size_t count = 0;
  for (const StoreSession* session : sessions_) {
    count += session->domain_ == domain ? session->transactions_.size() : 0;
  }
  return count;
}

}  // namespace veneer
