#include "veneer/kvm/host_probe.h"

#include <array>
#include <variant>

#include "veneer/kvm/vm.h"

namespace veneer {
namespace {

constexpr std::uint16_t kLoopDonePort = 0xf0;
constexpr std::uint16_t kEndPort = 0xf1;
constexpr std::uint32_t kLoopCount = 1024;

// Real-mode code at 0. FWAIT is in every processor since 1980 and in no version of KVM's
// instruction emulator: whoever stops there interprets the guest.
constexpr std::array<std::uint8_t, 12> kProbeCode = {
    0xb9,
    kLoopCount & 0xff,
    kLoopCount >> 8,  // mov cx, kLoopCount
    0xe2,
    0xfe,  // loop to itself
    0xe6,
    kLoopDonePort,  // out kLoopDonePort, al
    0x9b,           // fwait
    0xe6,
    kEndPort,  // out kEndPort, al
    0xeb,
    0xfe,  // (not reached)
};

Result<void> EnterProbe(Vcpu& vcpu) {
  SystemRegisters system = vcpu.GetSystemRegisters();
  system.cs.base = 0;
  system.cs.selector = 0;
  if (!vcpu.SetSystemRegisters(system)) {
    return HostError("KVM does not take the registers of a real-mode guest");
  }
  vcpu.SetRegisters(Registers{});
  return {};
}

bool IsPort(const VcpuExit& exit, std::uint16_t port) {
  const auto* pio = std::get_if<PioExit>(&exit);
  return pio != nullptr && pio->write && pio->port == port;
}

}  // namespace

Result<HostProfile> ProbeHost(const KvmSystem& system, const Clock& clock) {
  const std::uint64_t start = clock.MonotonicNs();
  VENEER_TRY_ASSIGN(const std::unique_ptr<GuestMemory> memory, GuestMemory::CreateFlat(kPageSize));
  if (!memory->WriteBytes(Gpa{0}, std::as_bytes(std::span(kProbeCode)))) {
    return HostError("the probe guest does not fit its memory");
  }
  VENEER_TRY_ASSIGN(const std::unique_ptr<Vm> vm,
                    Vm::Create(system, Vm::Options{.interrupt_controllers = false}));
  VENEER_TRY(vm->AddMemory(*memory));
  VENEER_TRY_ASSIGN(const CpuidTable cpuid, system.SupportedCpuid());
  VENEER_TRY_ASSIGN(const std::unique_ptr<Vcpu> vcpu, vm->CreateVcpu(0, cpuid));
  VENEER_TRY(EnterProbe(*vcpu));

  const std::uint64_t loop_start = clock.MonotonicNs();
  VcpuExit exit = vcpu->Run();
  const std::uint64_t loop_ns = clock.MonotonicNs() - loop_start;
  if (!IsPort(exit, kLoopDonePort)) {
    return HostError("KVM does not run the simplest of guests on this host (exit kind {})",
                     exit.index());
  }
  exit = vcpu->Run();

  HostProfile profile;
  profile.emulated_kernel = std::holds_alternative<EmulationFailureExit>(exit);
  if (!profile.emulated_kernel && !IsPort(exit, kEndPort)) {
    return HostError("KVM does not run an x87 instruction in a guest on this host (exit kind {})",
                     exit.index());
  }
  profile.kernel_instructions_per_second =
      kLoopCount * 1e9 / static_cast<double>(loop_ns > 0 ? loop_ns : 1);
  profile.probe_ns = clock.MonotonicNs() - start;
  return profile;
}

}  // namespace veneer
