#include "slirp_api.h"

#include <dlfcn.h>

#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/mutex.h"

namespace veneer {
namespace {

constexpr const char* kLibrary = "libslirp.so.0";

template <typename Function>
bool Find(void* library, const char* name, Function& function) {
  // dlsym() has one type for everything.
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

// GLib's warnings: a guest can cause some, as often as it likes.
void OnGlibMessage(const char* domain, int, const char* message, void*) {
  static LogLimiter limiter;
  LogGuest(limiter, "{}: {}", domain != nullptr ? domain : "GLib",
           message != nullptr ? message : "");
}

void LimitGlibMessages(void* library) {
  using Handler = void (*)(const char*, int, const char*, void*);
  using SetHandler = Handler (*)(Handler, void*);
  if (SetHandler set = nullptr; Find(library, "g_log_set_default_handler", set)) {
    set(&OnGlibMessage, nullptr);
  }
}

Result<SlirpApi> Load() {
  void* const library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return HostError("a user-mode network needs the library {}; install Debian's package libslirp0",
                     kLibrary);
  }
  SlirpApi api;
#define VENEER_SLIRP_FIND(name)                                                                 \
  if (!Find(library, "slirp_" #name, api.name##_)) {                                            \
    return HostError("{} has no function slirp_{}; install a newer libslirp", kLibrary, #name); \
  }
  VENEER_SLIRP_FUNCTIONS(VENEER_SLIRP_FIND)
#undef VENEER_SLIRP_FIND
  LimitGlibMessages(library);
  return api;
}

}  // namespace

Result<const SlirpApi*> LoadSlirpApi() {
  static const Result<SlirpApi> loaded = Load();
  if (!loaded) {
    return tl::unexpected(loaded.error());
  }
  return &*loaded;
}

Mutex& SlirpMutex() {
  static Mutex mutex;
  return mutex;
}

}  // namespace veneer
