// Looking up and changing a node's sorted list of children.
#pragma once

#include <string_view>
#include <vector>

#include "tree.h"

namespace veneer {

// Null if there is none of that name.
NodeRef FindChild(const std::vector<NodeRef>& children, std::string_view name);

// Adds `child`, or replaces the one of the same name.
void PutChild(std::vector<NodeRef>& children, NodeRef child);

// No effect if there is none of that name.
void DropChild(std::vector<NodeRef>& children, std::string_view name);

}  // namespace veneer
