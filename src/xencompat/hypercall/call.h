// What a hypercall handler works with: the call under way, and copying of its arguments in the
// layout of the calling code. The one place where 32-bit layouts are converted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "guest_console.h"
#include "veneer/xencompat/domain/xen_domain.h"
#include "veneer/xencompat/hypercall/frame.h"
#include "veneer/xencompat/hypercall/guest_virtual_memory.h"

namespace veneer {

class HypercallTable;

struct Call {
  XenDomain& domain;
  const HypercallTable& table;
  GuestConsole& console;
  GuestVirtualMemory& memory;
  unsigned vcpu;
  HypercallFrame& frame;
  bool in_multicall = false;

  // An argument that Xen declares as a 32-bit integer: the upper half of the register is ignored.
  std::uint32_t Arg32(std::size_t index) const {
    return static_cast<std::uint32_t>(frame.args[index]);
  }
  bool Narrow() const { return frame.width == GuestWidth::k32; }
};

constexpr std::int64_t Errno(XenErrno error) { return ReturnValue(error); }

// How 32-bit code lays out a T. The default is for types that look the same in both widths; the
// others are in arguments.h.
template <typename T>
struct NarrowLayout {
  using Wire = T;
  static T Widen(const Wire& wire) { return wire; }
  static Wire Narrow(const T& value) { return value; }
};

template <typename T>
std::span<std::byte> BytesOf(T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return std::as_writable_bytes(std::span(&value, 1));
}
template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return std::as_bytes(std::span(&value, 1));
}

// False: a bad pointer.
template <typename T>
[[nodiscard]] bool CopyIn(Call& call, std::uint64_t address, T& value) {
  if (!call.Narrow()) {
    return call.memory.Read(address, BytesOf(value));
  }
  typename NarrowLayout<T>::Wire wire{};
  if (!call.memory.Read(address, BytesOf(wire))) {
    return false;
  }
  value = NarrowLayout<T>::Widen(wire);
  return true;
}

template <typename T>
[[nodiscard]] bool CopyOut(Call& call, std::uint64_t address, const T& value) {
  if (!call.Narrow()) {
    return call.memory.Write(address, BytesOf(value));
  }
  const typename NarrowLayout<T>::Wire wire = NarrowLayout<T>::Narrow(value);
  return call.memory.Write(address, BytesOf(wire));
}

// The size of a T in the calling code's arrays.
template <typename T>
std::size_t WireSize(const Call& call) {
  return call.Narrow() ? sizeof(typename NarrowLayout<T>::Wire) : sizeof(T);
}

// Element `index` of an array of frame numbers or words (xen_pfn_t, xen_ulong_t): 8 bytes for
// 64-bit code, 4 for 32-bit code.
[[nodiscard]] bool CopyInWord(Call& call, std::uint64_t array, std::uint64_t index,
                              std::uint64_t& value);
[[nodiscard]] bool CopyOutWord(Call& call, std::uint64_t array, std::uint64_t index,
                               std::uint64_t value);

// Xen's answer to a domain id in an argument: it must be the caller itself. EPERM for domain 0,
// which exists but is none of the guest's business; ESRCH for the others.
XenResult<void> CheckSelf(std::uint16_t domid);

// ---- Adapters: from a typed handler to what the table holds.

using Handler = CallResult (*)(Call&);

template <typename F>
struct HandlerArgument;
template <typename T>
struct HandlerArgument<CallResult (*)(Call&, T&)> {
  using Type = std::remove_const_t<T>;
};

// The argument is read. `kArg`: which argument is its address.
template <auto kHandler, std::size_t kArg = 1>
CallResult In(Call& call) {
  typename HandlerArgument<decltype(kHandler)>::Type argument{};
  if (!CopyIn(call, call.frame.args[kArg], argument)) {
    return Errno(XEN_EFAULT);
  }
  return kHandler(call, argument);
}

// The argument is written when the call succeeds.
template <auto kHandler, std::size_t kArg = 1>
CallResult Out(Call& call) {
  typename HandlerArgument<decltype(kHandler)>::Type argument;
  std::memset(&argument, 0, sizeof(argument));  // no byte of ours may reach the guest unset
  const CallResult result = kHandler(call, argument);
  if (!result.again && result.value >= 0 && !CopyOut(call, call.frame.args[kArg], argument)) {
    return Errno(XEN_EFAULT);
  }
  return result;
}

// Read, and written back when the call succeeds.
template <auto kHandler, std::size_t kArg = 1>
CallResult InOut(Call& call) {
  typename HandlerArgument<decltype(kHandler)>::Type argument{};
  const std::uint64_t address = call.frame.args[kArg];
  if (!CopyIn(call, address, argument)) {
    return Errno(XEN_EFAULT);
  }
  const CallResult result = kHandler(call, argument);
  if (!result.again && result.value >= 0 && !CopyOut(call, address, argument)) {
    return Errno(XEN_EFAULT);
  }
  return result;
}

}  // namespace veneer
