#include "xen_guest.h"

#include <array>
#include <utility>

#include <cpuid.h>

#include "kernel_patcher.h"
#include "vcpu_clock.h"
#include "vcpu_start.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"
#include "veneer/xencompat/abi/xen_headers.h"
#include "veneer/xencompat/entry/xen_cpuid.h"
#include "veneer/xencompat/xenstore/standard_tree.h"
#include "xen_layout.h"
#include "xen_vcpu.h"

// clang-format off: only after the wrapped headers above
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>
// clang-format on

namespace veneer {
namespace {

// For a kernel that needs longer for a tick than lies between two. Only the interrupt is measured,
// and the softirqs that follow it, which take several times as long on a kernel with many
// processors or a high HZ, come out of the rest: Debian's kernels with two vCPUs did nothing but
// tick at 25 %.
constexpr unsigned kInterpretedTimerLoad = 8;
// How often, at most, the console's ring is looked at: a full ring each time is 4 MB/s, and nobody
// reads faster.
constexpr std::uint64_t kConsoleIntervalNs = 500'000;

constexpr unsigned kHygonEbx = 0x6f677948;  // "Hygo": <cpuid.h> of GCC 12 has none

std::span<std::byte, kPageSize> SpecialPage(GuestMemory& memory, Gfn page) {
  return memory.Pin(page.Address(), kPageSize).first<kPageSize>();
}

// What leaves to KVM on this processor; the guest finds the same vendor as the host.
HypercallInstruction NativeHypercall() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  __get_cpuid(0, &eax, &ebx, &ecx, &edx);
  const bool amd = ebx == signature_AMD_ebx || ebx == kHygonEbx;
  return amd ? HypercallInstruction::kVmmcall : HypercallInstruction::kVmcall;
}

// A port for domain 0's use, made before the guest runs: there is room.
EvtchnPort CheckedPort(const XenResult<EvtchnPort>& port) {
  VENEER_CHECK(port.has_value());
  return *port;
}

}  // namespace

Result<std::unique_ptr<XenGuest>> XenGuest::Create(Parts parts,
                                                   std::span<const GuestMemory::Range> ram,
                                                   const PreparedBoot& boot) {
  std::unique_ptr<XenGuest> guest(new XenGuest(std::move(parts), boot.starts_another));
  VENEER_TRY(guest->MakeDomain(ram, boot));
  VENEER_TRY(guest->MakeStore());
  VENEER_TRY(guest->MakeConsole());
  VENEER_TRY(guest->FillStore());
  VENEER_TRY(guest->MakeDisks());
  VENEER_TRY(guest->MakeNics());
  VENEER_TRY(guest->AttachPlatform());
  if (!guest->path_.in_kernel) {
    const unsigned sites = PatchLoadedKernel(guest->parts_.memory, boot.kernel);
    LogDebug("rewrote {} hypercall sites in the kernel", sites);
  }
  return guest;
}

XenGuest::XenGuest(Parts parts, bool starts_another)
    : parts_(std::move(parts)),
      clocks_(MaxVcpus(parts_.config)),
      tlb_flush_(parts_.vcpus, MaxVcpus(parts_.config)),
      kernel_watch_(parts_.memory,
                    starts_another ? KernelWatch::Expects::kAtBoot : KernelWatch::Expects::kNothing,
                    parts_.msrs_changed) {}

XenGuest::~XenGuest() {
  console_event_.reset();
  if (console_ != nullptr) {
    console_->Drain();
  }
  // What KVM keeps ends with the virtual machine, and the vCPUs are gone already.
  if (send_ports_ != nullptr) {
    domain_->events().SetObserver(nullptr);
  }
}

