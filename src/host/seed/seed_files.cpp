#include "seed_files.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <sstream>

#include <nlohmann/json.hpp>

#include "veneer/vmm/base/text_file.h"
#include "yaml_check.h"

namespace veneer {
namespace {

constexpr std::size_t kLargestFile = std::size_t{1} << 20U;  // bytes

// By how user-data begins, cloud-init knows what it is (its documentation, "User data formats").
constexpr std::string_view kCloudConfig = "#cloud-config";
constexpr std::array<std::string_view, 10> kOtherBeginnings{
    "#!",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "## template: jinja",
    "Content-Type:",
    "MIME-Version:",
    "From ",
    "\x1f\x8b",        // gzip
    "#cloud-config-",  // an archive, or a JSON patch
};

bool BeginsAsAnyOther(std::string_view text) {
  return std::ranges::any_of(kOtherBeginnings,
                             [text](std::string_view start) { return text.starts_with(start); });
}

Result<void> CheckUserData(std::string_view text) {
  if (BeginsAsAnyOther(text)) {
    return {};
  }
  if (!text.starts_with(kCloudConfig)) {
    return UsageError(
        "cloud-init does not know what it is: let its first line be {}, or #! and the path of a "
        "shell for a script",
        kCloudConfig);
  }
  return CheckYamlMapping(text);
}

Result<std::string> ReadChecked(const std::string& path, std::string_view what,
                                Result<void> (*check)(std::string_view text)) {
  Result<std::string> text = ReadTextFile(path, kLargestFile);
  if (!text) {
    return WithContext(std::move(text).error(), what);
  }
  if (Result<void> good = check(*text); !good) {
    return WithContext(std::move(good).error(), fmt::format("{} '{}'", what, path));
  }
  return text;
}

// The public part of a key: type, the base64 of its length and of itself, and perhaps a comment.
// The length's first bytes are zero.
bool IsPublicKey(std::string_view line) { return line.find(" AAAA") != std::string_view::npos; }

Result<std::vector<std::string>> ReadKeys(const std::string& path) {
  Result<std::string> text = ReadTextFile(path, kLargestFile);
  if (!text) {
    return WithContext(std::move(text).error(), "--ssh-key");
  }
  if (text->find("PRIVATE KEY-----") != std::string::npos) {
    return UsageError(
        "--ssh-key: '{}' is a private key, which no guest may have; name the public one, most "
        "likely '{}.pub'",
        path, path);
  }
  std::vector<std::string> keys;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos || line.front() == '#') {
      continue;
    }
    if (!IsPublicKey(line)) {
      return UsageError(
          "--ssh-key: '{}' has a line that is no public key such as 'ssh-ed25519 AAAA...'", path);
    }
    keys.push_back(std::move(line));
  }
  if (keys.empty()) {
    return UsageError("--ssh-key: '{}' has no public key", path);
  }
  return keys;
}

// JSON, which is YAML.
Result<std::string> MakeMetaData(const SeedConfig& config, std::string_view name) {
  std::string hostname = config.hostname;
  if (hostname.empty()) {
    hostname = name;
    // The one character of guests' names that host names do not have.
    std::ranges::replace(hostname, '_', '-');
  }
  nlohmann::ordered_json data{{"instance-id", name}, {"local-hostname", hostname}};
  if (!config.ssh_key.empty()) {
    VENEER_TRY_ASSIGN(data["public-keys"], ReadKeys(config.ssh_key));
  }
  // Lines of the user's that are no UTF-8 are none of ours to refuse.
  return data.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<std::vector<SeedFile>> SeedFiles(const SeedConfig& config, std::string_view name) {
  if (!config.meta_data.empty() && !config.ssh_key.empty()) {
    return UsageError(
        "--ssh-key and meta-data=FILE contradict each other: write the key into that file, as a "
        "member of public-keys");
  }
  std::vector<SeedFile> files;
  // cloud-init takes a disk without one of the first two for no seed.
  SeedFile& user = files.emplace_back("user-data", fmt::format("{}\n", kCloudConfig));
  if (!config.user_data.empty()) {
    VENEER_TRY_ASSIGN(user.content, ReadChecked(config.user_data, "user-data", &CheckUserData));
  }
  SeedFile& meta = files.emplace_back("meta-data", std::string());
  if (!config.meta_data.empty()) {
    VENEER_TRY_ASSIGN(meta.content, ReadChecked(config.meta_data, "meta-data", &CheckYamlMapping));
  } else {
    VENEER_TRY_ASSIGN(meta.content, MakeMetaData(config, name));
  }
  if (!config.network.empty()) {
    SeedFile& network = files.emplace_back("network-config", std::string());
    VENEER_TRY_ASSIGN(network.content, ReadChecked(config.network, "network", &CheckYamlMapping));
  }
  return files;
}

}  // namespace veneer
