// The platform PCI device, through configuration mechanism 1, and the fixed ports.
#include "platform.h"

#include "arch.h"
#include "pci.h"
#include "report.h"
#include "tests.h"

namespace micro {
namespace {

constexpr uint32_t kXenPlatform = 0x00015853;  // device 0001, vendor 5853
constexpr uint32_t kBar0 = kPciBar0;
constexpr uint32_t kBar1 = 0x14;

// The size that a BAR decodes; its address is put back.
uint32_t BarSize(uint32_t device, uint32_t offset, uint32_t flags) {
  const uint32_t old = ReadConfig(device, offset);
  WriteConfig(device, offset, ~0U);
  const uint32_t mask = ReadConfig(device, offset) & ~flags;
  WriteConfig(device, offset, old);
  return ~mask + 1;
}

}  // namespace

uint32_t PlatformDevice() {
  static uint32_t found = kNoDevice;
  if (found == kNoDevice) {
    found = FindPci(kXenPlatform);
  }
  return found;
}

uintptr_t PlatformMemory() {
  const uint32_t device = PlatformDevice();
  return device == kNoDevice ? 0 : ReadConfig(device, kBar1) & ~15U;
}

void TestPlatform() {
  Check("platform/magic", In16(0x10), 0x49d2);
  Check("platform/protocol", In8(0x12), 1);
  // An unknown driver, which nobody has blocked.
  Out16(0x12, 0xffff);
  Out32(0x10, 1);
  Check("platform/not-blocked", In16(0x10), 0x49d2);
  for (const char* text = "micro log line\n"; *text != '\0'; ++text) {
    Out8(0x12, static_cast<uint8_t>(*text));
  }
  const uint32_t device = PlatformDevice();
  if (!CheckTrue("platform/pci-device", device != kNoDevice)) {
    return;
  }
  Check("platform/class", ReadConfig(device, 8) >> 16, 0xff80);
  const uint32_t bar0 = ReadConfig(device, kBar0);
  const uint32_t bar1 = ReadConfig(device, kBar1);
  CheckTrue("platform/bar0-is-io", (bar0 & 1) == 1 && (bar0 & ~3U) != 0);
  CheckTrue("platform/bar1-is-prefetchable-memory", (bar1 & 15) == 8 && (bar1 & ~15U) != 0);
  Check("platform/bar0-size", BarSize(device, kBar0, 3), 256);
  Check("platform/bar1-size", BarSize(device, kBar1, 15), 16 << 20);
  Check("platform/bar1-kept", ReadConfig(device, kBar1), bar1);
  Check("platform/decodes", ReadConfig(device, 4) & 3, 3);
  Check("platform/inta", (ReadConfig(device, 0x3c) >> 8) & 0xff, 1);
}

}  // namespace micro
