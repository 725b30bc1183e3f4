// A xenstore client over the shared ring (xen/io/xs_wire.h). For ring 0: it sends events and waits
// for interrupts.
#pragma once

#include <stdint.h>

#include "xen.h"

namespace micro {

inline constexpr uint32_t kStorePayload = 256;

struct StoreMessage {
  xsd_sockmsg header;
  char payload[kStorePayload + 1];  // what fits, with a zero behind it
};
extern StoreMessage store_reply;  // to the last request
extern StoreMessage store_event;  // the last watch event

// Finds the ring; before anything else. False if there is none.
bool OpenStore();
uint32_t StorePort();

// A request of one or two strings, each with its zero unless `raw`, and its reply. Watch events
// that come first are kept. The reply's type.
uint32_t StoreRequest(uint32_t type, const char* first, const char* second = nullptr,
                      bool raw = false, uint32_t transaction = 0);

// A watch event that comes without a request.
bool TakeStoreEvent();

}  // namespace micro
