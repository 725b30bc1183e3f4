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
  // Where the words come from: what the loader or BIOS tells its console or log, or the serial
  // port, which a BIOS hands on to whatever it boots.
  enum class Heard { kFromItself, kOnTheSerialPort };
  BootTrouble(BootKind kind, Heard heard);

  // Any thread: what has been printed, in pieces of any size. The words are the guest's own, so
  // that they are worth a warning and no more. Returns it, at the first time; else nothing.
  std::string_view OnOutput(std::span<const std::byte> output);

 private:
  struct Sign {
    std::string_view said;
    std::string_view meaning;
  };
  static std::span<const Sign> SignsOf(BootKind kind, Heard heard);

  const std::span<const Sign> signs_;
  const std::size_t longest_;  // of what they say, bytes
  Mutex mutex_;
  bool over_ GUARDED_BY(mutex_);
  std::size_t heard_ GUARDED_BY(mutex_) = 0;  // bytes
  std::string end_ GUARDED_BY(mutex_);        // of what has been printed: less than the longest
};

}  // namespace veneer
