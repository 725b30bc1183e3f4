// One user of the store: its watches and open transactions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tree.h"
#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

class Store;

using TransactionId = std::uint32_t;

// Gets the events of one session, inside the call that causes them; must not call the store.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  // `path` is relative if the watch was.
  virtual void OnWatchEvent(std::string_view path, std::string_view token) = 0;
};

// A tree, and how many of its nodes each domain owns.
struct TreeState {
  NodeRef root;
  std::map<DomId, std::size_t> owned;
};

struct Transaction {
  NodeRef base;    // the tree when it began
  TreeState tree;  // with its own changes
  // What it read or wrote. The commit compares the base with the tree of that time.
  std::set<std::string, std::less<>> nodes;
  std::set<std::string, std::less<>> subtrees;
};

struct StoreWatch {
  // What its session hears of: changes at or below the path, or guests that begin to watch it.
  enum class Kind { kChanges, kWatchers };
  Kind kind = Kind::kChanges;
  std::string path;  // absolute, or the name of a special event
  std::string token;
  std::size_t hidden = 0;  // bytes at the front of a path that a relative watch does not report
};

class StoreSession {
 public:
  StoreSession(const StoreSession&) = delete;
  StoreSession& operator=(const StoreSession&) = delete;
  ~StoreSession();

  DomId domain() const { return domain_; }
  bool privileged() const { return domain_ == kHostDomId; }

 private:
  friend class Store;
  StoreSession(Store& store, DomId domain, bool relative_paths, WatchSink& sink);

  Store& store_;
  DomId domain_;
  std::optional<std::string> home_;  // what relative paths begin at
  WatchSink& sink_;
  std::vector<StoreWatch> watches_;
  std::map<TransactionId, Transaction> transactions_;
  TransactionId next_transaction_ = 1;
};

}  // namespace veneer
