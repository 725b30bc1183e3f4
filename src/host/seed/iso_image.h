// A CD-ROM file system (ISO 9660 with Rock Ridge and Joliet names) made of a few small files.
#pragma once

#include <span>
#include <string_view>

#include "seed_files.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// A memory file that can no more be changed. `label`: up to 16 small letters. HostError if
// libarchive is not there.
Result<UniqueFd> MakeIsoImage(std::string_view label, std::span<const SeedFile> files);

}  // namespace veneer
