// The Xen platform PCI device.
#pragma once

#include <stdint.h>

namespace micro {

// Its device number on bus 0; kNoDevice (pci.h): there is none.
uint32_t PlatformDevice();

// Where its BAR1 is; 0: there is no device, or the BAR has no address.
uintptr_t PlatformMemory();

}  // namespace micro
