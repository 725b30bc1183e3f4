// Everything that makes a machine a Xen domain: the domain itself, its hypercalls, xenstore,
// console, platform device and clock, wired to the machine around them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "e1000_nics.h"
#include "event_path.h"
#include "ide_disks.h"
#include "kernel_side.h"
#include "kernel_watch.h"
#include "mainboard.h"
#include "run_gate.h"
#include "send_ports.h"
#include "tlb_flush.h"
#include "upcalls.h"
#include "vcpu_thread.h"
#include "veneer/backends/block/disks.h"
#include "veneer/backends/console/pv_console.h"
#include "veneer/backends/net/nics.h"
#include "veneer/devices/pci/xen_platform_pci.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/inquiry.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/moderated_event.h"
#include "veneer/vmm/boot/boot_loader.h"
#include "veneer/vmm/bus/interrupt.h"
#include "veneer/vmm/bus/io_events.h"
#include "veneer/vmm/machine/machine_config.h"
#include "veneer/vmm/vcpu/cpuid.h"
#include "veneer/vmm/vcpu/vcpu.h"
#include "veneer/xencompat/domain/xen_domain.h"
#include "veneer/xencompat/hypercall/hypercalls.h"
#include "veneer/xencompat/platform/platform_ports.h"
#include "veneer/xencompat/xenstore/client.h"
#include "veneer/xencompat/xenstore/guest_ring.h"
#include "veneer/xencompat/xenstore/host_socket.h"
#include "veneer/xencompat/xenstore/service.h"

namespace veneer {

class XenGuest final : private XenMachineHooks {
 public:
  // What it needs of its machine; all outlive it.
  struct Parts {
    const MachineConfig& config;
    GuestMemory& memory;
    IoEvents& io_events;
    ResampledLines& lines;
    MsiSink& msi;
    std::uint32_t tsc_khz;         // of the guest's TSC; 0: not known
    std::uint64_t clock_start_ns;  // CLOCK_MONOTONIC when the guest's clock showed 0
    Mainboard& mainboard;
    Bus& ports;
    IdeDisks* ide_disks;  // may be null
    E1000Nics& e1000_nics;
    EventLoop& loop;
    RunGate& gate;
    Metrics& metrics;
    const std::vector<std::unique_ptr<VcpuThread>>& vcpus;
    bool emulated_kernel;  // see HostProfile
    KernelXen& kernel_xen;
    std::uint32_t xen_flags;  // see KvmCapabilities
    std::function<void(MachineStop)> request_stop;
    std::function<void()> msrs_changed;  // Msrs() says something else now; any thread
    std::function<void(std::span<const std::byte>)> console_output;
    std::function<void()> console_room;
    DiskFailureReceiver disk_failed;
  };

  // `ram`: where the guest's RAM is. `boot`: what has been loaded; hypercall sites in it are
  // rewritten here.
  static Result<std::unique_ptr<XenGuest>> Create(Parts parts,
                                                  std::span<const GuestMemory::Range> ram,
                                                  const PreparedBoot& boot);
  XenGuest(const XenGuest&) = delete;
  XenGuest& operator=(const XenGuest&) = delete;
  ~XenGuest() override;

  // Puts Xen's leaves where KVM's own are in `table`.
  void AddCpuidLeaves(CpuidTable& table, unsigned vcpu) const;
  // MSRs that must leave to userspace. Any thread.
  std::vector<MsrRange> Msrs() const;
  Result<std::unique_ptr<ExitHandler>> MakeVcpu(Vcpu& vcpu);
  const EventPath& path() const { return path_; }

  // Any thread.
  std::size_t ConsoleInput(std::span<const std::byte> input) {
    return console_ != nullptr ? console_->Input(input) : input.size();
  }
  XenstoreClient& store() { return *client_; }
  // On the loop's thread.
  Disks& disks() { return *disks_; }
  Nics& nics() { return *nics_; }
  // On the loop's thread. Adds how events, upcalls and rings stand; asks the queues for theirs.
  void Report(Inquiry& inquiry);
  // The RAM that the guest's balloon has left it.
  std::uint64_t MemoryBytes() const { return domain_->physmap().populated_pages() * kPageSize; }

