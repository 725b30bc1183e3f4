// Shared libraries that most guests have no use for, loaded when one has.
#pragma once

#include <string_view>

#include "veneer/vmm/base/result.h"

namespace veneer {

// A library that stays loaded until the process ends. Any thread.
class LoadedLibrary {
 public:
  // `name`: as the dynamic linker knows it. HostError that says what needs it and names Debian's
  // `package`, if it is not there.
  static Result<LoadedLibrary> Load(const char* name, std::string_view what_needs_it,
                                    std::string_view package);

  // Finds the function `name`, whose type is `function`'s. HostError if there is none.
  template <typename Function>
  Result<void> Find(const char* name, Function*& function) const {
    VENEER_TRY_ASSIGN(void* const found, FindSymbol(name));
    // dlsym() has one type for everything.
    function = reinterpret_cast<Function*>(found);
    return {};
  }

 private:
  LoadedLibrary(void* handle, std::string_view name) : handle_(handle), name_(name) {}
  Result<void*> FindSymbol(const char* name) const;

  void* handle_;
  std::string_view name_;
};

}  // namespace veneer
