#include "nbd_api.h"

#include <dlfcn.h>

namespace veneer {
namespace {

constexpr const char* kLibrary = "libnbd.so.0";

template <typename Function>
bool Find(void* library, const char* name, Function& function) {
  // dlsym() has one type for everything.
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

Result<NbdApi> Load() {
  void* const library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return HostError("NBD and qcow2 disks need the library {}; install Debian's package libnbd0",
                     kLibrary);
  }
  NbdApi api;
#define VENEER_NBD_FIND(name)                                                               \
  if (!Find(library, "nbd_" #name, api.name)) {                                             \
    return HostError("{} has no function nbd_{}; install a newer libnbd", kLibrary, #name); \
  }
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
