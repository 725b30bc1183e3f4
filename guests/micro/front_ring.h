// The front-end's half of a shared ring of one page (xen/io/ring.h).
#pragma once

#include <stdint.h>

#include "arch.h"

namespace micro {

// Sring: what DEFINE_RING_TYPES of that header makes, such as blkif_sring_t.
template <typename Sring, uint32_t kCount>
class FrontRing {
  // The element of its array `ring`: a union of request and response.
  template <typename T>
  static T ElementOf(T (&)[1]);
  using Entry = decltype(ElementOf(static_cast<Sring*>(nullptr)->ring));
  using Response = decltype(Entry::rsp);

 public:
  static constexpr uint32_t kEntries = kCount;
  static_assert(sizeof(Sring) + (kEntries - 1) * sizeof(Entry) <= kPageSize &&
                sizeof(Sring) + (2 * kEntries - 1) * sizeof(Entry) > kPageSize);

  // The page must be zero but for these.
  void Start(void* page) {
    shared_ = static_cast<volatile Sring*>(page);
    shared_->req_event = 1;
    shared_->rsp_event = 1;
  }

  bool Full() const { return room() == 0; }
  uint32_t room() const { return kEntries - outstanding(); }
  // Shown to the other end, or about to be, and not yet answered.
  uint32_t outstanding() const { return next_request_ - next_response_; }
  // The entry to fill next, seen by the other end after Push().
  template <typename Request>
  volatile Request& Next() {
    static_assert(sizeof(Request) <= sizeof(Entry));
    // The entry is a union of all kinds of requests, of which the header declares one.
    return reinterpret_cast<volatile Request&>(At(next_request_++).req);
  }
  // True if the other end wants a kick: its req_event is among the requests that are new to it.
  bool Push() {
    const uint32_t before = shared_->req_prod;
    Barrier();
    shared_->req_prod = next_request_;
    FullBarrier();
    return next_request_ - shared_->req_event < next_request_ - before;
  }

  bool HasResponse() const { return shared_->rsp_prod != next_response_; }
  // Only if there is one.
  Response Take() {
    Barrier();
    Response response;
    auto* to = reinterpret_cast<unsigned char*>(&response);
    const auto* from = reinterpret_cast<const volatile unsigned char*>(&At(next_response_++).rsp);
    for (uint32_t i = 0; i < sizeof response; ++i) {
      to[i] = from[i];
    }
    return response;
  }
  // Asks for an event when `count` more responses are there. True if they are already, and an event
  // may not come.
  bool AskForEvent(uint32_t count = 1) {
    shared_->rsp_event = next_response_ + count;
    FullBarrier();
    return shared_->rsp_prod - next_response_ >= count;
  }

 private:
  // What was stored before is seen before what is loaded afterwards is looked at.
  static void FullBarrier() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
  volatile Entry& At(uint32_t index) { return shared_->ring[index & (kEntries - 1)]; }

  volatile Sring* shared_ = nullptr;
  uint32_t next_request_ = 0;
  uint32_t next_response_ = 0;
};

}  // namespace micro
