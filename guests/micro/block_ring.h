// The front-end's half of a block ring of one page (xen/io/ring.h, xen/io/blkif.h).
#pragma once

#include <stdint.h>

#include "arch.h"
#include "xen.h"

// clang-format off: only after the headers above
#include <xen/io/blkif.h>
// clang-format on

namespace micro {

class BlockRing {
 public:
  static constexpr uint32_t kEntries = 32;
  static_assert(sizeof(blkif_sring_t) + (kEntries - 1) * sizeof(blkif_sring_entry) <= kPageSize &&
                sizeof(blkif_sring_t) + (2 * kEntries - 1) * sizeof(blkif_sring_entry) > kPageSize);

  // The page must be zero but for these.
  void Start(void* page) {
    shared_ = static_cast<volatile blkif_sring_t*>(page);
    shared_->req_event = 1;
    shared_->rsp_event = 1;
  }

  bool Full() const { return next_request_ - next_response_ == kEntries; }
  // The entry to fill next, seen by the other end after Push().
  template <typename Request>
  volatile Request& Next() {
    static_assert(sizeof(Request) <= sizeof(blkif_sring_entry));
    // The entry is a union of all kinds of requests, of which the header declares one.
    return reinterpret_cast<volatile Request&>(Entry(next_request_++).req);
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
  blkif_response_t Take() {
    Barrier();
    const volatile blkif_response_t& entry = Entry(next_response_++).rsp;
    blkif_response_t response;
    response.id = entry.id;
    response.operation = entry.operation;
    response.status = entry.status;
    return response;
  }
  // Asks for an event with the next response. True if that is there already, and one may not come.
  bool AskForEvent() {
    shared_->rsp_event = next_response_ + 1;
    FullBarrier();
    return HasResponse();
  }

 private:
  // What was stored before is seen before what is loaded afterwards is looked at.
  static void FullBarrier() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
  volatile blkif_sring_entry& Entry(uint32_t index) {
    return shared_->ring[index & (kEntries - 1)];
  }

  volatile blkif_sring_t* shared_ = nullptr;
  uint32_t next_request_ = 0;
  uint32_t next_response_ = 0;
};

}  // namespace micro
