#include "veneer/vmm/kvm/host_probe.h"

#include <array>
#include <variant>

#include "veneer/vmm/kvm/vm.h"

namespace veneer {
namespace {

constexpr std::uint16_t kEndPort = 0xf0;
constexpr std::uint16_t kLoopDonePort = 0xf1;
constexpr std::uint32_t kLoopCount = 1024;

// Real-mode code at 0. FWAIT is in every processor since 1980 and in no version of KVM's
// instruction emulator: whoever stops there interprets the guest.
constexpr std::array<std::uint8_t, 12> kProbeCode = {
    0x9b,  // fwait
    0xe6,
    kEndPort,  // out kEndPort, al
    0xb9,
    kLoopCount & 0xff,
    kLoopCount >> 8,  // mov cx, kLoopCount
    0xe2,
    0xfe,  // loop to itself
    0xe6,
    kLoopDonePort,  // out kLoopDonePort, al
    0xeb,
    0xfe,  // (not reached)
};
constexpr std::uint64_t kLoopStart = 3;

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

// Instructions per second.
Result<double> MeasureSpeed(Vcpu& vcpu, const Clock& clock) {
  Registers registers;
  registers.rip = kLoopStart;
  vcpu.SetRegisters(registers);
  const std::uint64_t start = clock.MonotonicNs();
  const VcpuExit exit = vcpu.Run();
  const std::uint64_t spent = clock.MonotonicNs() - start;
  if (!IsPort(exit, kLoopDonePort)) {
    return HostError("KVM does not run the simplest of guests on this host (exit kind {})",
                     exit.index());
  }
  return kLoopCount * 1e9 / static_cast<double>(spent > 0 ? spent : 1);
}

}  // namespace

Result<HostProfile> ProbeHost(const KvmSystem& system, const Clock& clock, bool measure_speed) {
  const std::uint64_t start = clock.MonotonicNs();
  VENEER_TRY_ASSIGN(const std::unique_ptr<GuestMemory> memory, GuestMemory::CreateFlat(kPageSize));
  if (!memory->WriteBytes(Gpa{0}, std::as_bytes(std::span(kProbeCode)))) {
    return HostError("the probe guest does not fit its memory");
  }
  VENEER_TRY_ASSIGN(const std::unique_ptr<Vm> vm,
                    Vm::Create(system, Vm::Options{.interrupt_controllers = false,
                                                   .unknown_instructions_exit = true}));
  VENEER_TRY(vm->AddMemory(*memory));
  // Three instructions need no CPUID, and asking KVM for it takes a while.
  VENEER_TRY_ASSIGN(const std::unique_ptr<Vcpu> vcpu, vm->CreateVcpu(0, CpuidTable{}));
  VENEER_TRY(EnterProbe(*vcpu));

  const VcpuExit exit = vcpu->Run();
  HostProfile profile;
  profile.emulated_kernel = std::holds_alternative<EmulationFailureExit>(exit);
  if (!profile.emulated_kernel && !IsPort(exit, kEndPort)) {
    return HostError("KVM does not run an x87 instruction in a guest on this host (exit kind {})",
                     exit.index());
  }
  if (measure_speed) {
    VENEER_TRY_ASSIGN(profile.kernel_instructions_per_second, MeasureSpeed(*vcpu, clock));
  }
  profile.probe_ns = clock.MonotonicNs() - start;
  return profile;
}

}  // namespace veneer
