#include "two_level.h"

#include "shared_bits.h"

namespace veneer {

std::uint32_t TwoLevel::MaxPorts() const { return WordBits() * WordBits(); }

std::byte* TwoLevel::PendingBits() const {
  return shared_info_.data() + (infos_.width() == GuestWidth::k64
                                    ? offsetof(shared_info_t, evtchn_pending)
                                    : offsetof(shared_info_x86_32_t, evtchn_pending));
}

std::byte* TwoLevel::MaskBits() const {
  return shared_info_.data() + (infos_.width() == GuestWidth::k64
                                    ? offsetof(shared_info_t, evtchn_mask)
                                    : offsetof(shared_info_x86_32_t, evtchn_mask));
}

// Every function checks the number: a port from before the guest's width went down has no bit.

Delivery TwoLevel::SetPending(std::uint32_t number, const Port& port) {
  if (number >= MaxPorts() || TestAndSetBit(PendingBits(), number)) {
    return {};
  }
  Delivery delivery{.newly_pending = true};
  delivery.mark_vcpu =
      !TestBit(MaskBits(), number) && infos_.Select(port.vcpu, number / WordBits());
  return delivery;
}

Delivery TwoLevel::Unmask(std::uint32_t number, const Port& port) {
  if (number >= MaxPorts()) {
    return {};
  }
  const bool was_masked = TestAndClearBit(MaskBits(), number);
  return Delivery{.mark_vcpu = was_masked && TestBit(PendingBits(), number) &&
                               infos_.Select(port.vcpu, number / WordBits())};
}

void TwoLevel::ClearPending(std::uint32_t number) {
  if (number < MaxPorts()) {
    TestAndClearBit(PendingBits(), number);
  }
}

bool TwoLevel::IsPending(std::uint32_t number) const {
  return number < MaxPorts() && TestBit(PendingBits(), number);
}

bool TwoLevel::IsMasked(std::uint32_t number) const {
  return number < MaxPorts() && TestBit(MaskBits(), number);
}

}  // namespace veneer
