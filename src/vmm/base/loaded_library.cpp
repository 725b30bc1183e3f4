#include "veneer/vmm/base/loaded_library.h"

#include <dlfcn.h>

namespace veneer {

Result<LoadedLibrary> LoadedLibrary::Load(const char* name, std::string_view what_needs_it,
                                          std::string_view package) {
  void* const handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return HostError("{} needs the library {}; install Debian's package {}", what_needs_it, name,
                     package);
  }
  return LoadedLibrary(handle, name);
}

Result<void*> LoadedLibrary::FindSymbol(const char* name) const {
  void* const found = dlsym(handle_, name);
  if (found == nullptr) {
    return HostError("{} has no function {}; install a newer one", name_, name);
  }
  return found;
}

}  // namespace veneer
