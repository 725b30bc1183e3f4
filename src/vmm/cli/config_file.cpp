#include "config_file.h"

#include <algorithm>
#include <set>
#include <utility>

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// Some of its assertions fail for texts that are no TOML, which it says a moment later.
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>

#include "nearest_word.h"
#include "veneer/vmm/base/option_list.h"
#include "veneer/vmm/base/text_file.h"

namespace veneer {
namespace {

constexpr std::size_t kMaxFile = std::size_t{1} << 20U;
// What stands first in --net, without a key before it.
constexpr std::string_view kLinkKey = "link";

class ConfigParser {
 public:
  ConfigParser(const std::string& path, std::span<const ConfigOption> options)
      : path_(path), options_(options) {}

  Result<std::vector<ConfigEntry>> Parse(std::string_view text);

 private:
  std::string Place(const toml::source_region& where) const {
    return fmt::format("{}, line {}", path_, where.begin.line);
  }
  template <typename... Args>
  tl::unexpected<Error> Wrong(const toml::source_region& where, fmt::format_string<Args...> format,
                              Args&&... args) const {
    return UsageError("{}: {}", Place(where), fmt::format(format, std::forward<Args>(args)...));
  }
  const ConfigOption* Find(std::string_view name) const;
  bool IsSection(std::string_view name) const;
  tl::unexpected<Error> Unknown(const toml::key& key, std::string_view kind,
                                std::vector<std::string> known) const;
  Result<void> TakeSection(const toml::key& key, const toml::table& section);
  Result<void> TakeOption(const toml::key& key, const toml::node& value,
                          const ConfigOption& option);
  // What the command line has for `value`.
  Result<std::string> Scalar(std::string_view name, const toml::node& value) const;
  Result<std::string> FromTable(std::string_view name, const toml::table& table) const;
  Result<std::string> OneOf(std::string_view name, const toml::node& value) const;

  const std::string& path_;
  const std::span<const ConfigOption> options_;
  std::set<std::string> taken_;
  std::vector<ConfigEntry> entries_;
};

// A file is written from the beginning: what comes first in it comes first here too.
std::vector<std::pair<const toml::key*, const toml::node*>> InOrder(const toml::table& table) {
  std::vector<std::pair<const toml::key*, const toml::node*>> members;
  for (const auto& [key, node] : table) {
    members.emplace_back(&key, &node);
  }
  std::ranges::sort(members, [](const auto& a, const auto& b) {
    const toml::source_position& first = a.first->source().begin;
    const toml::source_position& second = b.first->source().begin;
    return std::pair(first.line, first.column) < std::pair(second.line, second.column);
  });
  return members;
}

Result<std::vector<ConfigEntry>> ConfigParser::Parse(std::string_view text) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Wrong(error.source(), "{}; each line is like cpus = 2 or, with quotes, memory = \"1G\"",
                 error.description());
  }
  for (const auto& [key, node] : InOrder(parsed.table())) {
    const ConfigOption* const option = Find(key->str());
    const toml::table* const table = node->as_table();
    // There is an option --xen and a section of that name.
    if (table != nullptr && (option == nullptr || IsSection(key->str()))) {
      VENEER_TRY(TakeSection(*key, *table));
    } else if (option != nullptr) {
      VENEER_TRY(TakeOption(*key, *node, *option));
    } else {
      std::vector<std::string> known;
      for (const ConfigOption& one : options_) {
        known.push_back(one.name);
      }
      return Unknown(*key, "option", std::move(known));
    }
  }
  return std::move(entries_);
}

const ConfigOption* ConfigParser::Find(std::string_view name) const {
  const auto it = std::ranges::find(options_, name, &ConfigOption::name);
  return it == options_.end() ? nullptr : &*it;
}

bool ConfigParser::IsSection(std::string_view name) const {
  return std::ranges::find(options_, name, &ConfigOption::section) != options_.end();
}

tl::unexpected<Error> ConfigParser::Unknown(const toml::key& key, std::string_view kind,
                                            std::vector<std::string> known) const {
  const std::string nearest = NearestWord(key.str(), known);
  return Wrong(key.source(), "there is no {} '{}'{}", kind, key.str(),
               nearest.empty() ? std::string() : fmt::format("; did you mean '{}'?", nearest));
}

