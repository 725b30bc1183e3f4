// A KVM virtual machine: memory slots, interrupt controllers, vCPUs, and events that bypass exits.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"
#include "veneer/vmm/bus/interrupt.h"
#include "veneer/vmm/bus/io_events.h"
#include "veneer/vmm/kvm/kernel_xen.h"
#include "veneer/vmm/kvm/kvm_system.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/vcpu/cpuid.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// Thread-safe, but for creation: memory and vCPUs are set up by one thread before vCPUs run.
class Vm final : public IoEvents, public ResampledLines, public KernelXen, private MemorySlots {
 public:
  struct Options {
    // In-kernel PIC, IOAPIC, local APICs and PIT. Without it there are no interrupts (probe
    // guests).
    bool interrupt_controllers = true;
    // An instruction that KVM's emulator does not know is an EmulationFailureExit, for an assist,
    // at whatever privilege. Without it KVM gives user space #UD, so that a guest's program does
    // not end the guest; a guest's kernel leaves with that exit anyway.
    bool unknown_instructions_exit = false;
  };
  static Result<std::unique_ptr<Vm>> Create(const KvmSystem& system, const Options& options);
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;
  ~Vm() override;

  // The memory must outlive the Vm. What it grows by while vCPUs run is added by itself.
  Result<void> AddMemory(GuestMemory& memory);
  // APs wait for INIT/SIPI. The Vm must outlive its vCPUs.
  Result<std::unique_ptr<Vcpu>> CreateVcpu(unsigned id, const CpuidTable& cpuid);

  // A wire of the IOAPIC (and of the PIC below 16).
  std::unique_ptr<InterruptLine> Line(Gsi gsi);
  MsiSink& msi();

  // Which MSR accesses leave to userspace as MsrExit. Replaces earlier filters; at most 16 ranges.
  Result<void> FilterMsrs(std::span<const MsrRange> ranges);

  Result<void> AttachIoEvent(const IoEventAddress& address, int event_fd) override;
  Result<void> DetachIoEvent(const IoEventAddress& address, int event_fd) override;
  Result<void> AttachResampledLine(Gsi gsi, int event_fd, int resample_fd) override;
  Result<void> DetachResampledLine(Gsi gsi, int event_fd) override;

  // KernelXen
  Result<void> EnableXen(std::uint32_t hypercall_msr, std::uint32_t version) override;
  Result<void> SetXenWidth(bool wide) override;
  Result<void> SetXenSharedInfo(std::span<std::byte> page) override;
  Result<void> SetXenCallbackVector(std::uint8_t vector) override;
  Result<void> SetXenRunstateUpdateFlag(bool on) override;
  Result<void> RouteXenPortToEventFd(std::uint32_t port, int event_fd) override;
  Result<void> RouteXenPortToVcpu(std::uint32_t port, std::uint32_t vcpu) override;
  Result<void> UnrouteXenPort(std::uint32_t port) override;
  Result<void> SendXenEvent(std::uint32_t port, std::uint32_t vcpu) override;

  // KVM's own statistics, summed over vCPUs: "exits", "insn_emulation", … Empty if the host has
  // none. Readable while vCPUs run.
  std::map<std::string, std::uint64_t> Statistics() const;

  // Nanoseconds of guest time (KVM_GET_CLOCK), for the PV clock.
  Result<std::uint64_t> ClockNs() const;
  // Frequency of the guest's TSC; 0 if KVM does not say.
  std::uint32_t TscKhz() const;

 private:
  Vm() = default;
  class Msi;
  class KvmLine;

  int fd() const { return fd_.get(); }
  // MemorySlots
  Result<void> AddSlot(const MemoryRegion& region) override;

  UniqueFd fd_;
  const KvmSystem* system_ = nullptr;
  std::unique_ptr<Msi> msi_;
  std::uint32_t next_slot_ = 0;
  bool msr_exits_ = false;    // MSR accesses can leave to userspace
  std::size_t run_size_ = 0;  // bytes of the shared run page
  std::vector<UniqueFd> vcpu_stats_;
};

}  // namespace veneer
