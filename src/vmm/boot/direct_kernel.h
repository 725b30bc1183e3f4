// Loading a kernel file together with the tables that a machine without firmware has.
#pragma once

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/boot/boot_source.h"

namespace veneer {

// As BootSource::Prepare(), for the files, command line and entry that `config` names.
Result<PreparedBoot> PrepareKernel(BootConfig config, const BootMachine& machine,
                                   GuestMemory& memory);

}  // namespace veneer
