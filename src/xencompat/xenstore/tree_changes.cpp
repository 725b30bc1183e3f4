// What differs between two trees, and doing the same to a third.
#include <utility>

#include "node_children.h"
#include "tree.h"

namespace veneer {
namespace {

// Calls `use(before, after)` for each name that either list has under a different node, ascending;
// null stands for a name that the list does not have.
template <typename Use>
void ForEachDifferentChild(const std::vector<NodeRef>& before, const std::vector<NodeRef>& after,
                           const Use& use) {
  static const NodeRef none;
  auto b = before.begin();
  auto a = after.begin();
  while (b != before.end() || a != after.end()) {
    if (b == before.end()) {
      use(none, *a++);
    } else if (a == after.end()) {
      use(*b++, none);
    } else if (*b == *a) {
      ++b;
      ++a;
    } else if ((*b)->name == (*a)->name) {
      use(*b++, *a++);
    } else if ((*b)->name < (*a)->name) {
      use(*b++, none);
    } else {
      use(none, *a++);
    }
  }
}

class ChangeWalk {
 public:
  explicit ChangeWalk(const NodeChangeVisitor& visit) : visit_(visit) {}

  void Both(const Node& before, const Node& after, const NodeContent* parent) {
    if (before.content != after.content) {
      visit_({Path(), before.content.get(), after.content.get(), parent, false});
    }
    ForEachDifferentChild(before.children, after.children,
                          [&](const NodeRef& b, const NodeRef& a) { Child(b, a, before, after); });
  }

 private:
  std::string_view Path() const { return path_.empty() ? std::string_view("/") : path_; }

  void Child(const NodeRef& before, const NodeRef& after, const Node& parent_before,
             const Node& parent_after) {
    const std::size_t length = path_.size();
    path_.append(1, '/').append(before ? before->name : after->name);
    if (!before) {
      Created(*after, parent_after.content.get());
    } else if (!after) {
      Removed(*before, parent_before.content.get(), false);
    } else {
      Both(*before, *after, parent_after.content.get());
    }
    path_.resize(length);
  }

  void Created(const Node& node, const NodeContent* parent) {
    visit_({path_, nullptr, node.content.get(), parent, false});
    for (const NodeRef& child : node.children) {
      const std::size_t length = path_.size();
      path_.append(1, '/').append(child->name);
      Created(*child, node.content.get());
      path_.resize(length);
    }
  }

  void Removed(const Node& node, const NodeContent* parent, bool below_removed) {
    visit_({path_, node.content.get(), nullptr, parent, below_removed});
    for (const NodeRef& child : node.children) {
      const std::size_t length = path_.size();
      path_.append(1, '/').append(child->name);
      Removed(*child, node.content.get(), true);
      path_.resize(length);
    }
  }

  const NodeChangeVisitor& visit_;
  std::string path_;  // without the root's slash
};

}  // namespace

void VisitChanges(const NodeRef& before, const NodeRef& after, const NodeChangeVisitor& visit) {
  if (before != after) {
    ChangeWalk(visit).Both(*before, *after, nullptr);
  }
}

NodeRef MergeChanges(const NodeRef& before, const NodeRef& after, const NodeRef& current) {
  if (before == after) {
    return current;
  }
  if (before == current) {
    return after;
  }
  auto merged = std::make_shared<Node>(*current);
  if (before->content != after->content) {
    merged->content = after->content;
  }
  if (before->generation != after->generation) {
    merged->generation = after->generation;
  }
  ForEachDifferentChild(before->children, after->children, [&](const NodeRef& b, const NodeRef& a) {
    if (!a) {
      DropChild(merged->children, b->name);
      return;
    }
    const NodeRef c = FindChild(merged->children, a->name);
    PutChild(merged->children, b && c ? MergeChanges(b, a, c) : a);
  });
  return merged;
}

}  // namespace veneer
