#include "boot_trouble.h"

#include <algorithm>

namespace veneer {
namespace {

// A loader has spoken by then. What follows is the system's, which may say anything.
constexpr std::size_t kEnough = std::size_t{64} << 10U;  // bytes

}  // namespace

std::span<const BootTrouble::Sign> BootTrouble::SignsOf(BootKind kind, Heard heard) {
  // grub-core/normal/main.c, above its prompt
  static constexpr Sign kOfGrub[] = {
      {"Minimal BASH-like line editing is supported",
       "GRUB found no /boot/grub/grub.cfg (or /grub/grub.cfg) on the guest's disks and waits at "
       "its prompt, on the console"}};
  // seabios/src/boot.c
  static constexpr Sign kOfSeaBios[] = {
      {"No bootable device.",
       "the BIOS found nothing to boot: the guest's IDE disks have no boot sector, and its "
       "CD-ROMs no boot image"}};
  // The prompts alone: a screen of GRUB's comes with commands between the words.
  static constexpr Sign kOfGrubOnDisk[] = {
      {"grub rescue> ",
       "GRUB, from the guest's disk, finds no partition with the rest of itself and waits at its "
       "prompt, on the serial port"},
      {"grub> ",
       "GRUB, from the guest's disk, found no grub.cfg there and waits at its prompt, on the "
       "serial port"}};
  if (heard == Heard::kOnTheSerialPort) {
    return kind == BootKind::kFirmware ? std::span<const Sign>(kOfGrubOnDisk)
                                       : std::span<const Sign>();
  }
  switch (kind) {
    case BootKind::kPvhLoader:
      return kOfGrub;
    case BootKind::kFirmware:
      return kOfSeaBios;
    case BootKind::kKernel:
      break;
  }
  return {};
}

BootTrouble::BootTrouble(BootKind kind, Heard heard)
    : signs_(SignsOf(kind, heard)),
      longest_(signs_.empty()
                   ? 0
                   : std::ranges::max(signs_, {}, [](const Sign& sign) { return sign.said.size(); })
                         .said.size()),
      over_(signs_.empty()) {}

std::string_view BootTrouble::OnOutput(std::span<const std::byte> output) {
  const MutexLock lock(mutex_);
  if (over_) {
    return {};
  }
  // A view of bytes as the characters that they are.
  end_.append(reinterpret_cast<const char*>(output.data()), output.size());
  heard_ += output.size();
  for (const Sign& sign : signs_) {
    if (end_.find(sign.said) != std::string::npos) {
      over_ = true;
      end_.clear();
      return sign.meaning;
    }
  }
  over_ = heard_ > kEnough;
  if (end_.size() >= longest_) {
    end_.erase(0, end_.size() - longest_ + 1);
  }
  return {};
}

}  // namespace veneer
