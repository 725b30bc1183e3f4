#include "slirp_api.h"

#include "veneer/vmm/base/loaded_library.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/mutex.h"

namespace veneer {
namespace {

// GLib's warnings: a guest can cause some, as often as it likes.
void OnGlibMessage(const char* domain, int, const char* message, void*) {
  static LogLimiter limiter;
  LogGuest(limiter, "{}: {}", domain != nullptr ? domain : "GLib",
           message != nullptr ? message : "");
}

void LimitGlibMessages(const LoadedLibrary& library) {
  using Handler = void (*)(const char*, int, const char*, void*);
  Handler (*set)(Handler, void*) = nullptr;
  if (library.Find("g_log_set_default_handler", set)) {
    set(&OnGlibMessage, nullptr);
  }
}

Result<SlirpApi> Load() {
  VENEER_TRY_ASSIGN(const LoadedLibrary library,
                    LoadedLibrary::Load("libslirp.so.0", "a user-mode network", "libslirp0"));
  SlirpApi api;
#define VENEER_SLIRP_FIND(name) VENEER_TRY(library.Find("slirp_" #name, api.name##_));
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
