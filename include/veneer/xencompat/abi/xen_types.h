// Names with a type for what the Xen interface counts: domains, ports, grants, guest widths.
#pragma once

#include <compare>
#include <cstdint>

namespace veneer {

struct DomId {
  std::uint16_t value = 0;
  friend auto operator<=>(DomId, DomId) = default;
};

inline constexpr DomId kHostDomId{0};   // Veneer itself, where the back-ends live
inline constexpr DomId kGuestDomId{1};  // the one guest of this process

// An event channel as one domain numbers it. Port 0 is never valid.
struct EvtchnPort {
  std::uint32_t value = 0;
  friend auto operator<=>(EvtchnPort, EvtchnPort) = default;
};

// An index into the guest's grant table.
struct GrantRef {
  std::uint32_t value = 0;
  friend auto operator<=>(GrantRef, GrantRef) = default;
};

// Which layouts the guest kernel uses for what it shares with us.
enum class GuestWidth { k64, k32 };

}  // namespace veneer
