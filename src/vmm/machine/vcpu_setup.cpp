// Entry states: Linux, Documentation/arch/x86/boot.rst; Xen, docs/misc/pvh.pandoc.
#include "vcpu_setup.h"

namespace veneer {
namespace {

constexpr std::uint32_t kX2Apic = 1U << 21U;       // leaf 1, ECX
constexpr std::uint32_t kTscDeadline = 1U << 24U;  // leaf 1, ECX
constexpr std::uint32_t kHypervisor = 1U << 31U;   // leaf 1, ECX

// KVM's own leaf 0x40000001, EAX (Linux, Documentation/virt/kvm/x86/cpuid.rst).
constexpr std::uint32_t kKvmFeatureLeaf = kHypervisorLeafBase + 1;
constexpr std::uint32_t kKvmClock = 1U << 0U;
constexpr std::uint32_t kKvmNoIoDelay = 1U << 1U;
constexpr std::uint32_t kKvmClock2 = 1U << 3U;
constexpr std::uint32_t kKvmStealTime = 1U << 5U;
constexpr std::uint32_t kKvmClockStable = 1U << 24U;
// A guest that uses any other feature makes hypercalls, and a vmcall never returns on hosts that
// interpret the kernel.
constexpr std::uint32_t kKvmFeaturesWithoutVmcall =
    kKvmClock | kKvmNoIoDelay | kKvmClock2 | kKvmStealTime | kKvmClockStable;

Segment FlatSegment(std::uint16_t selector, std::uint8_t type, bool code64) {
  Segment segment;
  segment.selector = selector;
  segment.base = 0;
  segment.limit = 0xffffffff;
  segment.type = type;
  segment.present = true;
  segment.system = true;
  segment.granularity = true;
  segment.long_mode = code64;
  segment.default_size = !code64;
  return segment;
}

}  // namespace

CpuidTable GuestCpuid(const CpuidTable& supported, const KvmCapabilities& capabilities,
                      const HostProfile& host, unsigned vcpu, unsigned vcpus) {
  CpuidTable table = supported;
  if (CpuidLeaf* features = FindLeaf(table, 1)) {
    features->ecx |= kHypervisor | kX2Apic;
    if (capabilities.tsc_deadline_timer) {
      features->ecx |= kTscDeadline;
    }
  }
  if (host.emulated_kernel) {
    if (CpuidLeaf* kvm_features = FindLeaf(table, kKvmFeatureLeaf)) {
      kvm_features->eax &= kKvmFeaturesWithoutVmcall;
    }
  }
  SetTopology(table, vcpu, vcpus);
  return table;
}

namespace {

// The last 16 bytes of the BIOS's copy below 1 MiB. A real processor begins at the ones below 4
// GiB, where there is nothing here.
Result<void> EnterAtReset(Vcpu& vcpu) {
  SystemRegisters system = vcpu.GetSystemRegisters();
  system.cs.selector = 0xf000;
  system.cs.base = 0xf0000;
  if (!vcpu.SetSystemRegisters(system)) {
    return HostError("KVM does not take the registers for the firmware's entry");
  }
  Registers registers;
  registers.rip = 0xfff0;
  vcpu.SetRegisters(registers);
  return {};
}

}  // namespace

Result<void> EnterKernel(Vcpu& vcpu, const BootEntry& entry) {
  if (entry.protocol == BootProtocol::kReset) {
    return EnterAtReset(vcpu);
  }
  constexpr std::uint8_t kCodeType = 0xb;  // execute, read, accessed
  constexpr std::uint8_t kDataType = 0x3;  // read, write, accessed
  constexpr std::uint8_t kBusyTss = 0xb;
  const bool long_mode = entry.protocol == BootProtocol::kLinux64;

  SystemRegisters system = vcpu.GetSystemRegisters();
  system.cs = FlatSegment(entry.code_selector, kCodeType, long_mode);
  const Segment data = FlatSegment(entry.data_selector, kDataType, false);
  system.ds = system.es = system.fs = system.gs = system.ss = data;
  system.tr = Segment{};
  system.tr.selector = entry.task_selector;
  system.tr.limit = 0x67;
  system.tr.type = kBusyTss;
  system.tr.present = true;
  system.tr.system = false;
  system.gdt = {entry.gdt_base.value, entry.gdt_limit};
  system.idt = {0, 0};
  system.cr0 = kCr0ProtectedMode | kCr0ExtensionType | kCr0NumericError;
  system.cr4 = 0;
  system.efer = 0;
  if (long_mode) {
    system.cr0 |= kCr0Paging;
    system.cr4 = kCr4PhysicalAddressExtension;
    system.cr3 = entry.page_table.value;
    system.efer = kEferLongModeEnable | kEferLongModeActive;
  }
  if (!vcpu.SetSystemRegisters(system)) {
    return HostError("KVM does not take the registers for the kernel's entry");
  }
  Registers registers;
  registers.rip = entry.rip;
  registers[Reg::kRsp] = entry.rsp;
  registers[long_mode ? Reg::kRsi : Reg::kRbx] = entry.info.value;
  vcpu.SetRegisters(registers);
  return {};
}

}  // namespace veneer
