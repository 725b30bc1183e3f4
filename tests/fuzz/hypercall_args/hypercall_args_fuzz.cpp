// Hypercalls with arbitrary numbers, 64-bit arguments and memory content, in both widths: nothing a
// guest passes may crash, hang or grow the VMM.
#include <cstddef>
#include <cstdint>

#include <fuzzer/FuzzedDataProvider.h>

#include "support/fuzz_target.h"
#include "support/xen_guest.h"

namespace veneer {
namespace {

using testing::XenGuest;

constexpr std::uint64_t kNumbers[] = {
    __HYPERVISOR_memory_op,   __HYPERVISOR_multicall,  __HYPERVISOR_set_timer_op,
    __HYPERVISOR_xen_version, __HYPERVISOR_console_io, __HYPERVISOR_grant_table_op,
    __HYPERVISOR_vm_assist,   __HYPERVISOR_vcpu_op,    __HYPERVISOR_sched_op,
    __HYPERVISOR_physdev_op,  __HYPERVISOR_hvm_op,     __HYPERVISOR_event_channel_op,
    __HYPERVISOR_xenpmu_op,
};
// Where arguments that are pointers point: a page of fuzzed content, and the one behind it.
constexpr std::uint64_t kArguments = std::uint64_t{2} << 20;

std::uint64_t AnyArgument(FuzzedDataProvider& data, const XenGuest& guest) {
  switch (data.ConsumeIntegralInRange<int>(0, 6)) {
    case 0:
      return data.ConsumeIntegral<std::uint64_t>();
    case 1:
      return ~std::uint64_t{0} - data.ConsumeIntegral<std::uint8_t>();
    case 2:
      return data.ConsumeIntegral<std::uint32_t>();
    case 3:  // the end of what is mapped
      return guest.Base() + XenGuest::kRam - data.ConsumeIntegral<std::uint8_t>();
    case 4:
    case 5:
      return guest.Base() + kArguments + data.ConsumeIntegralInRange<std::uint64_t>(0, 511);
    default:
      return data.ConsumeIntegralInRange<std::uint64_t>(0, 40);
  }
}

HypercallFrame AnyFrame(FuzzedDataProvider& data, const XenGuest& guest) {
  HypercallFrame frame;
  frame.width = guest.width;
  frame.number = data.ConsumeProbability<float>() < 0.95F ? data.PickValueInArray(kNumbers)
                                                          : data.ConsumeIntegral<std::uint64_t>();
  for (std::uint64_t& arg : frame.args) {
    arg = AnyArgument(data, guest);
  }
  if (data.ConsumeProbability<float>() < 0.9F) {
    frame.args[0] = data.ConsumeIntegralInRange<std::uint64_t>(0, 40);
  }
  return frame;
}

// Words that mean something: frames, ports, domains, pointers to the page itself.
void FillArguments(FuzzedDataProvider& data, XenGuest& guest) {
  const auto bytes =
      data.ConsumeBytes<std::uint8_t>(data.ConsumeIntegralInRange<std::size_t>(0, 256));
  const std::uint64_t address = guest.Base() + kArguments;
  VENEER_CHECK(guest.virtual_memory->Write(address, std::as_bytes(std::span(bytes))));
  for (int i = data.ConsumeIntegralInRange<int>(0, 6); i > 0; --i) {
    const std::uint64_t value = AnyArgument(data, guest);
    const std::uint64_t offset = 4 * data.ConsumeIntegralInRange<std::uint64_t>(0, 60);
    VENEER_CHECK(guest.virtual_memory->Write(
        address + offset, std::as_bytes(std::span(&value, 1)).first(guest.WordSize())));
  }
}

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace veneer;
  testing::SilenceLog();
  FuzzedDataProvider data(bytes, size);
  XenGuest guest(data.ConsumeBool() ? GuestWidth::k64 : GuestWidth::k32, 3);
  for (int calls = 0; calls < 24 && data.remaining_bytes() > 0; ++calls) {
    FillArguments(data, guest);
    HypercallFrame frame = AnyFrame(data, guest);
    const auto vcpu = data.ConsumeIntegralInRange<unsigned>(0, 2);
    // A call that goes on for ever is the guest's own loss, as long as it lets go between slices.
    for (int slices = 0; slices < 8; ++slices) {
      if (!guest.hypercalls->Dispatch(vcpu, frame, *guest.virtual_memory).again) {
        break;
      }
    }
    if (data.ConsumeBool()) {
      guest.Advance(data.ConsumeIntegral<std::uint32_t>());
    }
    guest.domain->RefreshVcpu(vcpu);
  }
  return 0;
}
