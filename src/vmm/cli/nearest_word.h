// What somebody who has mistyped a word may have meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace veneer {

// The word that is the fewest changes of single letters, or swaps of neighbours, away from `typed`;
// empty if none is near. Of several the first.
std::string NearestWord(std::string_view typed, std::span<const std::string> words);

}  // namespace veneer