void XenGuest::ChoosePath() {
  const MachineConfig& config = parts_.config;
  const bool able = (parts_.xen_flags & kXenFlagsNeeded) == kXenFlagsNeeded;
  path_ = ChooseEventPath(config.xen, able, parts_.emulated_kernel);
  if (path_.in_kernel) {
    const bool limited =
        config.xen.timer_load_limit.value_or(VcpuTimers::kNoLimit) != VcpuTimers::kNoLimit;
    kernel_side_ = std::make_unique<KernelSide>(
        KernelSide::Parts{.kernel = parts_.kernel_xen,
                          .upcalls = *upcalls_,
                          .vcpus = parts_.vcpus,
                          .metrics = parts_.metrics,
                          .events = [this]() -> EventChannels& { return domain_->events(); },
                          .guest_ns = [this] { return time_->GuestNs(); },
                          .flags = parts_.xen_flags,
                          .timers = config.xen.pv.time && !limited},
        MaxVcpus(config));
    const XenVersion& version = config.xen.version;
    const std::uint32_t number = (std::uint32_t{version.major} << 16U) | version.minor;
    if (const Result<void> enabled = kernel_side_->Enable(kXenHypercallMsr, number); !enabled) {
      LogWarning("{}: going on without", enabled.error().message);
      kernel_side_.reset();
      XenConfig without = config.xen;
      without.kvm_xen = KvmXen::kOff;
      path_ = ChooseEventPath(without, false, parts_.emulated_kernel);
      path_.reason = "KVM does not switch its Xen support on";
    }
  }
  LogInfo("hypercalls: {}; events: {} ({})", TransportName(path_), EventsName(path_), path_.reason);
}

Result<void> XenGuest::MakeDomain(std::span<const GuestMemory::Range> ram,
                                  const PreparedBoot& boot) {
  time_ = std::make_unique<LinearSystemTime>(HostClock(), parts_.clock_start_ns);
  const unsigned vcpus = MaxVcpus(parts_.config);
  upcalls_ = std::make_unique<Upcalls>(
      Upcalls::Parts{parts_.msi, parts_.lines, parts_.loop, parts_.metrics, parts_.vcpus,
                     [this](unsigned vcpu) { return domain_->events().UpcallPending(vcpu); }},
      vcpus);
  VENEER_TRY(upcalls_->Prepare());
  ChoosePath();
  upcalls_->SetKernelInjects(path_.in_kernel);

  XenDomainOptions options;
  options.vcpus = vcpus;
  options.handle = parts_.config.uuid;
  options.version_major = parts_.config.xen.version.major;
  options.version_minor = parts_.config.xen.version.minor;
  options.callback_vector = Callback(parts_.config.xen) != CallbackChoice::kIntx;
  options.time = parts_.config.xen.pv.time;
  options.timer_load_limit = parts_.config.xen.timer_load_limit.value_or(
      parts_.emulated_kernel ? kInterpretedTimerLoad : VcpuTimers::kNoLimit);
  options.ram.assign(ram.begin(), ram.end());
  options.most_pages = MaxMemoryBytes(parts_.config) / kPageSize;
  for (const E820Entry& entry : boot.e820) {
    options.e820.push_back({entry.base.value, entry.size, static_cast<std::uint32_t>(entry.type)});
  }
  options.events.fifo = path_.fifo;
  options.events.kernel = kernel_side_.get();
  options.kernel = kernel_side_.get();
  VENEER_TRY_ASSIGN(domain_, XenDomain::Create(parts_.memory, HostClock(), *time_, *this, *upcalls_,
                                               parts_.metrics, std::move(options)));
  timer_ = std::make_unique<LoopTimer>(parts_.loop, [this] { domain_->OnTimer(); });
  domain_->AttachTimer(*timer_);
  if (path_.in_kernel) {
    VENEER_TRY(parts_.kernel_xen.SetXenSharedInfo(domain_->shared_info()));
    domain_->events().SetObserver(kernel_side_.get());
  } else {
    send_ports_ = std::make_unique<SendPorts>(parts_.io_events, parts_.metrics);
    domain_->events().SetObserver(send_ports_.get());
  }
  hypercalls_ = std::make_unique<Hypercalls>(*domain_, parts_.metrics);
  return {};
}