 private:
  // `starts_another`: see PreparedBoot.
  XenGuest(Parts parts, bool starts_another);
  // Decides between KVM's Xen support and Veneer's own ways.
  void ChoosePath();
  Result<void> MakeDomain(std::span<const GuestMemory::Range> ram, const PreparedBoot& boot);
  Result<void> MakeStore();
  // The ports and grants of xenstore's ring and the console's, as a guest finds them at its boot.
  void OpenStoreChannel();
  Result<void> OpenConsoleChannel();
  Result<void> MakeConsole();
  Result<void> FillStore();
  Result<void> MakeDisks();
  Result<void> MakeNics();
  Result<void> AttachPlatform();
  // Xen's soft reset, by kexec: one guest makes room for another. Begins on the thread that asks;
  // the rest runs on the loop's, while the vCPUs are held.
  void BeginSoftReset();
  void SoftReset();
  void FinishSoftReset();
  // The guest has asked for emulated devices to go, as a mask of kUnplug* bits.
  void Unplug(std::uint16_t mask);
  // Whether a vCPU can be used, as the guest's own doing has it. On the vCPU's thread.
  void ShowAvailability(unsigned vcpu, bool online);
  // The indices of xenstore's ring and of the console's.
  std::vector<std::string> RingReports() const;

  // XenMachineHooks
  void SetUpcallVector(unsigned vcpu, std::uint8_t vector) override;
  void SetCallback(const CallbackMethod& method) override;
  void Shutdown(ShutdownReason reason) override;
  bool Suspend() override;
  void EnableVcpuTime(unsigned vcpu, Gpa time) override;
  void InjectNmi(unsigned vcpu) override;
  bool FlushTlbs(unsigned caller) override { return tlb_flush_.Go(caller); }
  bool IsOnline(unsigned vcpu) override;
  bool StartVcpu(unsigned vcpu, const vcpu_hvm_context_t& context) override;
  std::uint64_t StolenNs(unsigned vcpu) override;

  Parts parts_;
  std::vector<std::atomic<std::uint64_t>> clocks_;  // of each vCPU, see XenVcpu::Parts
  std::atomic<unsigned> life_{0};                   // see XenVcpu::Parts
  std::atomic<unsigned> boot_vcpu_{0};              // the one that needs no SIPI
  std::atomic<bool> soft_resetting_{false};
  LogLimiter limiter_;
  TlbFlush tlb_flush_;
  KernelWatch kernel_watch_;
  std::unique_ptr<LinearSystemTime> time_;
  std::unique_ptr<Upcalls> upcalls_;
  EventPath path_;
  std::unique_ptr<KernelSide> kernel_side_;  // where path_ leads through the kernel
  std::unique_ptr<SendPorts> send_ports_;    // where it does not
  std::unique_ptr<XenDomain> domain_;
  std::unique_ptr<LoopTimer> timer_;
  std::unique_ptr<Hypercalls> hypercalls_;

  std::unique_ptr<XenstoreService> store_;
  std::unique_ptr<XenstoreClient> client_;
  EvtchnPort store_port_;  // the guest's end
  std::atomic<EvtchnPort> store_host_port_;
  std::unique_ptr<XenstoreGuestRing> store_ring_;
  std::unique_ptr<XenstoreHostSocket> store_socket_;

  EvtchnPort console_port_;  // the guest's end
  std::atomic<EvtchnPort> console_host_port_;
  std::unique_ptr<PvConsole> console_;
  std::unique_ptr<ModeratedEvent>
      console_event_;  // signalled by the guest's kicks, inside the kernel

  std::unique_ptr<PlatformPorts> platform_ports_;
  std::unique_ptr<XenPlatformPci> platform_;

  std::unique_ptr<Disks> disks_;
  std::unique_ptr<Nics> nics_;
};

}  // namespace veneer
