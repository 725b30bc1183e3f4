// A checked xenstore path: the rules of Xen's xenstore.txt ("Paths are /-separated ...").
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

// Absolute, without doubled or trailing slashes; "/" is the root.
class StorePath {
 public:
  static constexpr std::size_t kMaxAbsolute = 3072;  // bytes, XENSTORE_ABS_PATH_MAX
  static constexpr std::size_t kMaxRelative = 2048;  // bytes, XENSTORE_REL_PATH_MAX

  // `text` relative to `home` if it does not begin with a slash; without a home it has to be
  // absolute. Nothing for a malformed path.
  static std::optional<StorePath> Parse(std::string_view text,
                                        const std::optional<std::string>& home);

  const std::string& text() const { return text_; }
  bool IsRoot() const { return text_.size() == 1; }
  // Of the root: the root.
  StorePath Parent() const;
  // From the root downwards; views into this object.
  std::vector<std::string_view> Components() const;

 private:
  explicit StorePath(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// "@something": the name of an event that is not about a node.
bool IsSpecialName(std::string_view text);

// Whether `path` is `ancestor` itself or lies below it.
bool IsAtOrBelow(std::string_view path, std::string_view ancestor);

}  // namespace veneer
