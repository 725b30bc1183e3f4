#include "veneer/host/seed/seed.h"

#include <vector>

#include "iso_image.h"
#include "seed_files.h"

namespace veneer {

Result<UniqueFd> MakeSeed(const SeedConfig& config, std::string_view name) {
  VENEER_TRY_ASSIGN(const std::vector<SeedFile> files, SeedFiles(config, name));
  return MakeIsoImage("cidata", files);
}

}  // namespace veneer