Result<void> XenGuest::MakeStore() {
  store_ = std::make_unique<XenstoreService>(
      XenstoreService::Options{.quotas = {}, .metrics = &parts_.metrics});
  client_ = std::make_unique<XenstoreClient>(*store_);
  store_ring_ = std::make_unique<XenstoreGuestRing>(
      *store_, kGuestDomId, SpecialPage(parts_.memory, kStorePage),
      [this] { static_cast<void>(domain_->events().Notify(store_host_port_)); });
  OpenStoreChannel();
  if (!parts_.config.xen.xenstore_socket.empty()) {
    VENEER_TRY_ASSIGN(store_socket_, XenstoreHostSocket::Create(*store_, parts_.loop,
                                                                parts_.config.xen.xenstore_socket));
  }
  return {};
}

void XenGuest::OpenStoreChannel() {
  EventChannels& events = domain_->events();
  domain_->grants().SeedReserved(GrantRef{GNTTAB_RESERVED_XENSTORE}, kStorePage);
  store_port_ = CheckedPort(events.AllocGuestUnbound());
  store_host_port_ = CheckedPort(events.BindHost(store_port_, [this] { store_ring_->Notify(); }));
  domain_->params().Preset(HVM_PARAM_STORE_PFN, kStorePage.value);
  domain_->params().Preset(HVM_PARAM_STORE_EVTCHN, store_port_.value);
}

Result<void> XenGuest::MakeConsole() {
  if (!parts_.config.xen.pv.console) {
    return {};
  }
  console_ = std::make_unique<PvConsole>(
      SpecialPage(parts_.memory, kConsolePage), parts_.console_output,
      [this] { static_cast<void>(domain_->events().Notify(console_host_port_)); }, parts_.metrics);
  console_->SetRoomCallback(parts_.console_room);
  VENEER_TRY_ASSIGN(console_event_, ModeratedEvent::Create(parts_.loop, kConsoleIntervalNs,
                                                           [this] { console_->OnEvent(); }));
  return OpenConsoleChannel();
}

Result<void> XenGuest::OpenConsoleChannel() {
  EventChannels& events = domain_->events();
  domain_->grants().SeedReserved(GrantRef{GNTTAB_RESERVED_CONSOLE}, kConsolePage);
  console_port_ = CheckedPort(events.AllocGuestUnbound());
  const XenResult<EvtchnPort> bound = events.BindHost(console_port_, console_event_->fd());
  if (!bound) {
    return HostError("the console's event channel cannot be bound: {}",
                     XenErrnoName(bound.error()));
  }
  console_host_port_ = *bound;
  domain_->params().Preset(HVM_PARAM_CONSOLE_PFN, kConsolePage.value);
  domain_->params().Preset(HVM_PARAM_CONSOLE_EVTCHN, console_port_.value);
  return {};
}

Result<void> XenGuest::FillStore() {
  DomainDescription description;
  description.name = parts_.config.name;
  description.uuid = ToString(domain_->options().handle);
  description.memory_target_kib = parts_.config.memory_bytes >> 10U;
  // Linux takes what this says beyond the RAM that it counts at its boot for memory it cannot see,
  // and stays below memory/target by as much: hence what it boots with, not what it may grow to.
  description.memory_max_kib = BootMemoryBytes(parts_.config) >> 10U;
  description.vcpus = parts_.config.vcpus;
  description.vcpus_max = MaxVcpus(parts_.config);
  description.store = DomainDescription::Channel{kStorePage, store_port_};
  if (console_ != nullptr) {
    description.console =
        DomainDescription::Console{.channel = {kConsolePage, console_port_}, .tty = {}};
  }
  if (const XsResult<void> written = WriteStandardTree(*client_, description); !written) {
    return HostError("cannot fill xenstore for the guest: {}", XsErrorName(written.error()));
  }
  store_->IntroduceDomain(kGuestDomId);
  return {};
}