Result<void> ConfigParser::TakeSection(const toml::key& key, const toml::table& section) {
  if (!IsSection(key.str())) {
    std::vector<std::string> known;
    for (const ConfigOption& one : options_) {
      known.push_back(one.section);
    }
    return Unknown(key, "section", std::move(known));
  }
  for (const auto& [name, node] : InOrder(section)) {
    const ConfigOption* const option = Find(name->str());
    if (option == nullptr) {
      std::vector<std::string> known;
      for (const ConfigOption& one : options_) {
        if (one.section == key.str()) {
          known.push_back(one.name);
        }
      }
      return Unknown(*name, fmt::format("option of section [{}]", key.str()), std::move(known));
    }
    if (option->section != key.str()) {
      return Wrong(name->source(), "'{}' belongs in section [{}], not in [{}]", option->name,
                   option->section, key.str());
    }
    VENEER_TRY(TakeOption(*name, *node, *option));
  }
  return {};
}

Result<void> ConfigParser::TakeOption(const toml::key& key, const toml::node& value,
                                      const ConfigOption& option) {
  if (!taken_.insert(option.name).second) {
    return Wrong(key.source(), "'{}' is there twice{}", option.name,
                 option.repeatable ? fmt::format("; write {} = [\"…\", \"…\"]", option.name) : "");
  }
  ConfigEntry entry{option.name, {}, Place(key.source())};
  if (const toml::array* const array = value.as_array(); array != nullptr && option.repeatable) {
    for (const toml::node& one : *array) {
      VENEER_TRY_ASSIGN(std::string text, OneOf(option.name, one));
      entry.values.push_back(std::move(text));
    }
  } else if (option.repeatable) {
    VENEER_TRY_ASSIGN(std::string text, OneOf(option.name, value));
    entry.values.push_back(std::move(text));
  } else {
    VENEER_TRY_ASSIGN(std::string text, Scalar(option.name, value));
    entry.values.push_back(std::move(text));
  }
  entries_.push_back(std::move(entry));
  return {};
}

Result<std::string> ConfigParser::Scalar(std::string_view name, const toml::node& value) const {
  if (const auto* const text = value.as_string()) {
    if (text->get().find('\0') != std::string::npos) {
      return Wrong(value.source(), "'{}' holds a NUL character", name);
    }
    return text->get();
  }
  if (const auto* const number = value.as_integer()) {
    return fmt::format("{}", number->get());
  }
  if (const auto* const flag = value.as_boolean()) {
    return std::string(flag->get() ? "on" : "off");
  }
  return Wrong(value.source(), "'{}' takes one text, whole number, true or false", name);
}

Result<std::string> ConfigParser::OneOf(std::string_view name, const toml::node& value) const {
  const toml::table* const table = value.as_table();
  return table != nullptr ? FromTable(name, *table) : Scalar(name, value);
}

Result<std::string> ConfigParser::FromTable(std::string_view name, const toml::table& table) const {
  std::string first;
  std::string rest;
  for (const auto& [key, node] : InOrder(table)) {
    if (key->str() == kLinkKey) {
      VENEER_TRY_ASSIGN(first, Scalar(key->str(), *node));
      continue;
    }
    const toml::array* const several = node->as_array();
    const std::size_t count = several == nullptr ? 1 : several->size();
    for (std::size_t i = 0; i < count; ++i) {
      const toml::node& one = several == nullptr ? *node : *several->get(i);
      VENEER_TRY_ASSIGN(const std::string value, Scalar(key->str(), one));
      rest += fmt::format(",{}={}", DoubleCommas(key->str()), DoubleCommas(value));
    }
  }
  if (first.empty() && rest.empty()) {
    return Wrong(table.source(), "this '{}' says nothing", name);
  }
  return first.empty() ? rest.substr(1) : DoubleCommas(first) + rest;
}

}  // namespace

Result<std::vector<ConfigEntry>> ParseConfig(std::string_view text, const std::string& path,
                                             std::span<const ConfigOption> options) {
  return ConfigParser(path, options).Parse(text);
}

Result<std::vector<ConfigEntry>> ReadConfigFile(const std::string& path,
                                                std::span<const ConfigOption> options) {
  const Result<std::string> text = ReadTextFile(path, kMaxFile);
  return text ? ParseConfig(*text, path, options) : WithContext(text.error(), "--config");
}

}  // namespace veneer
