// Who may do what: the part of the store that deals with permissions.
#include <algorithm>
#include <utility>

#include "store.h"

namespace veneer {

bool Store::Owns(const StoreSession& session, const XsPermissions& permissions) const {
  const DomId owner = permissions.front().domain;
  if (session.privileged() || owner == session.domain_) {
    return true;
  }
  const auto target = targets_.find(session.domain_);
  return target != targets_.end() && target->second == owner;
}

XsAccess Store::AccessOf(const StoreSession& session, const XsPermissions& permissions) const {
  if (Owns(session, permissions)) {
    return XsAccess::kBoth;
  }
  const auto target = targets_.find(session.domain_);
  for (auto it = permissions.begin() + 1; it != permissions.end(); ++it) {
    if (it->domain == session.domain_ ||
        (target != targets_.end() && it->domain == target->second)) {
      return it->access;
    }
  }
  return permissions.front().access;
}

bool Store::Allows(const StoreSession& session, const XsPermissions& permissions,
                   XsAccess needed) const {
  const auto has = static_cast<unsigned>(AccessOf(session, permissions));
  const auto wants = static_cast<unsigned>(needed);
  return (has & wants) == wants;
}

XsResult<XsPermissions> Store::GetPermissions(StoreSession& session, TransactionId tx,
                                              std::string_view path) {
  const auto special = special_permissions_.find(path);
  if (special != special_permissions_.end()) {
    if (!Allows(session, special->second, XsAccess::kRead)) {
      return tl::unexpected(XsError::kAccess);
    }
    return special->second;
  }
  const auto target = Find(session, tx, path, XsAccess::kRead);
  if (!target) {
    return tl::unexpected(target.error());
  }
  if (!target->node) {
    return tl::unexpected(XsError::kNotFound);
  }
  return target->node->content->permissions;
}

XsResult<void> Store::SetPermissions(StoreSession& session, TransactionId tx, std::string_view path,
                                     const XsPermissions& permissions) {
  if (permissions.empty()) {
    return tl::unexpected(XsError::kInvalid);
  }
  if (!session.privileged() && permissions.size() > quotas_.permissions) {
    return tl::unexpected(XsError::kNoSpace);
  }
  const auto special = special_permissions_.find(path);
  if (special != special_permissions_.end()) {
    if (!session.privileged()) {
      return tl::unexpected(XsError::kAccess);
    }
    special->second = permissions;
    return {};
  }
  const auto target = Find(session, tx, path, XsAccess::kWrite);
  if (!target) {
    return tl::unexpected(target.error());
  }
  if (!target->node) {
    return tl::unexpected(XsError::kNotFound);
  }
  const NodeContent& content = *target->node->content;
  if (!Owns(session, content.permissions)) {
    return tl::unexpected(XsError::kAccess);
  }
  if (!session.privileged() && permissions.front().domain != content.permissions.front().domain) {
    return tl::unexpected(XsError::kNotPermitted);
  }
  const NodeRef& root = target->transaction ? target->transaction->tree.root : tree_.root;
  Apply(target->transaction,
        WithContent(root, target->path, {content.value, permissions}, next_generation_++));
  return {};
}

}  // namespace veneer