Result<void> XenGuest::MakeDisks() {
  disks_ = std::make_unique<Disks>(BlockBackend::Parts{
      .store = *client_,
      .events = domain_->events(),
      .grants = domain_->grants(),
      .metrics = parts_.metrics,
      .post = [&loop = parts_.loop](std::function<void()> task) { loop.Post(std::move(task)); },
      .on_failure = parts_.disk_failed});
  const std::vector<DiskConfig>& disks = parts_.config.disks;
  for (std::size_t i = 0; i < disks.size(); ++i) {
    if (!ShownAsPv(parts_.config, disks[i])) {
      continue;
    }
    if (ShownAsIde(disks[i])) {
      VENEER_TRY(disks_->Add(disks[i], parts_.ide_disks->TakeSharedImage(i)));
    } else {
      VENEER_TRY(disks_->Add(disks[i]));
    }
  }
  return {};
}

Result<void> XenGuest::MakeNics() {
  nics_ = std::make_unique<Nics>(
      NetBackend::Parts{.store = *client_,
                        .events = domain_->events(),
                        .grants = domain_->grants(),
                        .metrics = parts_.metrics,
                        .post = [&loop = parts_.loop](
                                    std::function<void()> task) { loop.Post(std::move(task)); }},
      parts_.config.name);
  const std::vector<NetConfig>& nics = parts_.config.nics;
  for (std::size_t i = 0; i < nics.size(); ++i) {
    if (!ShownAsPv(parts_.config, nics[i])) {
      continue;
    }
    if (ShownAsE1000(nics[i])) {
      VENEER_TRY(nics_->Add(nics[i], parts_.e1000_nics.TakeSharedLink(i)));
    } else {
      VENEER_TRY(nics_->Add(nics[i]));
    }
  }
  return {};
}

Result<void> XenGuest::AttachPlatform() {
  platform_ports_ =
      std::make_unique<PlatformPorts>([this](std::uint16_t mask) { Unplug(mask); },
                                      std::set<PlatformPorts::BlockedDriver>{}, parts_.metrics);
  platform_ = std::make_unique<XenPlatformPci>(platform_ports_->bar0());
  VENEER_TRY(parts_.ports.Attach(PlatformPorts::kBase, PlatformPorts::kSize,
                                 platform_ports_->fixed_ports()));
  return parts_.mainboard.pci().AddDevice(kPlatformSlot, 0, *platform_);
}

void XenGuest::Unplug(std::uint16_t mask) {
  LogDebug("the guest unplugs emulated devices (mask {:#x}){}", mask,
           parts_.config.xen.unplug ? "" : ": they stay");
  if (!parts_.config.xen.unplug) {
    return;
  }
  if (parts_.ide_disks != nullptr) {
    parts_.ide_disks->Unplug(mask);
  }
  parts_.e1000_nics.Unplug(mask);
}

void XenGuest::AddCpuidLeaves(CpuidTable& table, unsigned vcpu) const {
  std::erase_if(table, [](const CpuidLeaf& leaf) {
    return leaf.function >= kHypervisorLeafBase && leaf.function < kHypervisorLeafEnd;
  });
  XenCpuidConfig config;
  config.major = parts_.config.xen.version.major;
  config.minor = parts_.config.xen.version.minor;
  config.tsc_khz = parts_.tsc_khz;
  config.upcall_vector = Callback(parts_.config.xen) == CallbackChoice::kAuto;
  if (const CpuidLeaf* sizes = FindLeaf(table, 0x80000008)) {
    config.physical_address_bits = static_cast<std::uint8_t>(sizes->eax & 0xffU);
  }
  for (const XenCpuidLeaf& leaf : XenCpuidLeaves(config, vcpu)) {
    table.push_back(CpuidLeaf{leaf.leaf, leaf.subleaf, leaf.has_subleaves, leaf.eax, leaf.ebx,
                              leaf.ecx, leaf.edx});
  }
}

std::vector<MsrRange> XenGuest::Msrs() const {
  std::vector<MsrRange> ranges{
      MsrRange{.first = kXenHypercallMsr, .count = 1, .reads = false, .writes = true}};
  if (!path_.in_kernel) {
    const std::vector<MsrRange> watched = kernel_watch_.Msrs();
    ranges.insert(ranges.end(), watched.begin(), watched.end());
  }
  return ranges;
}

