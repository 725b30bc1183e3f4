#include "reference_store.h"

namespace veneer::test {
namespace {

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool IsBelow(const std::string& path, const std::string& ancestor) {
  return path.size() > ancestor.size() && path.compare(0, ancestor.size() + 1, ancestor + "/") == 0;
}

std::string Children(const ReferenceTree& tree, const std::string& path) {
  std::string names = "[";
  for (const auto& [other, node] : tree) {
    if (other != "/" && ParentOf(other) == path) {
      names += other.substr(other.rfind('/') + 1) + ",";
    }
  }
  return names + "]";
}

}  // namespace

std::string ReferenceStore::Run(ReferenceTree& tree, const Operation& operation,
                                std::set<std::string>* touched) {
  std::set<std::string> ignored;
  std::set<std::string>& touch = touched != nullptr ? *touched : ignored;
  const std::string& path = operation.path;
  const bool there = tree.count(path) > 0;
  touch.insert(path);
  switch (operation.kind) {
    case Operation::Kind::kRead:
      return there ? "value " + tree[path].value : "ENOENT";
    case Operation::Kind::kList:
      return there ? Children(tree, path) : "ENOENT";
    case Operation::Kind::kRemove: {
      if (path == "/") {
        return "EINVAL";
      }
      touch.insert(ParentOf(path));
      if (!there) {
        return tree.count(ParentOf(path)) > 0 ? "ok" : "ENOENT";
      }
      for (auto it = tree.begin(); it != tree.end();) {
        if (it->first == path || IsBelow(it->first, path)) {
          touch.insert(it->first);
          it = tree.erase(it);
        } else {
          ++it;
        }
      }
      tree[ParentOf(path)].version = next_version_++;
      return "ok";
    }
    case Operation::Kind::kWrite:
    case Operation::Kind::kMkdir:
      if (there) {
        if (operation.kind == Operation::Kind::kWrite) {
          tree[path] = {operation.value, next_version_++};
        }
        return "ok";
      }
      tree[path] = {operation.value, next_version_++};
      for (std::string node = path; node != "/"; node = ParentOf(node)) {
        const bool parent_there = tree.count(ParentOf(node)) > 0;
        tree[ParentOf(node)].version = next_version_++;
        if (parent_there) {
          touch.insert(ParentOf(node));
          break;
        }
      }
      return "ok";
  }
  return "";
}

std::string ReferenceStore::Run(Transaction& transaction, const Operation& operation) {
  std::string result = Run(transaction.tree, operation, &transaction.touched);
  transaction.log.emplace_back(operation, result);
  return result;
}

bool ReferenceStore::Conflicts(const Transaction& transaction) const {
  for (const std::string& path : transaction.touched) {
    const auto then = transaction.base.find(path);
    const auto now = tree_.find(path);
    const bool was = then != transaction.base.end();
    const bool is = now != tree_.end();
    if (was != is || (was && then->second.version != now->second.version)) {
      return true;
    }
  }
  return false;
}

bool ReferenceStore::Replay(const Transaction& transaction) {
  for (const auto& [operation, result] : transaction.log) {
    if (Run(tree_, operation, nullptr) != result) {
      return false;
    }
  }
  return true;
}

}  // namespace veneer::test
