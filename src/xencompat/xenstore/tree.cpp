#include "tree.h"

#include <utility>

#include "node_children.h"

namespace veneer {
namespace {

// The nodes from the root down to the deepest that exists; at most one more than `components`.
std::vector<NodeRef> Descend(const NodeRef& root, const std::vector<std::string_view>& components) {
  std::vector<NodeRef> chain{root};
  for (const std::string_view name : components) {
    NodeRef child = FindChild(chain.back()->children, name);
    if (!child) {
      break;
    }
    chain.push_back(std::move(child));
  }
  return chain;
}

// The new root once the last node of `chain` has become `changed`.
NodeRef Rebuild(const std::vector<NodeRef>& chain, NodeRef changed) {
  for (std::size_t i = chain.size() - 1; i-- > 0;) {
    auto copy = std::make_shared<Node>(*chain[i]);
    PutChild(copy->children, std::move(changed));
    changed = std::move(copy);
  }
  return changed;
}

}  // namespace

NodeRef MakeNode(std::string name, NodeContent content, std::uint64_t generation) {
  return std::make_shared<Node>(
      Node{std::move(name), std::make_shared<NodeContent>(std::move(content)), {}, generation});
}

NodeRef FindNode(const NodeRef& root, const StorePath& path) {
  NodeRef node = root;
  for (const std::string_view name : path.Components()) {
    node = FindChild(node->children, name);
    if (!node) {
      break;
    }
  }
  return node;
}

NearestNode FindNearest(const NodeRef& root, const StorePath& path) {
  const auto components = path.Components();
  const std::vector<NodeRef> chain = Descend(root, components);
  const std::size_t missing = components.size() - (chain.size() - 1);
  StorePath nearest = path;
  for (std::size_t i = 0; i < missing; ++i) {
    nearest = nearest.Parent();
  }
  return {chain.back(), std::move(nearest), missing};
}

NodeRef WithContent(const NodeRef& root, const StorePath& path, NodeContent content,
                    std::uint64_t generation) {
  const std::vector<NodeRef> chain = Descend(root, path.Components());
  auto copy = std::make_shared<Node>(*chain.back());
  copy->content = std::make_shared<NodeContent>(std::move(content));
  copy->generation = generation;
  return Rebuild(chain, std::move(copy));
}

NodeRef WithNode(const NodeRef& root, const StorePath& path, const XsPermissions& permissions,
                 std::string value, std::uint64_t generation) {
  const auto components = path.Components();
  const std::vector<NodeRef> chain = Descend(root, components);
  NodeRef created =
      MakeNode(std::string(components.back()), {std::move(value), permissions}, generation);
  for (std::size_t i = components.size() - 1; i >= chain.size(); --i) {
    auto parent =
        std::make_shared<Node>(Node{std::string(components[i - 1]),
                                    std::make_shared<NodeContent>(NodeContent{"", permissions}),
                                    {},
                                    generation});
    parent->children.push_back(std::move(created));
    created = std::move(parent);
  }
  auto anchor = std::make_shared<Node>(*chain.back());
  PutChild(anchor->children, std::move(created));
  anchor->generation = generation;
  return Rebuild(chain, std::move(anchor));
}

NodeRef WithoutNode(const NodeRef& root, const StorePath& path, std::uint64_t generation) {
  const auto components = path.Components();
  std::vector<NodeRef> chain = Descend(root, components);
  chain.pop_back();
  auto parent = std::make_shared<Node>(*chain.back());
  DropChild(parent->children, components.back());
  parent->generation = generation;
  return Rebuild(chain, std::move(parent));
}

}  // namespace veneer
