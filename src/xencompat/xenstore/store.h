// The store: nodes with permissions, transactions, watches and quotas, as xenstore.txt describes
// them and as guests see them with Xen's own daemons. It knows nothing of messages, rings, sockets
// or threads, and behaves the same for the same calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store_path.h"
#include "store_session.h"
#include "tree.h"
#include "veneer/xencompat/xenstore/xs_types.h"

namespace veneer {

inline constexpr std::string_view kIntroduceDomain = "@introduceDomain";
inline constexpr std::string_view kReleaseDomain = "@releaseDomain";

// Not thread-safe. Outlives its sessions. In every call a transaction of 0 means none; an unknown
// one is kNotFound. Paths are as the session may write them; a malformed one is kInvalid, one that
// the domain may not touch kAccess.
class Store {
 public:
  explicit Store(const XenstoreQuotas& quotas);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store();

  // `sink` outlives the session. Without `relative_paths` every path must be absolute.
  std::unique_ptr<StoreSession> Open(DomId domain, bool relative_paths, WatchSink& sink);

  XsResult<std::string> Read(StoreSession& session, TransactionId tx, std::string_view path);
  XsResult<void> Write(StoreSession& session, TransactionId tx, std::string_view path,
                       std::string_view value);
  XsResult<void> Mkdir(StoreSession& session, TransactionId tx, std::string_view path);
  XsResult<void> Remove(StoreSession& session, TransactionId tx, std::string_view path);
  XsResult<XsPermissions> GetPermissions(StoreSession& session, TransactionId tx,
                                         std::string_view path);
  // Also for the two special events, where reading means being told (domain 0 only).
  XsResult<void> SetPermissions(StoreSession& session, TransactionId tx, std::string_view path,
                                const XsPermissions& permissions);

  struct Listing {
    std::vector<std::string> names;  // ascending
    std::uint64_t generation = 0;    // the same as long as the list is the same
  };
  XsResult<Listing> Directory(StoreSession& session, TransactionId tx, std::string_view path);

  XsResult<TransactionId> StartTransaction(StoreSession& session);
  // The transaction is over, whatever the result. kAgain: a node it used has changed since it
  // began.
  XsResult<void> EndTransaction(StoreSession& session, TransactionId tx, bool commit);
  bool HasTransaction(const StoreSession& session, TransactionId tx) const;

  // The event that tells the start of a watch is the caller's to make: `path` as given.
  XsResult<void> Watch(StoreSession& session, std::string_view path, std::string_view token);
  // Tells a session of domain 0's whenever another domain begins to watch exactly this path.
  XsResult<void> WatchWatchers(StoreSession& session, std::string_view path);
  XsResult<void> Unwatch(StoreSession& session, std::string_view path, std::string_view token);
  // Also ends all transactions of the session, without effect.
  void ResetWatches(StoreSession& session);

  bool IsIntroduced(DomId domain) const { return introduced_.count(domain) > 0; }
  // Fire the special events. Introducing twice fires once; releasing a domain that was not
  // introduced is kNotFound.
  void Introduce(DomId domain);
  XsResult<void> Release(DomId domain);
  // `domain` may do whatever `target` may. Both must be introduced, or kNotFound.
  XsResult<void> SetTarget(DomId domain, DomId target);

  std::size_t NodesOf(DomId domain) const;
  std::size_t WatchesOf(DomId domain) const;
  std::size_t TransactionsOf(DomId domain) const;
  const XenstoreQuotas& quotas() const { return quotas_; }

 private:
  friend class StoreSession;
  // What a request is about, looked up and recorded.
  struct Target {
    StorePath path;
    Transaction* transaction = nullptr;  // null outside of one
    NodeRef node;                        // null if there is none
  };

  // How large a piece of the tree the outcome of a request depends on.
  enum class Scope { kNode, kSubtree };

  std::optional<StorePath> ParsePath(const StoreSession& session, std::string_view path) const;
  XsResult<Target> Find(StoreSession& session, TransactionId tx, std::string_view path,
                        XsAccess needed);
  XsResult<void> Record(const StoreSession& session, Transaction* transaction,
                        const StorePath& path, Scope scope) const;
  XsAccess AccessOf(const StoreSession& session, const XsPermissions& permissions) const;
  bool Owns(const StoreSession& session, const XsPermissions& permissions) const;
  bool Allows(const StoreSession& session, const XsPermissions& permissions, XsAccess needed) const;

  XsResult<void> Create(StoreSession& session, const Target& target, std::string_view value);
  void Apply(Transaction* transaction, NodeRef root);
  bool Conflicts(const Transaction& transaction) const;
  bool ExceedsNodes(const StoreSession& session, const NodeRef& root) const;

  void Fire(const NodeChange& change);
  void FireSpecial(std::string_view name);
  void FireWatched(const std::string& path);
  bool MaySee(const StoreSession& session, const NodeChange& change) const;
  void Forget(StoreSession* session);

  XenstoreQuotas quotas_;
  TreeState tree_;
  std::uint64_t next_generation_ = 1;
  std::vector<StoreSession*> sessions_;  // in order of opening, which is the order of events
  std::set<DomId> introduced_;
  std::map<DomId, DomId> targets_;
  std::map<std::string, XsPermissions, std::less<>> special_permissions_;
};

}  // namespace veneer
