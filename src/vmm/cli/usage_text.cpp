#include "usage_text.h"

#include <vector>

#include <fmt/core.h>

#include "nearest_word.h"

namespace veneer {

std::string UsageText(const CLI::App& command, const CLI::ParseError& error) {
  const std::vector<std::string> unknown = command.remaining(/*recurse=*/true);
  if (unknown.empty()) {
    return error.what();
  }
  const std::string word = unknown.front().substr(0, unknown.front().find('='));
  if (!word.starts_with('-')) {
    return fmt::format("'{}' is not expected here; it follows no option", unknown.front());
  }
  const std::vector<CLI::App*> chosen = static_cast<const CLI::App&>(command).get_subcommands();
  const CLI::App& asked = chosen.empty() ? command : *chosen.front();
  std::vector<std::string> known;
  for (const CLI::Option* option : asked.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      known.push_back("--" + name);
    }
  }
  const std::string nearest = NearestWord(word, known);
  return fmt::format(
      "there is no option '{}'{}", word,
      nearest.empty() ? std::string() : fmt::format("; did you mean '{}'?", nearest));
}

}  // namespace veneer
