#include "pv_device.h"

#include <xen/io/xenbus.h>

#include "arch.h"
#include "events.h"
#include "grants.h"
#include "hypercall.h"
#include "platform.h"
#include "report.h"
#include "store.h"

namespace micro {
namespace {

constexpr uint32_t kPathSize = PvDevice::kPathSize;
// Enough for 64 requests of 64 pages, if the host gives as many.
constexpr uint32_t kGrantFrames = 8;

// base "/" name
const char* Path(const char* base, const char* name) {
  static char path[kPathSize];
  uint32_t length = 0;
  const char* const parts[] = {base, "/", name};
  for (const char* part : parts) {
    while (*part != '\0' && length < kPathSize - 1) {
      path[length++] = *part++;
    }
  }
  path[length] = '\0';
  return path;
}

const char* Decimal(uint32_t value) {
  static char text[12];
  char* at = text + sizeof(text) - 1;
  *at = '\0';
  do {
    *--at = static_cast<char>('0' + value % 10);
  } while ((value /= 10) != 0);
  return at;
}

bool FindBack(PvDevice& device) {
  if (StoreRequest(XS_READ, Path(device.front, "backend")) != XS_READ) {
    return false;
  }
  uint32_t i = 0;
  for (; i < kPathSize - 1 && store_reply.payload[i] != '\0'; ++i) {
    device.back[i] = store_reply.payload[i];
  }
  device.back[i] = '\0';
  return true;
}

bool SetUpGrants(PvDevice& device) {
  const uintptr_t table = PlatformMemory();
  gnttab_query_size_t size{};
  size.dom = DOMID_SELF;
  if (table == 0 || GrantOp(GNTTABOP_query_size, &size) != 0 || size.status != GNTST_okay) {
    return false;
  }
  const uint32_t frames = size.max_nr_frames < kGrantFrames ? size.max_nr_frames : kGrantFrames;
  for (uint32_t i = frames; i > 0; --i) {
    if (MapGrantFrame(i - 1, table / kPageSize + i - 1) != 0) {
      return false;
    }
  }
  device.grants = reinterpret_cast<grant_entry_v1_t*>(table);  // where it is from now on
  device.grant_count = frames * (kPageSize / sizeof(grant_entry_v1_t));
  return true;
}

bool AllocatePort(PvDevice& device) {
  evtchn_alloc_unbound_t op{};
  op.dom = DOMID_SELF;
  op.remote_dom = 0;
  const intptr_t result = EventOp(EVTCHNOP_alloc_unbound, &op);
  device.port = op.port;
  return result == 0 && op.port < kPorts;
}

}  // namespace

bool OpenDevice(PvDevice& device) {
  return CheckTrue("device/xenstore", OpenStore()) &&
         CheckTrue("device/grant-table", SetUpGrants(device)) &&
         CheckTrue("device/event-channel", AllocatePort(device)) &&
         CheckTrue("device/back-end", FindBack(device) && WaitForBack(device, XenbusStateInitWait));
}

void GrantRings(PvDevice& device, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    FillGrant(device.grants[kFirstDeviceRef + i], GTF_permit_access, 0,
              static_cast<uint32_t>(kDeviceArea / kPageSize + i));
  }
}

bool WriteFront(const PvDevice& device, const char* name, const char* value) {
  return StoreRequest(XS_WRITE, Path(device.front, name), value, true) == XS_WRITE;
}

bool WriteFront(const PvDevice& device, const char* name, uint32_t value) {
  return WriteFront(device, name, Decimal(value));
}

uint32_t ReadBack(const PvDevice& device, const char* name) {
  return StoreRequest(XS_READ, Path(device.back, name)) == XS_READ ? ToNumber(store_reply.payload)
                                                                   : 0;
}

bool WaitForBack(const PvDevice& device, uint32_t state) {
  constexpr uint32_t kQuestions = 2000;
  uint32_t found = XenbusStateUnknown;
  for (uint32_t i = 0; i < kQuestions && found != state; ++i) {
    found = ReadBack(device, "state");
  }
  return found == state;
}

bool CloseDevice(const PvDevice& device) {
  return CheckTrue("device/closing", WriteFront(device, "state", XenbusStateClosing) &&
                                         WaitForBack(device, XenbusStateClosing)) &&
         CheckTrue("device/closed", WriteFront(device, "state", XenbusStateClosed) &&
                                        WaitForBack(device, XenbusStateClosed));
}

}  // namespace micro
