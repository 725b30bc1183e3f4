// Xenstore over the shared ring (xen/io/xs_wire.h).

#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"

namespace micro {
namespace {

constexpr uint32_t kPayload = 256;

xenstore_domain_interface* ring;
uint32_t store_port;

struct Message {
  xsd_sockmsg header;
  char payload[kPayload + 1];  // what fits, with a zero behind it
};
Message reply;
Message watch_event;

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

bool TakeMessage(Message& message) {
  if (!Take(&message.header, sizeof(message.header)) || message.header.len > kPayload ||
      !Take(message.payload, message.header.len)) {
    message.header.type = XS_INVALID;
    return false;
  }
  message.payload[message.header.len] = '\0';
  return true;
}

// A request of one or two strings, each with its zero unless `raw`, and its reply. Watch events
// that come first are kept. The reply's type.
uint32_t Request(uint32_t type, const char* first, const char* second = nullptr, bool raw = false,
                 uint32_t transaction = 0) {
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
  while (TakeMessage(reply)) {
    if (reply.header.type != XS_WATCH_EVENT) {
      return reply.header.req_id == id ? reply.header.type : static_cast<uint32_t>(XS_INVALID);
    }
    watch_event = reply;
  }
  return XS_INVALID;
}

bool CheckError(const char* name, uint32_t type, const char* error) {
  return Check(name, type, XS_ERROR) && CheckTrue(name, SameText(reply.payload, error));
}

// A watch event that comes without a request.
bool TakeWatchEvent() {
  if (watch_event.header.type == XS_WATCH_EVENT) {
    return true;
  }
  return TakeMessage(watch_event) && watch_event.header.type == XS_WATCH_EVENT;
}

bool ListHas(const char* name) {
  for (uint32_t at = 0; at < reply.header.len; at += Length(reply.payload + at) + 1) {
    if (SameText(reply.payload + at, name)) {
      return true;
    }
  }
  return false;
}

void CheckNodes() {
  Check("xenstore/read-domid", Request(XS_READ, "domid"), XS_READ);
  CheckTrue("xenstore/domid", SameText(reply.payload, "1"));
  Check("xenstore/read-name", Request(XS_READ, "name"), XS_READ);
  CheckTrue("xenstore/name", reply.payload[0] != '\0');
  CheckError("xenstore/read-nothing", Request(XS_READ, "no/such/node"), "ENOENT");
  CheckError("xenstore/bad-path", Request(XS_READ, "a//b"), "EINVAL");
  Check("xenstore/write", Request(XS_WRITE, "data/x", "42", true), XS_WRITE);
  Check("xenstore/read-back", Request(XS_READ, "data/x"), XS_READ);
  CheckTrue("xenstore/value", SameText(reply.payload, "42"));
  CheckError("xenstore/write-forbidden", Request(XS_WRITE, "/local/domain/0/x", "1", true),
             "EACCES");
  Check("xenstore/directory", Request(XS_DIRECTORY, "data"), XS_DIRECTORY);
  CheckTrue("xenstore/directory-has-it", ListHas("x"));
  Check("xenstore/get_domain_path", Request(XS_GET_DOMAIN_PATH, "1"), XS_GET_DOMAIN_PATH);
  CheckTrue("xenstore/domain-path", SameText(reply.payload, "/local/domain/1"));
  Check("xenstore/get_perms", Request(XS_GET_PERMS, "data"), XS_GET_PERMS);
  CheckTrue("xenstore/owner", SameText(reply.payload, "n1"));
}

void CheckWatch() {
  watch_event.header.type = XS_INVALID;
  Check("xenstore/watch", Request(XS_WATCH, "data/x", "token"), XS_WATCH);
  CheckTrue("xenstore/first-event", TakeWatchEvent());
  CheckTrue("xenstore/first-event-text",
            SameText(watch_event.payload, "data/x") && SameText(watch_event.payload + 7, "token"));
  watch_event.header.type = XS_INVALID;
  Check("xenstore/write-watched", Request(XS_WRITE, "data/x", "43", true), XS_WRITE);
  CheckTrue("xenstore/event", TakeWatchEvent());
  CheckTrue("xenstore/event-text", SameText(watch_event.payload, "data/x"));
  CheckError("xenstore/watch-twice", Request(XS_WATCH, "data/x", "token"), "EEXIST");
  Check("xenstore/unwatch", Request(XS_UNWATCH, "data/x", "token"), XS_UNWATCH);
  CheckError("xenstore/unwatch-twice", Request(XS_UNWATCH, "data/x", "token"), "ENOENT");
}

uint32_t ToNumber(const char* text) {
  uint32_t value = 0;
  while (*text >= '0' && *text <= '9') {
    value = value * 10 + static_cast<uint32_t>(*text++ - '0');
  }
  return value;
}

void CheckTransaction() {
  Check("xenstore/transaction", Request(XS_TRANSACTION_START, ""), XS_TRANSACTION_START);
  uint32_t transaction = ToNumber(reply.payload);
  CheckTrue("xenstore/transaction-id", transaction != 0);
  Check("xenstore/write-inside", Request(XS_WRITE, "data/y", "1", true, transaction), XS_WRITE);
  CheckError("xenstore/unseen-outside", Request(XS_READ, "data/y"), "ENOENT");
  Check("xenstore/commit", Request(XS_TRANSACTION_END, "T", nullptr, false, transaction),
        XS_TRANSACTION_END);
  Check("xenstore/seen-outside", Request(XS_READ, "data/y"), XS_READ);

  Check("xenstore/transaction-2", Request(XS_TRANSACTION_START, ""), XS_TRANSACTION_START);
  transaction = ToNumber(reply.payload);
  Check("xenstore/read-inside", Request(XS_READ, "data/y", nullptr, false, transaction), XS_READ);
  Check("xenstore/write-inside-2", Request(XS_WRITE, "data/z", "1", true, transaction), XS_WRITE);
  Check("xenstore/write-outside", Request(XS_WRITE, "data/y", "2", true), XS_WRITE);
  CheckError("xenstore/conflict", Request(XS_TRANSACTION_END, "T", nullptr, false, transaction),
             "EAGAIN");
  CheckError("xenstore/no-transaction", Request(XS_READ, "data/y", nullptr, false, 9999), "ENOENT");
  Check("xenstore/remove", Request(XS_RM, "data/y"), XS_RM);
  CheckError("xenstore/removed", Request(XS_READ, "data/y"), "ENOENT");
}

}  // namespace

void TestXenstore() {
  uint64_t frame = 0;
  uint64_t port = 0;
  GetParam(HVM_PARAM_STORE_PFN, &frame);
  GetParam(HVM_PARAM_STORE_EVTCHN, &port);
  if (!CheckTrue("xenstore/ring", frame != 0 && port != 0 && port < kPorts)) {
    return;
  }
  ring = reinterpret_cast<xenstore_domain_interface*>(static_cast<uintptr_t>(frame) * kPageSize);
  store_port = static_cast<uint32_t>(port);
  evtchn_status_t status{};
  status.dom = DOMID_SELF;
  status.port = store_port;
  Check("xenstore/port-status", EventOp(EVTCHNOP_status, &status), 0);
  Check("xenstore/port-is-interdomain", status.status, EVTCHNSTAT_interdomain);
  const uint32_t before = events_seen[store_port];
  if (!Check("xenstore/answers", Request(XS_READ, "domid"), XS_READ)) {
    return;
  }
  CheckTrue("xenstore/event-channel", WaitForEvent(store_port, before + 1));
  CheckNodes();
  CheckWatch();
  CheckTransaction();
}

}  // namespace micro
