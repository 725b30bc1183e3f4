#include "process_memory.h"

#include <cctype>
#include <charconv>
#include <fstream>
#include <iterator>

namespace veneer::bench {
namespace {

// The next word of `text`, which loses it and the blanks before it.
std::string_view TakeWord(std::string_view& text) {
  const std::size_t begin = std::min(text.find_first_not_of(' '), text.size());
  const std::size_t end = std::min(text.find(' ', begin), text.size());
  const std::string_view word = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return word;
}

// "7f00-7f10 r--p 00000000 fe:00 1234      /lib/x": the name may have blanks in it.
std::string MappingName(std::string_view line) {
  for (int i = 0; i < 5; ++i) {
    TakeWord(line);
  }
  const std::size_t begin = line.find_first_not_of(' ');
  return begin == std::string_view::npos ? "[anonymous]" : std::string(line.substr(begin));
}

}  // namespace

MemoryMap ParseSmaps(std::string_view text) {
  MemoryMap map;
  ResidentBytes* mapping = nullptr;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view whole = line;
    const std::string_view key = TakeWord(line);
    if (!key.ends_with(':')) {
      mapping = &map[MappingName(whole)];
      continue;
    }
    const std::string_view number = TakeWord(line);
    std::uint64_t kib = 0;
    std::from_chars(number.data(), number.data() + number.size(), kib);
    if (mapping == nullptr) {
      continue;
    }
    if (key == "Rss:") {
      mapping->rss += kib << 10U;
    } else if (key == "Pss:") {
      mapping->pss += kib << 10U;
    } else if (key == "Private_Clean:" || key == "Private_Dirty:") {
      mapping->own += kib << 10U;
    }
  }
  return map;
}

Result<MemoryMap> ReadMemory(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/smaps", pid));
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (text.empty()) {
    return HostError("cannot read /proc/{}/smaps", pid);
  }
  return ParseSmaps(text);
}

ResidentBytes SumBeside(const MemoryMap& map, std::string_view guest_ram) {
  ResidentBytes sum;
  for (const auto& [name, bytes] : map) {
    if (!name.starts_with(guest_ram)) {
      sum.rss += bytes.rss;
      sum.pss += bytes.pss;
      sum.own += bytes.own;
    }
  }
  return sum;
}

}  // namespace veneer::bench
