#include "veneer/vmm/boot/e820.h"

#include <algorithm>
#include <limits>

namespace veneer {
namespace {

constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max();

std::uint64_t End(const E820Entry& entry) { return entry.base.value + entry.size; }

// Lays `top` over `map`, cutting what lies beneath.
void Paint(std::vector<E820Entry>& map, E820Entry top) {
  top.size = std::min(top.size, kLast - top.base.value);
  if (top.size == 0) {
    return;
  }
  std::vector<E820Entry> result;
  for (const E820Entry& entry : map) {
    if (entry.base < top.base) {
      const std::uint64_t end = std::min(End(entry), top.base.value);
      result.push_back(E820Entry{entry.base, end - entry.base.value, entry.type});
    }
    if (End(entry) > End(top)) {
      const Gpa base{std::max(entry.base.value, End(top))};
      result.push_back(E820Entry{base, End(entry) - base.value, entry.type});
    }
  }
  result.push_back(top);
  map = std::move(result);
}

void SortAndMerge(std::vector<E820Entry>& map) {
  std::sort(map.begin(), map.end(),
            [](const E820Entry& a, const E820Entry& b) { return a.base < b.base; });
  std::vector<E820Entry> result;
  for (const E820Entry& entry : map) {
    if (!result.empty() && result.back().type == entry.type &&
        End(result.back()) == entry.base.value) {
      result.back().size += entry.size;
    } else {
      result.push_back(entry);
    }
  }
  map = std::move(result);
}

}  // namespace

std::vector<E820Entry> BuildE820(std::span<const GuestMemory::Range> ram,
                                 std::span<const E820Entry> special) {
  std::vector<E820Entry> map;
  for (const GuestMemory::Range& range : ram) {
    Paint(map, E820Entry{range.base, range.size, E820Type::kRam});
  }
  Paint(map, E820Entry{kLegacyAreaBase, kLegacyAreaEnd.value - kLegacyAreaBase.value,
                       E820Type::kReserved});
  for (const E820Entry& entry : special) {
    Paint(map, entry);
  }
  SortAndMerge(map);
  return map;
}

}  // namespace veneer
