#include "store.h"

#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"

namespace micro {

StoreMessage store_reply;
StoreMessage store_event;

namespace {

xenstore_domain_interface* ring;
uint32_t store_port;

template <typename Done>
bool WaitUntil(Done done) {
  constexpr uint64_t kPatience = uint64_t{1} << 31;
  const uint64_t start = Rdtsc();
  EnableInterrupts();
  bool holds = done();
  while (!holds && Rdtsc() - start < kPatience) {
    asm volatile("pause" : : : "memory");
    holds = done();
  }
  DisableInterrupts();
  return holds;
}

bool Put(const void* data, uint32_t length) {
  const auto* bytes = static_cast<const char*>(data);
  uint32_t produced = Read(ring->req_prod);
  if (XENSTORE_RING_SIZE - (produced - Read(ring->req_cons)) < length) {
    return false;
  }
  for (uint32_t i = 0; i < length; ++i) {
    ring->req[MASK_XENSTORE_IDX(produced++)] = bytes[i];
  }
  Barrier();
  const_cast<volatile uint32_t&>(ring->req_prod) = produced;
  return true;
}

bool Take(void* data, uint32_t length) {
  auto* bytes = static_cast<char*>(data);
  if (!WaitUntil([&] { return Read(ring->rsp_prod) - Read(ring->rsp_cons) >= length; })) {
    return false;
  }
  uint32_t consumed = Read(ring->rsp_cons);
  for (uint32_t i = 0; i < length; ++i) {
    bytes[i] = ring->rsp[MASK_XENSTORE_IDX(consumed++)];
  }
  Barrier();
  const_cast<volatile uint32_t&>(ring->rsp_cons) = consumed;
  return true;
}

bool TakeMessage(StoreMessage& message) {
  if (!Take(&message.header, sizeof(message.header)) || message.header.len > kStorePayload ||
      !Take(message.payload, message.header.len)) {
    message.header.type = XS_INVALID;
    return false;
  }
  message.payload[message.header.len] = '\0';
  return true;
}

}  // namespace

bool OpenStore() {
  uint64_t frame = 0;
  uint64_t port = 0;
  GetParam(HVM_PARAM_STORE_PFN, &frame);
  GetParam(HVM_PARAM_STORE_EVTCHN, &port);
  if (frame == 0 || port == 0 || port >= kPorts) {
    return false;
  }
  ring = reinterpret_cast<xenstore_domain_interface*>(static_cast<uintptr_t>(frame) * kPageSize);
  store_port = static_cast<uint32_t>(port);
  return true;
}

uint32_t StorePort() { return store_port; }

uint32_t StoreRequest(uint32_t type, const char* first, const char* second, bool raw,
                      uint32_t transaction) {
  static uint32_t id;
  xsd_sockmsg header{};
  const uint32_t first_length = Length(first) + 1;
  const uint32_t second_length = second == nullptr ? 0 : Length(second) + (raw ? 0 : 1);
  header.type = type;
  header.req_id = ++id;
  header.tx_id = transaction;
  header.len = first_length + second_length;
  if (!Put(&header, sizeof(header)) || !Put(first, first_length) || !Put(second, second_length) ||
      Send(store_port) != 0) {
    return XS_INVALID;
  }
  while (TakeMessage(store_reply)) {
    if (store_reply.header.type != XS_WATCH_EVENT) {
      return store_reply.header.req_id == id ? store_reply.header.type
                                             : static_cast<uint32_t>(XS_INVALID);
    }
    store_event = store_reply;
  }
  return XS_INVALID;
}

bool TakeStoreEvent() {
  if (store_event.header.type == XS_WATCH_EVENT) {
    return true;
  }
  return TakeMessage(store_event) && store_event.header.type == XS_WATCH_EVENT;
}

}  // namespace micro
