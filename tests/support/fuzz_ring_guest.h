// The guest of a fuzzer of PV rings: pages for rings and for data, and what a guest may do to them
// at any time.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "support/fuzz_input.h"
#include "support/pv_guest.h"
#include "veneer/vmm/base/check.h"
#include "veneer/xencompat/evtchn/bound_port.h"

namespace veneer::testing {

class FuzzRingGuest : public PvGuest {
 public:
  struct GrantedPage {
    Gfn page;
    GrantRef ref;
  };

  FuzzRingGuest() : PvGuest(64, 1) {
    for (GrantedPage& ring : rings) {
      ring = NewGrantedPage();
    }
    // The fence before and behind the data is never granted.
    static_cast<void>(NewPage());
    for (GrantedPage& page : data) {
      page = NewGrantedPage();
    }
    static_cast<void>(NewPage());
    port_ = *events->AllocUnbound(DOMID_SELF, kHostDomId.value);
  }

  // All that transfers may touch, beside the rings if the guest says so: the data pages lie side by
  // side.
  std::span<std::byte> DataMemory() {
    return memory->Pin(data.front().page.Address(), data.size() * kPageSize);
  }
  std::span<std::byte> RingMemory() {
    return memory->Pin(rings.front().page.Address(), rings.size() * kPageSize);
  }
  const GrantedPage& Data(std::uint64_t choice) const { return data[choice % data.size()]; }

  // One of a ring's four indices, in the order of <xen/io/ring.h>.
  std::atomic_ref<std::uint32_t> Index(const GrantedPage& ring, std::uint64_t which) {
    return SharedWord<std::uint32_t>(Page(ring.page).data() + which * 4);
  }
  // As SHARED_RING_INIT.
  void ResetIndices(const GrantedPage& ring) {
    for (std::uint64_t i = 0; i < 4; ++i) {
      Index(ring, i).store(static_cast<std::uint32_t>(i % 2));
    }
  }

  // What the input makes of a data page's content and of its grant.
  void ChangeByte(std::uint64_t choice, FuzzInput& input) {
    Page(Data(choice).page)[input.Take(2) % kPageSize] = static_cast<std::byte>(input.Take(1));
  }
  void ChangeGrant(std::uint64_t choice, FuzzInput& input, std::uint16_t domid) {
    SetGrant(Data(choice).ref, Data(choice).page, static_cast<std::uint32_t>(input.Take(2)), domid);
  }

  // The back-end's end of the event channel, for a connection.
  BoundPort BindPort() {
    const auto port = events->BindHost(port_, [] {});
    VENEER_CHECK(port.has_value());
    return {*events, *port};
  }

  std::array<GrantedPage, 2> rings;
  std::array<GrantedPage, 4> data;

 private:
  GrantedPage NewGrantedPage() {
    const Gfn page = NewPage();
    return {page, Grant(page)};
  }

  EvtchnPort port_;
};

}  // namespace veneer::testing
