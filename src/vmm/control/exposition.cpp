#include "exposition.h"

#include <fmt/core.h>

namespace veneer {
namespace {

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n') {
      escaped += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') {
      escaped += '\\';
    }
    escaped += c;
  }
  return escaped;
}

std::string Number(double value) { return fmt::format("{}", value); }

}  // namespace

void Exposition::Counter(std::string_view family, std::string_view help, const Labels& labels,
                         std::uint64_t value) {
  Add(family, "counter", help, Sample(family, labels, std::to_string(value)));
}

void Exposition::CounterOfSeconds(std::string_view family, std::string_view help,
                                  const Labels& labels, double value) {
  Add(family, "counter", help, Sample(family, labels, Number(value)));
}

void Exposition::Gauge(std::string_view family, std::string_view help, const Labels& labels,
                       double value) {
  Add(family, "gauge", help, Sample(family, labels, Number(value)));
}

void Exposition::Untyped(std::string_view family, std::string_view help, const Labels& labels,
                         std::uint64_t value) {
  Add(family, "untyped", help, Sample(family, labels, std::to_string(value)));
}

void Exposition::Histogram(std::string_view family, std::string_view help, const Labels& labels,
                           const std::map<double, std::uint64_t>& counts, std::uint64_t rest,
                           double sum) {
  const std::string name(family);
  std::string lines;
  std::uint64_t total = 0;
  const auto bucket = [&](const std::string& bound) {
    Labels with_bound = labels;
    with_bound.emplace_back("le", bound);
    lines += Sample(name + "_bucket", with_bound, std::to_string(total));
  };
  for (const auto& [bound, count] : counts) {
    total += count;
    bucket(Number(bound));
  }
  total += rest;
  bucket("+Inf");
  lines += Sample(name + "_sum", labels, Number(sum));
  lines += Sample(name + "_count", labels, std::to_string(total));
  Add(family, "histogram", help, std::move(lines));
}

std::string Exposition::Text() const {
  std::string text;
  for (const auto& [name, family] : families_) {
    text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, family.help, name, family.type);
    for (const std::string& line : family.lines) {
      text += line;
    }
  }
  return text;
}

void Exposition::Add(std::string_view family, std::string_view type, std::string_view help,
                     std::string line) {
  auto known = families_.find(family);
  if (known == families_.end()) {
    known = families_.emplace(std::string(family), Family{type, Escape(help), {}}).first;
  }
  known->second.lines.push_back(std::move(line));
}

std::string Exposition::Sample(std::string_view name, const Labels& labels,
                               std::string_view value) const {
  std::string text(name);
  char before = '{';
  for (const Labels* const some : {&common_, &labels}) {
    for (const auto& [label, content] : *some) {
      text += fmt::format("{}{}=\"{}\"", before, label, Escape(content));
      before = ',';
    }
  }
  text += before == '{' ? " " : "} ";
  return fmt::format("{}{}\n", text, value);
}

}  // namespace veneer
