#include "boot_trouble.h"

namespace veneer {

BootTrouble::Sign BootTrouble::SignOf(BootKind kind) {
  switch (kind) {
    case BootKind::kPvhLoader:  // grub-core/normal/main.c, above its prompt
      return {
          "Minimal BASH-like line editing is supported",
          "GRUB found no /boot/grub/grub.cfg (or /grub/grub.cfg) on the guest's disks and waits "
          "at its prompt, on the console"};
    case BootKind::kFirmware:  // seabios/src/boot.c
      return {"No bootable device.",
              "the BIOS found nothing to boot: the guest's IDE disks have no boot sector, and its "
              "CD-ROMs no boot image"};
    case BootKind::kKernel:
      break;
  }
  return {};
}

BootTrouble::BootTrouble(BootKind kind) : sign_(SignOf(kind)), over_(sign_.said.empty()) {}

std::string_view BootTrouble::OnOutput(std::span<const std::byte> output) {
  const MutexLock lock(mutex_);
  if (over_) {
    return {};
  }
  // A view of bytes as the characters that they are.
  end_.append(reinterpret_cast<const char*>(output.data()), output.size());
  if (end_.find(sign_.said) != std::string::npos) {
    over_ = true;
    end_.clear();
    return sign_.meaning;
  }
  if (end_.size() >= sign_.said.size()) {
    end_.erase(0, end_.size() - sign_.said.size() + 1);
  }
  return {};
}

}  // namespace veneer