Result<std::unique_ptr<ExitHandler>> XenGuest::MakeVcpu(Vcpu& vcpu) {
  std::optional<HypercallInstruction> intercepted;
  if (path_.in_kernel) {
    VENEER_TRY(kernel_side_->Prepare(vcpu, domain_->events().VcpuInfo(vcpu.id())));
    intercepted = NativeHypercall();
  }
  std::function<void(bool)> on_change;
  if (parts_.config.vcpus_max != 0) {
    on_change = [this, id = vcpu.id()](bool online) { ShowAvailability(id, online); };
  }
  return std::make_unique<XenVcpu>(
      XenVcpu::Parts{*domain_, *hypercalls_, *upcalls_, parts_.memory, parts_.gate, parts_.metrics,
                     kernel_watch_, clocks_[vcpu.id()], life_, intercepted, std::move(on_change)},
      vcpu);
}

// Linux looks at these keys when it was entered as a PVH guest, beside ACPI, and would do what the
// one asks for while it does it for the other: so they follow.
void XenGuest::ShowAvailability(unsigned vcpu, bool online) {
  parts_.loop.Post([this, vcpu, online] {
    const std::string key = fmt::format("{}/cpu/{}/availability", XsDomainPath(kGuestDomId), vcpu);
    const std::string_view word = online ? "online" : "offline";
    if (client_->Read(key) != word) {
      static_cast<void>(client_->Write(key, word));
    }
  });
}

void XenGuest::SetUpcallVector(unsigned vcpu, std::uint8_t vector) {
  upcalls_->SetVector(vcpu, vector);
  if (kernel_side_ != nullptr) {
    kernel_side_->SetVector(vcpu, vector);
  }
}

void XenGuest::SetCallback(const CallbackMethod& method) {
  upcalls_->SetMethod(method);
  if (kernel_side_ != nullptr) {
    const auto* vector = std::get_if<CallbackVector>(&method);
    kernel_side_->SetCallbackVector(vector != nullptr ? vector->vector : 0);
  }
}

void XenGuest::Shutdown(ShutdownReason reason) {
  switch (reason) {
    case ShutdownReason::kPoweroff:
      parts_.request_stop({StopReason::kPowerOff, {}});
      break;
    case ShutdownReason::kReboot:
      parts_.request_stop({StopReason::kReset, {}});
      break;
    case ShutdownReason::kSoftReset:
      BeginSoftReset();
      break;
    case ShutdownReason::kWatchdog:
      parts_.request_stop({StopReason::kGuestPanic, "its watchdog was not patted in time"});
      break;
    case ShutdownReason::kSuspend:
    case ShutdownReason::kCrash:
      parts_.request_stop({StopReason::kGuestPanic, {}});
      break;
  }
}

void XenGuest::BeginSoftReset() {
  if (soft_resetting_.exchange(true)) {
    return;
  }
  // The caller's thread stops there before the guest has the call's result.
  parts_.gate.Hold();
  for (const auto& vcpu : parts_.vcpus) {
    if (vcpu->IsCurrentThread()) {
      boot_vcpu_ = vcpu->vcpu().id();
    }
  }
  parts_.loop.Post([this] { SoftReset(); });
}

void XenGuest::SoftReset() {
  LogGuest(limiter_, "soft reset: the guest starts another kernel");
  for (const auto& vcpu : parts_.vcpus) {
    vcpu->Kick();
  }
  parts_.gate.WaitUntilHeld(static_cast<unsigned>(parts_.vcpus.size()));
  disks_->StartOver([this] { nics_->StartOver([this] { FinishSoftReset(); }); });
}

