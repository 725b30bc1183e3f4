#include "store_path.h"

#include <algorithm>

namespace veneer {
namespace {

bool IsPathCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '/' || c == '_' || c == '@';
}

bool HasOnlyPathCharacters(std::string_view text) {
  return std::all_of(text.begin(), text.end(), IsPathCharacter);
}

bool IsWellFormed(std::string_view path) {
  if (path == "/") {
    return true;
  }
  return path.size() > 1 && path.front() == '/' && path.back() != '/' &&
         path.find("//") == std::string_view::npos && HasOnlyPathCharacters(path);
}

}  // namespace

std::optional<StorePath> StorePath::Parse(std::string_view text,
                                          const std::optional<std::string>& home) {
  if (text.empty() || text.size() > kMaxAbsolute) {
    return std::nullopt;
  }
  std::string path;
  if (text.front() != '/') {
    if (!home || text.size() > kMaxRelative) {
      return std::nullopt;
    }
    path.append(*home).append(1, '/');
  }
  path.append(text);
  if (!IsWellFormed(path)) {
    return std::nullopt;
  }
  return StorePath(std::move(path));
}

StorePath StorePath::Parent() const {
  const std::size_t slash = text_.rfind('/');
  return StorePath(slash == 0 ? "/" : text_.substr(0, slash));
}

std::vector<std::string_view> StorePath::Components() const {
  std::vector<std::string_view> components;
  if (IsRoot()) {
    return components;
  }
  std::string_view rest = std::string_view(text_).substr(1);
  for (std::size_t slash = rest.find('/'); slash != std::string_view::npos;
       slash = rest.find('/')) {
    components.push_back(rest.substr(0, slash));
    rest.remove_prefix(slash + 1);
  }
  components.push_back(rest);
  return components;
}

bool IsSpecialName(std::string_view text) {
  return text.size() > 1 && text.size() <= StorePath::kMaxRelative && text.front() == '@' &&
         HasOnlyPathCharacters(text);
}

bool IsAtOrBelow(std::string_view path, std::string_view ancestor) {
  if (ancestor == "/") {
    return !path.empty() && path.front() == '/';
  }
  return path.size() >= ancestor.size() && path.substr(0, ancestor.size()) == ancestor &&
         (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

}  // namespace veneer
