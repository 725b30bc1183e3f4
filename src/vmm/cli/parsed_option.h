// Command line options whose text is read by functions of ours, so that errors are our sentences.
#pragma once

#include <string>
#include <utility>

#include <CLI/App.hpp>

#include "veneer/vmm/base/result.h"

namespace veneer {

// Adds an option whose text `parse` turns into a Result<T>.
template <typename T, typename Parse>
CLI::Option* AddParsed(CLI::App& command, const std::string& name, T& target, Parse parse,
                       const std::string& help, const std::string& type,
                       const std::string& default_text) {
  return command
      .add_option_function<std::string>(
          name,
          [&target, parse, name](const std::string& text) {
            Result<T> value = parse(text);
            if (!value) {
              throw CLI::ValidationError(name, value.error().message);
            }
            target = std::move(value).value();
          },
          help)
      ->type_name(type)
      ->default_str(default_text);
}

// A whole number of seconds, at most a year.
Result<unsigned> ParseSeconds(const std::string& text);

}  // namespace veneer
