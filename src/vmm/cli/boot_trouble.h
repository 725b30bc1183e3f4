// Notices that a boot loader or a BIOS waits because it found nothing to boot, for the user who
// does not look at the guest's screen.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/machine/machine_config.h"

namespace veneer {

class BootTrouble {
 public:
  explicit BootTrouble(BootKind kind);

  // Any thread: what the loader has printed, in pieces of any size. The words are the guest's own,
  // so that they are worth a warning and no more. Returns it, at the first time; else nothing.
  std::string_view OnOutput(std::span<const std::byte> output);

 private:
  struct Sign {
    std::string_view said;
    std::string_view meaning;
  };
  static Sign SignOf(BootKind kind);

  const Sign sign_;
  Mutex mutex_;
  bool over_ GUARDED_BY(mutex_);
  std::string end_ GUARDED_BY(mutex_);  // of what has been printed: less than the sign
};

}  // namespace veneer