void XenGuest::FinishSoftReset() {
  EventChannels& events = domain_->events();
  static_cast<void>(events.CloseHost(store_host_port_));
  if (console_ != nullptr) {
    console_->Drain();
    static_cast<void>(events.CloseHost(console_host_port_));
  }
  upcalls_->StartOver();
  tlb_flush_.StartOver();
  domain_->StartOver(boot_vcpu_);
  if (kernel_side_ != nullptr) {
    kernel_side_->StartOver();
  }
  store_ring_->Reset();
  OpenStoreChannel();
  if (console_ != nullptr) {
    console_->Reset();
    if (const Result<void> opened = OpenConsoleChannel(); !opened) {
      LogGuest(limiter_, "{}", opened.error().message);
    }
  }
  for (const auto& vcpu : parts_.vcpus) {
    const unsigned id = vcpu->vcpu().id();
    clocks_[id] = 0;
    vcpu->Post(VcpuTask::kClock, [](Vcpu& target) { LeaveVcpuClock(target); });
    if (id != boot_vcpu_) {
      vcpu->ForgetRun();
      domain_->SetRunState(id, RunState::kOffline);
    }
    // Asked for, and not done before that guest ended: the next one does not know this vCPU.
    if (const AcpiCpus* const cpus = parts_.mainboard.cpus();
        cpus != nullptr && id >= cpus->present() && id != boot_vcpu_) {
      vcpu->Take();
    }
  }
  ++life_;
  if (!path_.in_kernel) {
    kernel_watch_.Arm();
  }
  soft_resetting_ = false;
  parts_.gate.Release();
}

bool XenGuest::Suspend() {
  // Cancelled at once: the guest goes on where it is.
  return false;
}

void XenGuest::EnableVcpuTime(unsigned vcpu, Gpa time) {
  clocks_[vcpu] = time.value;
  parts_.vcpus[vcpu]->Post(VcpuTask::kClock, [time](Vcpu& target) { KeepVcpuClock(target, time); });
}

void XenGuest::InjectNmi(unsigned vcpu) {
  // As on a processor, which remembers one that it cannot take yet.
  parts_.vcpus[vcpu]->Post(VcpuTask::kNmi, [](Vcpu& target) { target.InjectNmi(); });
}

void XenGuest::Report(Inquiry& inquiry) {
  inquiry.Add(domain_->events().Report());
  inquiry.Add(upcalls_->Report());
  inquiry.Add(RingReports());
  disks_->Report(inquiry);
  nics_->Report(inquiry);
}

std::vector<std::string> XenGuest::RingReports() const {
  const auto word = [this](Gfn page, std::size_t offset) {
    const Gpa address{page.Address().value + offset};
    return parts_.memory.Read<std::uint32_t>(address).value_or(0);
  };
  const auto store = [&](std::size_t offset) { return word(kStorePage, offset); };
  const auto console = [&](std::size_t offset) { return word(kConsolePage, offset); };
  std::vector<std::string> lines{fmt::format(
      "xenstore ring: req_cons={} req_prod={} rsp_cons={} rsp_prod={}, port {} of the guest",
      store(offsetof(xenstore_domain_interface, req_cons)),
      store(offsetof(xenstore_domain_interface, req_prod)),
      store(offsetof(xenstore_domain_interface, rsp_cons)),
      store(offsetof(xenstore_domain_interface, rsp_prod)), store_port_.value)};
  if (console_ != nullptr) {
    lines.push_back(fmt::format(
        "console ring: in_cons={} in_prod={} out_cons={} out_prod={}, port {} of the guest",
        console(offsetof(xencons_interface, in_cons)),
        console(offsetof(xencons_interface, in_prod)),
        console(offsetof(xencons_interface, out_cons)),
        console(offsetof(xencons_interface, out_prod)), console_port_.value));
  }
  return lines;
}

bool XenGuest::IsOnline(unsigned vcpu) {
  return vcpu == boot_vcpu_ || parts_.vcpus[vcpu]->HasRun();
}

bool XenGuest::StartVcpu(unsigned vcpu, const vcpu_hvm_context_t& context) {
  if (parts_.vcpus[vcpu]->taken()) {
    return false;
  }
  parts_.vcpus[vcpu]->NoteStarted();
  parts_.vcpus[vcpu]->Post(VcpuTask::kStart, [this, context](Vcpu& target) {
    if (!StartWith(target, context)) {
      LogGuest(limiter_, "vCPU {} is not started: KVM does not take the registers it was given",
               target.id());
    }
  });
  return true;
}

std::uint64_t XenGuest::StolenNs(unsigned vcpu) { return parts_.vcpus[vcpu]->StolenNs(); }

}  // namespace veneer
