// Xenstore: what its service owes a guest.
#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"
#include "store.h"
#include "tests.h"

namespace micro {
namespace {

bool CheckError(const char* name, uint32_t type, const char* error) {
  return Check(name, type, XS_ERROR) && CheckTrue(name, SameText(store_reply.payload, error));
}

bool ListHas(const char* name) {
  for (uint32_t at = 0; at < store_reply.header.len; at += Length(store_reply.payload + at) + 1) {
    if (SameText(store_reply.payload + at, name)) {
      return true;
    }
  }
  return false;
}

void CheckNodes() {
  Check("xenstore/read-domid", StoreRequest(XS_READ, "domid"), XS_READ);
  CheckTrue("xenstore/domid", SameText(store_reply.payload, "1"));
  Check("xenstore/read-name", StoreRequest(XS_READ, "name"), XS_READ);
  CheckTrue("xenstore/name", store_reply.payload[0] != '\0');
  CheckError("xenstore/read-nothing", StoreRequest(XS_READ, "no/such/node"), "ENOENT");
  CheckError("xenstore/bad-path", StoreRequest(XS_READ, "a//b"), "EINVAL");
  Check("xenstore/write", StoreRequest(XS_WRITE, "data/x", "42", true), XS_WRITE);
  Check("xenstore/read-back", StoreRequest(XS_READ, "data/x"), XS_READ);
  CheckTrue("xenstore/value", SameText(store_reply.payload, "42"));
  CheckError("xenstore/write-forbidden", StoreRequest(XS_WRITE, "/local/domain/0/x", "1", true),
             "EACCES");
  Check("xenstore/directory", StoreRequest(XS_DIRECTORY, "data"), XS_DIRECTORY);
  CheckTrue("xenstore/directory-has-it", ListHas("x"));
  Check("xenstore/get_domain_path", StoreRequest(XS_GET_DOMAIN_PATH, "1"), XS_GET_DOMAIN_PATH);
  CheckTrue("xenstore/domain-path", SameText(store_reply.payload, "/local/domain/1"));
  Check("xenstore/get_perms", StoreRequest(XS_GET_PERMS, "data"), XS_GET_PERMS);
  CheckTrue("xenstore/owner", SameText(store_reply.payload, "n1"));
}

void CheckWatch() {
  store_event.header.type = XS_INVALID;
  Check("xenstore/watch", StoreRequest(XS_WATCH, "data/x", "token"), XS_WATCH);
  CheckTrue("xenstore/first-event", TakeStoreEvent());
  CheckTrue("xenstore/first-event-text",
            SameText(store_event.payload, "data/x") && SameText(store_event.payload + 7, "token"));
  store_event.header.type = XS_INVALID;
  Check("xenstore/write-watched", StoreRequest(XS_WRITE, "data/x", "43", true), XS_WRITE);
  CheckTrue("xenstore/event", TakeStoreEvent());
  CheckTrue("xenstore/event-text", SameText(store_event.payload, "data/x"));
  CheckError("xenstore/watch-twice", StoreRequest(XS_WATCH, "data/x", "token"), "EEXIST");
  Check("xenstore/unwatch", StoreRequest(XS_UNWATCH, "data/x", "token"), XS_UNWATCH);
  CheckError("xenstore/unwatch-twice", StoreRequest(XS_UNWATCH, "data/x", "token"), "ENOENT");
}

void CheckTransaction() {
  Check("xenstore/transaction", StoreRequest(XS_TRANSACTION_START, ""), XS_TRANSACTION_START);
  uint32_t transaction = ToNumber(store_reply.payload);
  CheckTrue("xenstore/transaction-id", transaction != 0);
  Check("xenstore/write-inside", StoreRequest(XS_WRITE, "data/y", "1", true, transaction),
        XS_WRITE);
  CheckError("xenstore/unseen-outside", StoreRequest(XS_READ, "data/y"), "ENOENT");
  Check("xenstore/commit", StoreRequest(XS_TRANSACTION_END, "T", nullptr, false, transaction),
        XS_TRANSACTION_END);
  Check("xenstore/seen-outside", StoreRequest(XS_READ, "data/y"), XS_READ);

  Check("xenstore/transaction-2", StoreRequest(XS_TRANSACTION_START, ""), XS_TRANSACTION_START);
  transaction = ToNumber(store_reply.payload);
  Check("xenstore/read-inside", StoreRequest(XS_READ, "data/y", nullptr, false, transaction),
        XS_READ);
  Check("xenstore/write-inside-2", StoreRequest(XS_WRITE, "data/z", "1", true, transaction),
        XS_WRITE);
  Check("xenstore/write-outside", StoreRequest(XS_WRITE, "data/y", "2", true), XS_WRITE);
  CheckError("xenstore/conflict",
             StoreRequest(XS_TRANSACTION_END, "T", nullptr, false, transaction), "EAGAIN");
  CheckError("xenstore/no-transaction", StoreRequest(XS_READ, "data/y", nullptr, false, 9999),
             "ENOENT");
  Check("xenstore/remove", StoreRequest(XS_RM, "data/y"), XS_RM);
  CheckError("xenstore/removed", StoreRequest(XS_READ, "data/y"), "ENOENT");
}

}  // namespace

void TestXenstore() {
  if (!CheckTrue("xenstore/ring", OpenStore())) {
    return;
  }
  evtchn_status_t status{};
  status.dom = DOMID_SELF;
  status.port = StorePort();
  Check("xenstore/port-status", EventOp(EVTCHNOP_status, &status), 0);
  Check("xenstore/port-is-interdomain", status.status, EVTCHNSTAT_interdomain);
  const uint32_t before = events_seen[StorePort()];
  if (!Check("xenstore/answers", StoreRequest(XS_READ, "domid"), XS_READ)) {
    return;
  }
  CheckTrue("xenstore/event-channel", WaitForEvent(StorePort(), before + 1));
  CheckNodes();
  CheckWatch();
  CheckTransaction();
}

}  // namespace micro
