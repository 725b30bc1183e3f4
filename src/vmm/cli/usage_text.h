// What is said about a command line that cannot be used.
#pragma once

#include <string>

#include <CLI/App.hpp>

namespace veneer {

// One sentence about why `command` has thrown `error`. A word that it does not know comes before
// all else, since what is missing may be what that word was to be, and names the nearest option.
std::string UsageText(const CLI::App& command, const CLI::ParseError& error);

}  // namespace veneer
