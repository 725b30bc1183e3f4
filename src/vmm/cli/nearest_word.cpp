#include "nearest_word.h"

#include <algorithm>
#include <vector>

namespace veneer {
namespace {

constexpr std::size_t kLongestWord = 64;

// The optimal string alignment distance: insertions, deletions, changes, swaps of neighbours.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    last[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(now);
  }
  return last[b.size()];
}

}  // namespace

std::string NearestWord(std::string_view typed, std::span<const std::string> words) {
  if (typed.size() > kLongestWord) {
    return {};
  }
  // A third of the letters, but never so many that anything would do.
  std::size_t best = std::clamp<std::size_t>(typed.size() / 3, 1, 3) + 1;
  std::string nearest;
  for (const std::string& word : words) {
    const std::size_t distance = word.size() > kLongestWord ? best : Distance(typed, word);
    if (distance < best && distance < word.size()) {
      best = distance;
      nearest = word;
    }
  }
  return nearest;
}

}  // namespace veneer
