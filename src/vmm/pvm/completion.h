// How one emulated instruction ended.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// The instruction is done and RIP moves past it. `trap` is an exception that is reported after the
// instruction (#BP).
struct Completed {
  std::optional<Exception> trap;
};

// The instruction did not happen; RIP stays on it.
struct Faulted {
  Exception exception;
  std::optional<std::uint64_t> cr2;  // for #PF
};

// Nothing was changed: the assist does not know this instruction, or not in this situation.
struct NotKnown {};

using Completion = std::variant<Completed, Faulted, NotKnown>;

inline constexpr std::uint8_t kVectorDebug = 1;
inline constexpr std::uint8_t kVectorBreakpoint = 3;
inline constexpr std::uint8_t kVectorInvalidOpcode = 6;
inline constexpr std::uint8_t kVectorNoFpu = 7;
inline constexpr std::uint8_t kVectorStackFault = 12;
inline constexpr std::uint8_t kVectorGeneralProtection = 13;
inline constexpr std::uint8_t kVectorPageFault = 14;
inline constexpr std::uint8_t kVectorX87Error = 16;
inline constexpr std::uint8_t kVectorSimdError = 19;

inline Faulted InvalidOpcode() {
  return Faulted{Exception{kVectorInvalidOpcode, std::nullopt}, std::nullopt};
}
inline Faulted GeneralProtection() {
  return Faulted{Exception{kVectorGeneralProtection, 0}, std::nullopt};
}
inline Faulted WithoutErrorCode(std::uint8_t vector) {
  return Faulted{Exception{vector, std::nullopt}, std::nullopt};
}

}  // namespace veneer
