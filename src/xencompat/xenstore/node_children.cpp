#include "node_children.h"

#include <algorithm>
#include <utility>

namespace veneer {
namespace {

std::size_t LowerBound(const std::vector<NodeRef>& children, std::string_view name) {
  const auto it = std::lower_bound(
      children.begin(), children.end(), name,
      [](const NodeRef& child, std::string_view wanted) { return child->name < wanted; });
  return static_cast<std::size_t>(it - children.begin());
}

}  // namespace

NodeRef FindChild(const std::vector<NodeRef>& children, std::string_view name) {
  const std::size_t at = LowerBound(children, name);
  return at < children.size() && children[at]->name == name ? children[at] : nullptr;
}

void PutChild(std::vector<NodeRef>& children, NodeRef child) {
  const std::size_t at = LowerBound(children, child->name);
  if (at < children.size() && children[at]->name == child->name) {
    children[at] = std::move(child);
  } else {
    children.insert(children.begin() + static_cast<std::ptrdiff_t>(at), std::move(child));
  }
}

void DropChild(std::vector<NodeRef>& children, std::string_view name) {
  const std::size_t at = LowerBound(children, name);
  if (at < children.size() && children[at]->name == name) {
    children.erase(children.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

}  // namespace veneer
