#include "nbd_api.h"

#include "veneer/vmm/base/loaded_library.h"

namespace veneer {
namespace {

Result<NbdApi> Load() {
  VENEER_TRY_ASSIGN(const LoadedLibrary library,
                    LoadedLibrary::Load("libnbd.so.0", "an NBD or qcow2 disk", "libnbd0"));
  NbdApi api;
#define VENEER_NBD_FIND(name) VENEER_TRY(library.Find("nbd_" #name, api.name));
  VENEER_NBD_FUNCTIONS(VENEER_NBD_FIND)
#undef VENEER_NBD_FIND
  return api;
}

}  // namespace

Result<const NbdApi*> LoadNbdApi() {
  // Never destroyed: a disk may be being opened while the process ends.
  static const Result<NbdApi>& loaded = *new Result<NbdApi>(Load());
  if (!loaded) {
    return tl::unexpected(loaded.error());
  }
  return &*loaded;
}

}  // namespace veneer
