#include "veneer/xencompat/entry/hypercall_page.h"

#include <algorithm>
#include <cstdint>

#include "send_stub.h"
#include "veneer/vmm/base/check.h"
#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {
namespace {

constexpr std::size_t kStubSize = 32;
constexpr std::size_t kStubs = kPageSize / kStubSize;

Code MoveEax(std::uint32_t value) {
  return {0xb8, static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8),
          static_cast<std::uint8_t>(value >> 16), static_cast<std::uint8_t>(value >> 24)};
}

Code Stub(std::uint32_t number, GuestWidth width, const HypercallPorts& ports) {
  if (number == __HYPERVISOR_iret) {
    return {0x0f, 0x0b};  // ud2: a PV guest's return from an interrupt, nothing HVM guests have
  }
  Code slow = MoveEax(number);
  Append(slow, OutEax(ports.call));
  Code code;
  if (number == __HYPERVISOR_event_channel_op) {
    code = SendOrFallThrough(width, ports, static_cast<std::uint8_t>(slow.size()));
  }
  Append(code, slow);
  code.push_back(kOpcodeRet);
  return code;
}

Code InterceptedStub(std::uint32_t number, HypercallInstruction instruction) {
  if (number == __HYPERVISOR_iret) {
    return {0x0f, 0x0b};
  }
  Code code = MoveEax(number);
  const bool vmmcall = instruction == HypercallInstruction::kVmmcall;
  Append(code, {0x0f, 0x01, static_cast<std::uint8_t>(vmmcall ? 0xd9 : 0xc1), kOpcodeRet});
  return code;
}

// `make_stub`: of a hypercall's number.
template <typename MakeStub>
void FillPage(std::span<std::byte, kPageSize> page, MakeStub make_stub) {
  std::fill(page.begin(), page.end(), std::byte{kOpcodeInt3});
  for (std::size_t number = 0; number < kStubs; ++number) {
    const Code code = make_stub(static_cast<std::uint32_t>(number));
    VENEER_CHECK(code.size() <= kStubSize);
    std::transform(code.begin(), code.end(),
                   page.begin() + static_cast<std::ptrdiff_t>(number * kStubSize),
                   [](std::uint8_t byte) { return std::byte{byte}; });
  }
}

}  // namespace

void BuildHypercallPage(std::span<std::byte, kPageSize> page, GuestWidth width,
                        const HypercallPorts& ports) {
  FillPage(page, [&](std::uint32_t number) { return Stub(number, width, ports); });
}

void BuildInterceptedPage(std::span<std::byte, kPageSize> page, HypercallInstruction instruction) {
  FillPage(page, [&](std::uint32_t number) { return InterceptedStub(number, instruction); });
}

}  // namespace veneer
