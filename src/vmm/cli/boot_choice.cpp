#include "boot_choice.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "veneer/vmm/base/option_list.h"

namespace veneer {
namespace {

bool Readable(const std::string& path) {
  std::error_code none;
  return access(path.c_str(), R_OK) == 0 && std::filesystem::is_regular_file(path, none);
}

constexpr std::string_view kInstallSeabios =
    "; SeaBIOS is in Debian's package seabios: apt install seabios";

bool IsElf(const std::string& path) {
  std::array<char, 4> magic{};
  std::ifstream(path, std::ios::binary).read(magic.data(), magic.size());
  return std::memcmp(magic.data(),
                     "\x7f"
                     "ELF",
                     magic.size()) == 0;
}

// Why a boot loader that has PV drivers only can do nothing, or nothing.
std::string PvLoaderObstacle(const MachineConfig& machine) {
  if (!machine.xen.enabled) {
    return "--xen off";
  }
  if (!machine.xen.pv.disk) {
    return "--pv disk=off";
  }
  if (!machine.xen.pv.console) {
    return "--pv console=off";
  }
  if (!IsPvDisk(machine.disks.front())) {
    return "a first disk with bus=ide";
  }
  return {};
}

Result<std::string> UsePvhLoader(const std::string& file, MachineConfig& machine) {
  if (!machine.boot_order.empty()) {
    return UsageError(
        "--boot-order is for a BIOS; GRUB for PVH guests looks at all disks: leave it away, or use "
        "--boot bios");
  }
  if (const std::string obstacle = PvLoaderObstacle(machine); !obstacle.empty()) {
    return UsageError(
        "GRUB for PVH guests reads disks and speaks through PV drivers, which {} "
        "rules out: leave that away, or use --boot bios",
        obstacle);
  }
  if (!Readable(file)) {
    return UsageError(
        "'{}' is not there or not yours to read; GRUB for PVH guests is in Debian's "
        "package grub-xen-host: apt install grub-xen-host",
        file);
  }
  machine.boot = BootKind::kPvhLoader;
  machine.boot_file = file;
  return fmt::format("is booted from its disk by {}, through PV drivers alone", file);
}

// The disk that a BIOS should find and could not; null: there is one that it finds.
DiskConfig* DiskForTheBios(MachineConfig& machine) {
  const auto ide_disk = [](const DiskConfig& disk) { return IsIdeDisk(disk) && !disk.cdrom; };
  const bool disk_named =
      std::ranges::find(machine.boot_order, BootDevice::kDisk) != machine.boot_order.end();
  if (disk_named ? std::ranges::any_of(machine.disks, ide_disk)
                 : std::ranges::any_of(machine.disks, IsIdeDisk)) {
    return nullptr;
  }
  const auto first = std::ranges::find_if(machine.disks, IsPvDisk);
  return first != machine.disks.end() ? &*first : nullptr;
}

// `advice` for where it is not.
Result<std::string> UseBios(const std::string& file, std::string_view advice,
                            MachineConfig& machine) {
  if (!machine.xen.enabled) {
    return UsageError(
        "--boot bios with --xen off: the BIOS takes its tables from Xen's interface; leave --xen "
        "off "
        "away, or name a kernel with --kernel");
  }
  if (!Readable(file)) {
    return UsageError("'{}' is not there, no file, or not yours to read{}", file, advice);
  }
  std::string note;
  if (DiskConfig* const disk = DiskForTheBios(machine)) {
    disk->bus = DiskBus::kBoth;
    note = fmt::format(", which finds '{}' on the IDE bus until the guest unplugs it there",
                       disk->path);
  }
  machine.boot = BootKind::kFirmware;
  machine.boot_file = file;
  return fmt::format("is booted from its disk by {}{}", file, note);
}

// What a file of the user's is, it says itself.
Result<std::string> UseFile(const std::string& path, MachineConfig& machine) {
  return IsElf(path) ? UsePvhLoader(path, machine) : UseBios(path, "", machine);
}

// The one that is faster, if the disks and what is installed allow it.
Result<std::string> UseWhatIsThere(const BootFiles& files, MachineConfig& machine) {
  const std::string obstacle = PvLoaderObstacle(machine);
  if (obstacle.empty() && Readable(files.grub)) {
    return UsePvhLoader(files.grub, machine);
  }
  if (!Readable(files.bios)) {
    return UsageError(
        "nothing is installed that boots a disk: apt install grub-xen-host (or seabios)");
  }
  VENEER_TRY_ASSIGN(std::string reason, UseBios(files.bios, kInstallSeabios, machine));
  return reason + fmt::format(" (GRUB for PVH guests would be faster, but {})",
                              obstacle.empty() ? "is not installed: apt install grub-xen-host"
                                               : "cannot be used with " + obstacle);
}

Result<void> CheckNothingForAKernel(const MachineConfig& machine) {
  if (!machine.initrds.empty() || !machine.cmdline.empty()) {
    return UsageError(
        "--initrd and --cmdline are for a kernel that --kernel names; a boot loader on the disk "
        "has "
        "its own");
  }
  return {};
}

}  // namespace

Result<std::vector<BootDevice>> ParseBootOrder(std::string_view text) {
  std::vector<BootDevice> order;
  for (const std::string& word : SplitOptionList(text)) {
    if (word != "disk" && word != "cdrom") {
      return UsageError("'{}' is neither disk nor cdrom; write for example cdrom,disk", word);
    }
    const BootDevice device = word == "disk" ? BootDevice::kDisk : BootDevice::kCdrom;
    if (std::ranges::find(order, device) != order.end()) {
      return UsageError("{} is there twice", word);
    }
    order.push_back(device);
  }
  return order;
}

Result<std::string> ChooseBoot(std::string_view asked, const std::string& firmware,
                               const BootFiles& files, MachineConfig& machine) {
  if (!machine.kernel.empty()) {
    if (const std::string_view other = !asked.empty()                ? "--boot"
                                       : !firmware.empty()           ? "--firmware"
                                       : !machine.boot_order.empty() ? "--boot-order"
                                                                     : "";
        !other.empty()) {
      return UsageError("{} and --kernel contradict each other: leave one of them out", other);
    }
    machine.boot = BootKind::kKernel;
    return std::string();
  }
  VENEER_TRY(CheckNothingForAKernel(machine));
  if (machine.disks.empty()) {
    return UsageError(
        "nothing to boot: name a disk image (veneer run IMAGE) or a kernel (--kernel FILE)");
  }
  const bool automatic = asked.empty() || asked == "auto";
  if (!firmware.empty()) {
    if (!automatic && asked != "bios") {
      return UsageError("--firmware and --boot {} contradict each other: leave one of them out",
                        asked);
    }
    return UseFile(firmware, machine);
  }
  if (automatic) {
    return machine.boot_order.empty() ? UseWhatIsThere(files, machine)
                                      : UseBios(files.bios, kInstallSeabios, machine);
  }
  if (asked == "grub") {
    return UsePvhLoader(files.grub, machine);
  }
  if (asked == "bios") {
    return UseBios(files.bios, kInstallSeabios, machine);
  }
  if (asked.find('/') == std::string_view::npos) {
    return UsageError(
        "--boot: '{}' is not auto, grub, bios or the path of a boot loader or BIOS (with a '/')",
        asked);
  }
  return UseFile(std::string(asked), machine);
}

}  // namespace veneer
