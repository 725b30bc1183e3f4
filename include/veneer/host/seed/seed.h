// A seed for cloud-init, the program by which cloud images take their host name, users and keys at
// the first boot: a small CD-ROM file system named "cidata" (cloud-init's documentation, data
// source NoCloud).
#pragma once

#include <string>
#include <string_view>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// What the user says about it (--cloud-init, --ssh-key), as plain data.
struct SeedConfig {
  // Paths of files; empty: none.
  std::string user_data;
  std::string meta_data;
  std::string network;  // network-config
  std::string ssh_key;  // public keys, one a line

  std::string hostname;  // empty: the guest's name

  bool wanted() const {
    return !user_data.empty() || !meta_data.empty() || !network.empty() || !ssh_key.empty() ||
           !hostname.empty();
  }
};

// "user-data=FILE[,meta-data=FILE][,network=FILE][,hostname=NAME]", of which at least one; a comma
// in a value is written twice. UsageError names the key that is unknown, repeated or has a wrong
// value.
Result<SeedConfig> ParseSeed(std::string_view text);

// A memory file that nobody can change, with the seed of the guest `name`; gone when nobody has it
// open. Its files have been looked at as far as cloud-init would only complain inside the guest:
// UsageError says of which what is wrong. HostError if libarchive is not there.
Result<UniqueFd> MakeSeed(const SeedConfig& config, std::string_view name);

}  // namespace veneer
