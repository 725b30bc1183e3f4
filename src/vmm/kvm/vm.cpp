#include "veneer/vmm/kvm/vm.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "kvm_ioctl.h"
#include "kvm_vcpu.h"
#include "pc_routing.h"
#include "statistics.h"

namespace veneer {
namespace {

// Where KVM on Intel keeps its own pages for real mode: three pages and one page, below 4 GiB and
// outside RAM and devices.
constexpr std::uint64_t kTssAddress = 0xfffbd000;
constexpr std::uint64_t kIdentityMapAddress = 0xfffbc000;

kvm_ioeventfd ToKvm(const IoEventAddress& address, int event_fd) {
  kvm_ioeventfd event{};
  event.addr = address.address;
  event.len = address.size;
  event.fd = event_fd;
  if (address.port_io) {
    event.flags |= KVM_IOEVENTFD_FLAG_PIO;
  }
  if (address.match) {
    event.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
    event.datamatch = *address.match;
  }
  return event;
}

Result<void> RouteLines(int vm_fd) {
  const std::vector<kvm_irq_routing_entry> entries = kvm::PcRouting();
  kvm::CountedArray<kvm_irq_routing_entry> routing(entries.size());
  std::copy(entries.begin(), entries.end(), routing.entries());
  const int result = kvm::Ioctl(vm_fd, kvm::kSetGsiRouting, routing.data());
  if (result < 0) {
    return ErrnoError(-result, "KVM cannot connect the interrupt lines");
  }
  return {};
}

}  // namespace

class Vm::Msi final : public MsiSink {
 public:
  explicit Msi(int vm_fd) : vm_fd_(vm_fd) {}
  bool Deliver(const MsiMessage& message) override {
    kvm_msi msi{};
    msi.address_lo = static_cast<std::uint32_t>(message.address);
    msi.address_hi = static_cast<std::uint32_t>(message.address >> 32U);
    msi.data = message.data;
    return kvm::Ioctl(vm_fd_, KVM_SIGNAL_MSI, &msi) > 0;
  }

 private:
  int vm_fd_;
};

class Vm::KvmLine final : public InterruptLine {
 public:
  KvmLine(int vm_fd, Gsi gsi) : vm_fd_(vm_fd), gsi_(gsi) {}
  void SetLevel(bool asserted) override {
    kvm_irq_level level{};
    level.irq = gsi_.value;
    level.level = asserted ? 1 : 0;
    // Cannot fail for a line that exists; there is nobody to tell.
    static_cast<void>(kvm::Ioctl(vm_fd_, KVM_IRQ_LINE, &level));
  }

