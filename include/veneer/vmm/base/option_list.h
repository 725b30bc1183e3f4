// Lists of KEY=VALUE behind one option (--disk, --net), separated by commas; a comma in a value is
// written twice. All errors are UsageErrors that name the key.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "veneer/vmm/base/result.h"

namespace veneer {

// Splits at single commas; two stand for one.
std::vector<std::string> SplitOptionList(std::string_view text);
// The other way round, for one part.
std::string DoubleCommas(std::string_view part);

// The list with the value of each KEY=VALUE as `change` makes it.
Result<std::string> ChangeOptionValues(
    std::string_view text,
    const std::function<Result<std::string>(std::string_view key, std::string_view value)>& change);

// A whole number that fits; nothing for any other text.
std::optional<std::uint64_t> ParseWhole(std::string_view text);
// A whole number from `least` to `most`.
Result<std::uint64_t> ParseOptionNumber(std::string_view key, std::string_view text,
                                        std::uint64_t least, std::uint64_t most);
// A whole number with K, M, G or T (or small letters) for the powers of `unit`, and `plain` for
// none. Nothing for what is not that, or does not fit.
std::optional<std::uint64_t> ParseScaled(std::string_view text, std::uint64_t unit,
                                         std::uint64_t plain);
// The same for bytes: powers of 1024, which may be followed by B or iB; a B alone is a byte.
std::optional<std::uint64_t> ParseBytes(std::string_view text, std::uint64_t plain);
// A whole number above 0, with K, M, G or T for `unit`, its square and so on.
Result<std::uint64_t> ParseOptionRate(std::string_view key, std::string_view text,
                                      std::uint64_t unit);
// "on" or "off".
Result<bool> ParseOptionSwitch(std::string_view key, std::string_view text);

// What a key of the list does to a `Target`.
template <typename Target>
struct OptionKey {
  std::string_view name;
  Result<void> (Target::*set)(std::string_view key, std::string_view value);
  bool repeatable = false;
};

namespace internal {

// A part of a list as name and value, once it is known to be complete.
struct OptionPart {
  std::string_view name;
  std::string_view value;
};
Result<OptionPart> SplitOptionPart(std::string_view part);
tl::unexpected<Error> UnknownKey(std::string_view name, const std::vector<std::string_view>& known);

}  // namespace internal

// Sets what `parts` say, in their order; returns the names of the keys that were there.
template <typename Target>
Result<std::set<std::string, std::less<>>> SetOptions(
    std::span<const std::string> parts,
    std::type_identity_t<std::span<const OptionKey<Target>>> keys, Target& target) {
  std::set<std::string, std::less<>> seen;
  for (const std::string& part : parts) {
    const std::string_view name = std::string_view(part).substr(0, part.find('='));
    const OptionKey<Target>* found = nullptr;
    std::vector<std::string_view> known;
    for (const OptionKey<Target>& key : keys) {
      known.push_back(key.name);
      found = key.name == name ? &key : found;
    }
    if (found == nullptr) {
      return internal::UnknownKey(name, known);
    }
    VENEER_TRY_ASSIGN(const internal::OptionPart split, internal::SplitOptionPart(part));
    if (!seen.emplace(name).second && !found->repeatable) {
      return UsageError("the key {} is given twice", name);
    }
    VENEER_TRY((target.*found->set)(split.name, split.value));
  }
  return seen;
}

}  // namespace veneer
