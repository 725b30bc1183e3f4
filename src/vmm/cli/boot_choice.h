// What a guest is booted by: --boot, and what follows from the other options.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/machine/machine_config.h"

namespace veneer {

// Where Debian's packages put what boots disks.
struct BootFiles {
  std::string grub = "/usr/lib/grub-xen/grub-i386-xen_pvh.bin";
  std::string bios = "/usr/share/seabios/bios-256k.bin";
};

// "disk,cdrom", "cdrom" and so on. UsageError for another word, or one that is there twice.
Result<std::vector<BootDevice>> ParseBootOrder(std::string_view text);

// Sets `machine.boot` and what belongs to it; if a BIOS boots and no disk is on the IDE bus, or
// none but CD-ROMs and machine.boot_order has disks, the first is put there too. A boot order is
// for a BIOS, and chooses one. `asked` is --boot's value and `firmware` --firmware's, empty if
// it was not given. Returns why,
// for the log; nothing to say of a kernel that was named. UsageError if nothing is named that could
// boot, or if what could is not installed.
Result<std::string> ChooseBoot(std::string_view asked, const std::string& firmware,
                               const BootFiles& files, MachineConfig& machine);

}  // namespace veneer
