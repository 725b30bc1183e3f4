#include "veneer/vmm/kvm/kvm_system.h"

#include <fcntl.h>

#include "kvm_ioctl.h"

namespace veneer {

Result<std::unique_ptr<KvmSystem>> KvmSystem::Open(const std::string& path) {
  std::unique_ptr<KvmSystem> system(new KvmSystem());
  system->fd_.Reset(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!system->fd_.valid()) {
    switch (errno) {
      case ENOENT:
      case ENODEV:
      case ENXIO:
        return HostError(
            "{} is missing: load the KVM module (modprobe kvm_intel or kvm_amd), and switch on "
            "virtualization in the firmware or, in a cloud VM, nested virtualization",
            path);
      case EACCES:
      case EPERM:
        return HostError(
            "no permission to use {}: run as root, or add yourself to the kvm group (usermod -aG "
            "kvm $USER) and log in again",
            path);
      default:
        return ErrnoError(errno, fmt::format("cannot open {}", path));
    }
  }
  const int version = kvm::Ioctl(system->fd_.get(), KVM_GET_API_VERSION, 0);
  if (version != KVM_API_VERSION) {
    return HostError("{} is not a KVM that Veneer can use: it answers API version {}, not {}", path,
                     version, KVM_API_VERSION);
  }
  system->capabilities_.api_version = version;
  VENEER_TRY(system->ReadCapabilities());
  return system;
}

int KvmSystem::Check(int capability) const {
  return kvm::Ioctl(fd_.get(), KVM_CHECK_EXTENSION, capability);
}

Result<void> KvmSystem::ReadCapabilities() {
  const auto has = [this](int capability) { return Check(capability) > 0; };
  KvmCapabilities& caps = capabilities_;
  caps.max_vcpus = static_cast<unsigned>(std::max(0, Check(KVM_CAP_MAX_VCPUS)));
  caps.user_memory = has(KVM_CAP_USER_MEMORY);
  caps.irqchip = has(KVM_CAP_IRQCHIP);
  caps.split_irqchip = has(KVM_CAP_SPLIT_IRQCHIP);
  caps.irqfd = has(KVM_CAP_IRQFD);
  caps.ioeventfd = has(KVM_CAP_IOEVENTFD);
  caps.signal_msi = has(KVM_CAP_SIGNAL_MSI);
  caps.immediate_exit = has(KVM_CAP_IMMEDIATE_EXIT);
  caps.user_space_msr = has(KVM_CAP_X86_USER_SPACE_MSR);
  caps.msr_filter = has(KVM_CAP_X86_MSR_FILTER);
  caps.sync_registers = (Check(KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_REGS) != 0;
  caps.guest_debug = has(KVM_CAP_SET_GUEST_DEBUG);
  caps.adjust_clock = has(KVM_CAP_ADJUST_CLOCK);
  caps.emulation_failure_details = has(KVM_CAP_EXIT_ON_EMULATION_FAILURE);
  caps.binary_stats = has(KVM_CAP_BINARY_STATS_FD);
  caps.tsc_deadline_timer = has(KVM_CAP_TSC_DEADLINE_TIMER);
  caps.readonly_memory = has(KVM_CAP_READONLY_MEM);
  caps.dirty_ring = has(KVM_CAP_DIRTY_LOG_RING);
  caps.pmu = has(KVM_CAP_PMU_CAPABILITY);
  caps.xen_flags = static_cast<std::uint32_t>(std::max(0, Check(KVM_CAP_XEN_HVM)));

  struct Needed {
    bool present;
    const char* name;
  };
  for (const Needed& needed :
       {Needed{caps.user_memory, "user memory slots"},
        Needed{caps.irqchip, "in-kernel interrupt controllers"},
        Needed{caps.ioeventfd, "ioeventfd"}, Needed{caps.signal_msi, "MSI injection"},
        Needed{caps.immediate_exit, "immediate exit"},
        Needed{caps.guest_debug, "guest debugging"}}) {
    if (!needed.present) {
      return HostError(
          "this host's KVM is too old for Veneer: it lacks {}; use Linux 5.10 or later",
          needed.name);
    }
  }
  return {};
}

Result<CpuidTable> KvmSystem::SupportedCpuid() const {
  constexpr std::size_t kMaxEntries = 256;
  kvm::CountedArray<kvm_cpuid_entry2> array(kMaxEntries);
  const int result = kvm::Ioctl(fd_.get(), kvm::kGetSupportedCpuid, array.data());
  if (result < 0) {
    return ErrnoError(-result, "KVM does not say which CPUID leaves it supports");
  }
  CpuidTable table;
  for (std::uint32_t i = 0; i < array.count(); ++i) {
    const kvm_cpuid_entry2& entry = array.entries()[i];
    table.push_back(CpuidLeaf{entry.function, entry.index,
                              (entry.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0, entry.eax,
                              entry.ebx, entry.ecx, entry.edx});
  }
  return table;
}

}  // namespace veneer
