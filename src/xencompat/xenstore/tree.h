// The copy-on-write tree of nodes. A tree is its root; changing it makes a new root that shares
// every node that did not change, so that keeping a snapshot costs one reference.
//
// Nothing here knows about permissions, quotas or watches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store_path.h"
#include "veneer/xencompat/xenstore/xs_types.h"

namespace veneer {

struct NodeContent {
  std::string value;
  XsPermissions permissions;
};

struct Node;
using NodeRef = std::shared_ptr<const Node>;

struct Node {
  std::string name;                            // last component of the path; empty for the root
  std::shared_ptr<const NodeContent> content;  // never null; a new one with every write
  std::vector<NodeRef> children;               // ascending by name
  // Unlike that of any other version of the node: when the content or the list of children's names
  // changed last. Changes further below do not count.
  std::uint64_t generation = 0;
};

NodeRef MakeNode(std::string name, NodeContent content, std::uint64_t generation);

// The node at `path`, or null.
NodeRef FindNode(const NodeRef& root, const StorePath& path);

// The deepest node that exists on the way to `path`, which may be the node itself, and its path.
struct NearestNode {
  NodeRef node;
  StorePath path;
  std::size_t missing = 0;  // number of components below it that do not exist
};
NearestNode FindNearest(const NodeRef& root, const StorePath& path);

// The tree with a new content of the node at `path`, which exists.
NodeRef WithContent(const NodeRef& root, const StorePath& path, NodeContent content,
                    std::uint64_t generation);

// The tree with a node at `path`, which does not exist, and the missing nodes above it.
NodeRef WithNode(const NodeRef& root, const StorePath& path, const XsPermissions& permissions,
                 std::string value, std::uint64_t generation);

// The tree without the node at `path`, which exists and is not the root, and all below it.
NodeRef WithoutNode(const NodeRef& root, const StorePath& path, std::uint64_t generation);

// One node that differs between two trees in content or existence. Pointers are valid during the
// call only.
struct NodeChange {
  std::string_view path;
  const NodeContent* before = nullptr;  // null: created
  const NodeContent* after = nullptr;   // null: removed
  const NodeContent* parent = nullptr;  // of the parent that knew the node; null for the root
  bool below_removed = false;           // went away together with a node above it
};
using NodeChangeVisitor = std::function<void(const NodeChange&)>;

// Visits every change from `before` to `after`, parents first; the cost is that of what changed.
void VisitChanges(const NodeRef& before, const NodeRef& after, const NodeChangeVisitor& visit);

// `current` with the changes from `before` to `after` done to it. Where both changed the same node,
// that of `after` wins.
NodeRef MergeChanges(const NodeRef& before, const NodeRef& after, const NodeRef& current);

}  // namespace veneer
