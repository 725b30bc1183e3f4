// The simplest thing that behaves like the store's transactions: whole copies of a map, and a log.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace veneer::test {

struct ReferenceNode {
  std::string value;
  std::uint64_t version = 0;  // new with every change of the value or of the set of children
};
using ReferenceTree = std::map<std::string, ReferenceNode>;

struct Operation {
  enum class Kind { kRead, kList, kWrite, kMkdir, kRemove } kind = Kind::kRead;
  std::string path;
  std::string value;
};

class ReferenceStore {
 public:
  struct Transaction {
    ReferenceTree base;
    ReferenceTree tree;
    std::set<std::string> touched;
    std::vector<std::pair<Operation, std::string>> log;  // with the results
  };

  ReferenceStore() { tree_["/"] = {}; }

  // The result of the operation as text: a value, a list, "ok" or an error.
  std::string Run(const Operation& operation) { return Run(tree_, operation, nullptr); }
  std::string Run(Transaction& transaction, const Operation& operation);

  Transaction Begin() const { return {tree_, tree_, {}, {}}; }
  // Whether any node that the transaction touched is another one now than when it began.
  bool Conflicts(const Transaction& transaction) const;
  // Does everything in the log again. False if anything comes out differently, which means that the
  // transaction cannot have happened at this moment.
  bool Replay(const Transaction& transaction);

  const ReferenceTree& tree() const { return tree_; }

 private:
  std::string Run(ReferenceTree& tree, const Operation& operation, std::set<std::string>* touched);

  ReferenceTree tree_;
  std::uint64_t next_version_ = 1;
};

}  // namespace veneer::test
