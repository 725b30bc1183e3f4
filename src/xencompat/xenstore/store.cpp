#include "store.h"

#include <algorithm>
#include <utility>

namespace veneer {

namespace {

void CountOwner(std::map<DomId, std::size_t>& owned, const NodeChange& change) {
  if (change.before != nullptr) {
    const auto it = owned.find(change.before->permissions.front().domain);
    if (it != owned.end() && --it->second == 0) {
      owned.erase(it);
    }
  }
  if (change.after != nullptr) {
    ++owned[change.after->permissions.front().domain];
  }
}

std::size_t CountOf(const std::map<DomId, std::size_t>& owned, DomId domain) {
  const auto it = owned.find(domain);
  return it == owned.end() ? 0 : it->second;
}

}  // namespace

Store::Store(const XenstoreQuotas& quotas) : quotas_(quotas) {
  tree_.root = MakeNode("", {"", XsPrivate(kHostDomId)}, next_generation_++);
  tree_.owned[kHostDomId] = 1;
  introduced_.insert(kHostDomId);
  special_permissions_.emplace(kIntroduceDomain, XsPrivate(kHostDomId));
  special_permissions_.emplace(kReleaseDomain, XsPrivate(kHostDomId));
}

Store::~Store() = default;

std::optional<StorePath> Store::ParsePath(const StoreSession& session,
                                          std::string_view path) const {
  return StorePath::Parse(path, session.home_);
}

XsResult<Store::Target> Store::Find(StoreSession& session, TransactionId tx, std::string_view path,
                                    XsAccess needed) {
  Transaction* transaction = nullptr;
  if (tx != 0) {
    const auto it = session.transactions_.find(tx);
    if (it == session.transactions_.end()) {
      return tl::unexpected(XsError::kNotFound);
    }
    transaction = &it->second;
  }
  auto parsed = ParsePath(session, path);
  if (!parsed) {
    return tl::unexpected(XsError::kInvalid);
  }
  const auto recorded = Record(session, transaction, *parsed, Scope::kNode);
  if (!recorded) {
    return tl::unexpected(recorded.error());
  }
  // Whoever may not use the parent is not told whether the node exists.
  NearestNode nearest =
      FindNearest(transaction != nullptr ? transaction->tree.root : tree_.root, *parsed);
  if (!Allows(session, nearest.node->content->permissions, needed)) {
    return tl::unexpected(XsError::kAccess);
  }
  return Target{*std::move(parsed), transaction, nearest.missing == 0 ? nearest.node : nullptr};
}

XsResult<void> Store::Record(const StoreSession& session, Transaction* transaction,
                             const StorePath& path, Scope scope) const {
  if (transaction == nullptr) {
    return {};
  }
  auto& set = scope == Scope::kNode ? transaction->nodes : transaction->subtrees;
  if (set.count(path.text()) > 0) {
    return {};
  }
  if (!session.privileged() &&
      transaction->nodes.size() + transaction->subtrees.size() >= quotas_.transaction_nodes) {
    return tl::unexpected(XsError::kNoSpace);
  }
  set.insert(path.text());
  return {};
}

XsResult<std::string> Store::Read(StoreSession& session, TransactionId tx, std::string_view path) {
  const auto target = Find(session, tx, path, XsAccess::kRead);
  if (!target) {
    return tl::unexpected(target.error());
  }
  if (!target->node) {
    return tl::unexpected(XsError::kNotFound);
  }
  return target->node->content->value;
}

XsResult<Store::Listing> Store::Directory(StoreSession& session, TransactionId tx,
                                          std::string_view path) {
  const auto target = Find(session, tx, path, XsAccess::kRead);
  if (!target) {
    return tl::unexpected(target.error());
  }
  if (!target->node) {
    return tl::unexpected(XsError::kNotFound);
  }
  Listing listing;
  listing.generation = target->node->generation;
  for (const NodeRef& child : target->node->children) {
    listing.names.push_back(child->name);
  }
  return listing;
}

XsResult<void> Store::Write(StoreSession& session, TransactionId tx, std::string_view path,
                            std::string_view value) {
  const auto target = Find(session, tx, path, XsAccess::kWrite);
  if (!target) {
    return tl::unexpected(target.error());
  }
  if (!session.privileged() && value.size() > quotas_.value_bytes) {
    return tl::unexpected(XsError::kNoSpace);
  }
  if (!target->node) {
    return Create(session, *target, value);
  }
  const NodeRef& root = target->transaction ? target->transaction->tree.root : tree_.root;
  Apply(target->transaction,
        WithContent(root, target->path, {std::string(value), target->node->content->permissions},
                    next_generation_++));
  return {};
}

XsResult<void> Store::Mkdir(StoreSession& session, TransactionId tx, std::string_view path) {
  const auto target = Find(session, tx, path, XsAccess::kWrite);
  if (!target) {
    return tl::unexpected(target.error());
  }
  return target->node ? XsResult<void>{} : Create(session, *target, "");
}

XsResult<void> Store::Create(StoreSession& session, const Target& target, std::string_view value) {
  const TreeState& tree = target.transaction ? target.transaction->tree : tree_;
  const NearestNode nearest = FindNearest(tree.root, target.path);
  if (!session.privileged() &&
      CountOf(tree.owned, session.domain_) + nearest.missing > quotas_.nodes) {
    return tl::unexpected(XsError::kNoSpace);
  }
  // The list of children of that node is about to change.
  const auto recorded = Record(session, target.transaction, nearest.path, Scope::kNode);
  if (!recorded) {
    return recorded;
  }
  XsPermissions permissions = nearest.node->content->permissions;
  if (!session.privileged()) {
    permissions.front().domain = session.domain_;
  }
  Apply(target.transaction,
        WithNode(tree.root, target.path, permissions, std::string(value), next_generation_++));
  return {};
}

XsResult<void> Store::Remove(StoreSession& session, TransactionId tx, std::string_view path) {
  const auto target = Find(session, tx, path, XsAccess::kWrite);
  if (!target) {
    return tl::unexpected(target.error());
  }
  const NodeRef& root = target->transaction ? target->transaction->tree.root : tree_.root;
  if (target->path.IsRoot()) {
    return tl::unexpected(XsError::kInvalid);
  }
  // Its list of children changes; if there is nothing to remove, the outcome hangs on its
  // existence.
  const StorePath parent = target->path.Parent();
  auto recorded = Record(session, target->transaction, parent, Scope::kNode);
  if (recorded && target->node) {
    recorded = Record(session, target->transaction, target->path, Scope::kSubtree);
  }
  if (!recorded) {
    return recorded;
  }
  if (!target->node) {
    return FindNode(root, parent) ? XsResult<void>{} : tl::unexpected(XsError::kNotFound);
  }
  Apply(target->transaction, WithoutNode(root, target->path, next_generation_++));
  return {};
}

void Store::Apply(Transaction* transaction, NodeRef root) {
  TreeState& tree = transaction != nullptr ? transaction->tree : tree_;
  const NodeRef before = std::exchange(tree.root, std::move(root));
  VisitChanges(before, tree.root, [&](const NodeChange& change) {
    CountOwner(tree.owned, change);
    if (transaction == nullptr) {
      Fire(change);
    }
  });
}

void Store::Introduce(DomId domain) {
  if (introduced_.insert(domain).second) {
    FireSpecial(kIntroduceDomain);
  }
}

XsResult<void> Store::Release(DomId domain) {
  if (domain == kHostDomId || introduced_.erase(domain) == 0) {
    return tl::unexpected(XsError::kNotFound);
  }
  targets_.erase(domain);
  FireSpecial(kReleaseDomain);
  return {};
}

XsResult<void> Store::SetTarget(DomId domain, DomId target) {
  if (!IsIntroduced(domain) || !IsIntroduced(target) || target == kHostDomId) {
    return tl::unexpected(XsError::kNotFound);
  }
  targets_[domain] = target;
  return {};
}

std::size_t Store::NodesOf(DomId domain) const { return CountOf(tree_.owned, domain); }

}  // namespace veneer
