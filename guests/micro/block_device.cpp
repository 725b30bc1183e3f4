#include "block_device.h"

#include <xen/io/xenbus.h>

#include "report.h"

namespace micro {

bool ConnectBlock(BlockDevice& device) {
  device.front = "device/vbd/51712";
  if (!OpenDevice(device)) {
    return false;
  }
  GrantRings(device, 1);
  device.max_indirect = ReadBack(device, "feature-max-indirect-segments");
  const bool written = WriteFront(device, "ring-ref", kFirstDeviceRef) &&
                       WriteFront(device, "event-channel", device.port) &&
                       WriteFront(device, "protocol", "x86_64-abi") &&
                       WriteFront(device, "state", XenbusStateInitialised) &&
                       WaitForBack(device, XenbusStateConnected);
  if (!CheckTrue("block/connected", written)) {
    return false;
  }
  device.sectors = ReadBack(device, "sectors");
  return CheckTrue("block/size", device.sectors != 0) &&
         CheckTrue("block/running", WriteFront(device, "state", XenbusStateConnected));
}

}  // namespace micro
