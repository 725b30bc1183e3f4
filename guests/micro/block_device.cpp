#include "block_device.h"

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

constexpr char kFront[] = "device/vbd/51712";
constexpr uint32_t kPathSize = 128;
// Enough for 64 requests of 64 pages, if the host gives as many.
constexpr uint32_t kGrantFrames = 8;

char back[kPathSize];

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

bool WriteFront(const char* name, const char* value) {
  return StoreRequest(XS_WRITE, Path(kFront, name), value, true) == XS_WRITE;
}

// 0 if there is no such key.
uint32_t ReadBack(const char* name) {
  return StoreRequest(XS_READ, Path(back, name)) == XS_READ ? ToNumber(store_reply.payload) : 0;
}

bool FindBack() {
  if (StoreRequest(XS_READ, Path(kFront, "backend")) != XS_READ) {
    return false;
  }
  uint32_t i = 0;
  for (; i < kPathSize - 1 && store_reply.payload[i] != '\0'; ++i) {
    back[i] = store_reply.payload[i];
  }
  back[i] = '\0';
  return true;
}

// Asks again and again: there is nothing else to do, and each question takes its time.
bool WaitForBack(uint32_t state) {
  constexpr uint32_t kQuestions = 2000;
  uint32_t found = XenbusStateUnknown;
  for (uint32_t i = 0; i < kQuestions && found != state; ++i) {
    found = ReadBack("state");
  }
  return found == state;
}

bool SetUpGrants(BlockDevice& device) {
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

bool AllocatePort(BlockDevice& device) {
  evtchn_alloc_unbound_t op{};
  op.dom = DOMID_SELF;
  op.remote_dom = 0;
  const intptr_t result = EventOp(EVTCHNOP_alloc_unbound, &op);
  device.port = op.port;
  return result == 0 && op.port < kPorts;
}

}  // namespace

bool ConnectBlock(uint32_t ring_ref, BlockDevice& device) {
  const bool made = CheckTrue("block/xenstore", OpenStore()) &&
                    CheckTrue("block/grant-table", SetUpGrants(device)) &&
                    CheckTrue("block/event-channel", AllocatePort(device)) &&
                    CheckTrue("block/back-end", FindBack() && WaitForBack(XenbusStateInitWait));
  if (!made) {
    return false;
  }
  FillGrant(device.grants[ring_ref], GTF_permit_access, 0, kBlockArea / kPageSize);
  device.max_indirect = ReadBack("feature-max-indirect-segments");
  const bool written =
      WriteFront("ring-ref", Decimal(ring_ref)) &&
      WriteFront("event-channel", Decimal(device.port)) && WriteFront("protocol", "x86_64-abi") &&
      WriteFront("state", Decimal(XenbusStateInitialised)) && WaitForBack(XenbusStateConnected);
  if (!CheckTrue("block/connected", written)) {
    return false;
  }
  device.sectors = ReadBack("sectors");
  return CheckTrue("block/size", device.sectors != 0) &&
         CheckTrue("block/running", WriteFront("state", Decimal(XenbusStateConnected)));
}

bool CloseBlock() {
  return CheckTrue("block/closing", WriteFront("state", Decimal(XenbusStateClosing)) &&
                                        WaitForBack(XenbusStateClosing)) &&
         CheckTrue("block/closed", WriteFront("state", Decimal(XenbusStateClosed)) &&
                                       WaitForBack(XenbusStateClosed));
}

}  // namespace micro