 private:
  int vm_fd_;
  Gsi gsi_;
};

Result<std::unique_ptr<Vm>> Vm::Create(const KvmSystem& system, const Options& options) {
  std::unique_ptr<Vm> vm(new Vm());
  vm->system_ = &system;
  const int fd = kvm::Ioctl(system.fd(), KVM_CREATE_VM, 0);
  if (fd < 0) {
    return ErrnoError(-fd, "KVM cannot make a virtual machine");
  }
  vm->fd_.Reset(fd);
  const int run_size = kvm::Ioctl(system.fd(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (run_size < 0) {
    return ErrnoError(-run_size, "KVM does not say how large a run page is");
  }
  vm->run_size_ = static_cast<std::size_t>(run_size);
  vm->msi_ = std::make_unique<Msi>(fd);
  kvm::InstallKickSignal();

  // Needed on Intel only, and harmless elsewhere; KVM says where it is not known.
  static_cast<void>(kvm::Ioctl(fd, KVM_SET_TSS_ADDR, kTssAddress));
  std::uint64_t identity_map = kIdentityMapAddress;
  static_cast<void>(kvm::Ioctl(fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map));

  if (options.unknown_instructions_exit && system.capabilities().emulation_failure_details) {
    kvm_enable_cap enable{};
    enable.cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE;
    enable.args[0] = 1;
    static_cast<void>(kvm::Ioctl(fd, KVM_ENABLE_CAP, &enable));
  }
  if (options.interrupt_controllers) {
    int result = kvm::Ioctl(fd, KVM_CREATE_IRQCHIP, 0);
    if (result < 0) {
      return ErrnoError(-result, "KVM cannot make interrupt controllers");
    }
    kvm_pit_config pit{};
    pit.flags = KVM_PIT_SPEAKER_DUMMY;
    result = kvm::Ioctl(fd, KVM_CREATE_PIT2, &pit);
    if (result < 0) {
      return ErrnoError(-result, "KVM cannot make an interval timer");
    }
    VENEER_TRY(RouteLines(fd));
  }
  return vm;
}

Vm::~Vm() = default;

Result<void> Vm::AddMemory(GuestMemory& memory) { return memory.ShowTo(*this); }

Result<void> Vm::AddSlot(const MemoryRegion& region) {
  kvm_userspace_memory_region slot{};
  slot.slot = next_slot_;
  slot.guest_phys_addr = region.base.value;
  slot.memory_size = region.size;
  // KVM takes addresses of this process as numbers.
  slot.userspace_addr = reinterpret_cast<std::uint64_t>(region.host);
  const int result = kvm::Ioctl(fd(), KVM_SET_USER_MEMORY_REGION, &slot);
  if (result < 0) {
    return ErrnoError(-result, fmt::format("KVM does not take {} MiB of guest memory at {:#x}",
                                           region.size >> 20U, region.base.value));
  }
  ++next_slot_;
  return {};
}

Result<std::unique_ptr<Vcpu>> Vm::CreateVcpu(unsigned id, const CpuidTable& cpuid) {
  VENEER_TRY_ASSIGN(
      std::unique_ptr<kvm::KvmVcpu> vcpu,
      kvm::KvmVcpu::Create(fd(), id, run_size_, system_->capabilities().sync_registers));
  VENEER_TRY(vcpu->SetCpuid(cpuid));
  if (kvm::Ioctl(fd(), KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP) > 0 && id == 0) {
    // Fails when the machine has no in-kernel local APIC, and then there is nothing to set up.
    static_cast<void>(vcpu->SetUpLocalApic());
  }
  if (system_->capabilities().binary_stats) {
    vcpu_stats_.emplace_back(kvm::Ioctl(vcpu->fd(), KVM_GET_STATS_FD, 0));
  }
  return vcpu;
}

std::unique_ptr<InterruptLine> Vm::Line(Gsi gsi) { return std::make_unique<KvmLine>(fd(), gsi); }

MsiSink& Vm::msi() { return *msi_; }

Result<void> Vm::FilterMsrs(std::span<const MsrRange> ranges) {
  if (!system_->capabilities().msr_filter || !system_->capabilities().user_space_msr) {
    return HostError("this host's KVM cannot hand MSR accesses to Veneer; use Linux 5.10 or later");
  }
  // Once: later calls come from vCPUs' threads, which the sandbox does not let enable anything.
  if (!msr_exits_) {
    kvm_enable_cap enable{};
    enable.cap = KVM_CAP_X86_USER_SPACE_MSR;
    enable.args[0] = KVM_MSR_EXIT_REASON_FILTER;
    if (const int result = kvm::Ioctl(fd(), KVM_ENABLE_CAP, &enable); result < 0) {
      return ErrnoError(-result, "KVM cannot hand MSR accesses to Veneer");
    }
    msr_exits_ = true;
  }
  // A zero bit denies the access, which is what makes it leave to userspace.
  std::array<std::array<std::uint8_t, 64>, KVM_MSR_FILTER_MAX_RANGES> bitmaps{};
  kvm_msr_filter filter{};
  filter.flags = KVM_MSR_FILTER_DEFAULT_ALLOW;
  for (std::size_t i = 0; i < ranges.size() && i < bitmaps.size(); ++i) {
    filter.ranges[i].flags = (ranges[i].reads ? KVM_MSR_FILTER_READ : 0U) |
                             (ranges[i].writes ? KVM_MSR_FILTER_WRITE : 0U);
    filter.ranges[i].base = ranges[i].first;
    filter.ranges[i].nmsrs = ranges[i].count;
    filter.ranges[i].bitmap = bitmaps[i].data();
  }
  if (const int result = kvm::Ioctl(fd(), KVM_X86_SET_MSR_FILTER, &filter); result < 0) {
    return ErrnoError(-result, "KVM does not take the MSR filter");
  }
  return {};
}

Result<void> Vm::AttachIoEvent(const IoEventAddress& address, int event_fd) {
  kvm_ioeventfd event = ToKvm(address, event_fd);
  const int result = kvm::Ioctl(fd(), KVM_IOEVENTFD, &event);
  if (result < 0) {
    return ErrnoError(-result, fmt::format("KVM cannot tie an eventfd to {} {:#x}",
                                           address.port_io ? "port" : "address", address.address));
  }
  return {};
}

Result<void> Vm::DetachIoEvent(const IoEventAddress& address, int event_fd) {
  kvm_ioeventfd event = ToKvm(address, event_fd);
  event.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
  const int result = kvm::Ioctl(fd(), KVM_IOEVENTFD, &event);
  if (result < 0) {
    return ErrnoError(-result, "KVM cannot untie an eventfd");
  }
  return {};
}

Result<void> Vm::AttachResampledLine(Gsi gsi, int event_fd, int resample_fd) {
  kvm_irqfd irqfd{};
  irqfd.fd = static_cast<std::uint32_t>(event_fd);
  irqfd.gsi = gsi.value;
  irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
  irqfd.resamplefd = static_cast<std::uint32_t>(resample_fd);
  const int result = kvm::Ioctl(fd(), KVM_IRQFD, &irqfd);
  if (result < 0) {
    return ErrnoError(-result, fmt::format("KVM cannot tie an eventfd to GSI {}", gsi.value));
  }
  return {};
}

Result<void> Vm::DetachResampledLine(Gsi gsi, int event_fd) {
  kvm_irqfd irqfd{};
  irqfd.fd = static_cast<std::uint32_t>(event_fd);
  irqfd.gsi = gsi.value;
  irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
  const int result = kvm::Ioctl(fd(), KVM_IRQFD, &irqfd);
  if (result < 0) {
    return ErrnoError(-result, fmt::format("KVM cannot untie an eventfd from GSI {}", gsi.value));
  }
  return {};
}

std::map<std::string, std::uint64_t> Vm::Statistics() const {
  std::map<std::string, std::uint64_t> totals;
  for (const UniqueFd& stats : vcpu_stats_) {
    if (stats.valid()) {
      kvm::AddStatistics(stats.get(), totals);
    }
  }
  return totals;
}

std::uint32_t Vm::TscKhz() const {
  const int khz = kvm::Ioctl(fd(), KVM_GET_TSC_KHZ, 0);
  return khz > 0 ? static_cast<std::uint32_t>(khz) : 0;
}

Result<std::uint64_t> Vm::ClockNs() const {
  kvm_clock_data clock{};
  const int result = kvm::Ioctl(fd(), KVM_GET_CLOCK, &clock);
  if (result < 0) {
    return ErrnoError(-result, "KVM does not tell the guest's time");
  }
  return clock.clock;
}

}  // namespace veneer
