#include "veneer/vmm/machine/machine.h"

#include <algorithm>
#include <atomic>

#include "absent_pmu.h"
#include "bios_boot_order.h"
#include "e1000_nics.h"
#include "guest_cmdline.h"
#include "ide_disks.h"
#include "mainboard.h"
#include "milestones.h"
#include "run_gate.h"
#include "vcpu_report.h"
#include "vcpu_setup.h"
#include "vcpu_thread.h"
#include "veneer/vmm/base/inquiry.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/boot/boot_source.h"
#include "veneer/vmm/boot/memory_layout.h"
#include "veneer/vmm/kvm/vm.h"
#include "veneer/vmm/pvm/pvm_assists.h"
#include "xen_guest.h"
#include "xen_layout.h"

namespace veneer {
namespace {

// Where a PC's operating system tells the firmware how it wants to be restarted, and the value for
// "warm" (IBM PC AT Technical Reference, BIOS data area). See kPanicMarker.
constexpr Gpa kResetFlag{0x472};
constexpr std::uint16_t kWarmReset = 0x1234;

static_assert(kMaxVcpus <= kHotplugProcessors && kMaxVcpus <= AcpiCpus::kMaxProcessors);

// How wide the guest's physical addresses are: as the host's.
Result<unsigned> GuestAddressBits(const KvmSystem& system) {
  constexpr unsigned kDefaultBits = 36;  // Intel SDM vol. 3, 4.1.4: without that leaf
  VENEER_TRY_ASSIGN(CpuidTable supported, system.SupportedCpuid());
  const CpuidLeaf* const sizes = FindLeaf(supported, 0x80000008);
  return sizes != nullptr ? sizes->eax & 0xffU : kDefaultBits;
}

std::string AddToCmdline(const MachineConfig& config, const HostProfile& host) {
  if (!config.host_cmdline) {
    return config.cmdline;
  }
  const auto additions = CmdlineAdditions(
      config.cmdline,
      {.emulated_kernel = host.emulated_kernel,
       .memory_grows = MemoryGrowth(config) > 0,
       .shares_event_line = config.xen.enabled && Callback(config.xen) == CallbackChoice::kIntx &&
                            MaxVcpus(config) > 1});
  for (const CmdlineAddition& addition : additions) {
    LogInfo("kernel command line: added {} ({})", addition.text, addition.reason);
  }
  return WithAdditions(config.cmdline, additions);
}

class MachineImpl final : public Machine, private PowerControl {
 public:
  MachineImpl(const MachineConfig& config, const HostProfile& host, Metrics& metrics,
              MachineOutputs outputs, EventLoop& loop)
      : config_(config),
        host_(host),
        metrics_(metrics),
        outputs_(std::move(outputs)),
        loop_(loop),
        ports_("port", metrics.Get("bus.port.unclaimed")),
        mmio_("memory", metrics.Get("bus.memory.unclaimed")),
        milestones_(
            HostClock(), [this] { return KernelInstructions(); }, outputs_.milestone) {}
  ~MachineImpl() override { Stop(); }

  Result<void> Assemble(const KvmSystem& system);

  Result<void> Start() override;
  void Pause() override;
  void Resume() override;
  void Stop() override;
  std::size_t SerialInput(std::span<const std::byte> input) override {
    return mainboard_->serial().Receive(input);
  }
  std::size_t ConsoleInput(std::span<const std::byte> input) override {
    return xen_ != nullptr ? xen_->ConsoleInput(input) : input.size();
  }
  void PressPowerButton() override { mainboard_->acpi_pm().PressPowerButton(); }
  void InjectNmi() override {
    vcpus_.front()->Post(VcpuTask::kNmi, [](Vcpu& vcpu) { vcpu.InjectNmi(); });
  }
  XenstoreClient* Store() override { return xen_ != nullptr ? &xen_->store() : nullptr; }
  Disks* PvDisks() override { return xen_ != nullptr ? &xen_->disks() : nullptr; }
  Nics* PvNics() override { return xen_ != nullptr ? &xen_->nics() : nullptr; }
  EmulatedDevices Emulated() const override {
    return {
        .disks = ide_disks_ != nullptr ? ide_disks_->List() : std::vector<EmulatedDevices::Disk>(),
        .nics = e1000_nics_->List()};
  }
  XenPaths Paths() const override {
    return xen_ != nullptr ? XenPaths{TransportName(xen_->path()), EventsName(xen_->path())}
                           : XenPaths{};
  }
  Result<void> SetVcpus(unsigned count) override;
  VcpuCounts Vcpus() override;
  std::vector<VcpuUsage> Usage() const override;
  std::uint64_t MemoryBytes() const override {
    return xen_ != nullptr ? xen_->MemoryBytes() : BootMemoryBytes(config_);
  }
  std::vector<Milestone> Milestones() const override { return milestones_.Reached(); }
  void Report(std::function<void(std::vector<std::string>)> done) override;
  void CollectStatistics() override;

 private:
  void ChooseBoot();
  Result<void> LayOutMemory(const KvmSystem& system);
  Result<void> MakeMainboard();
  Result<void> MakeIdeDisks();
  Result<void> MakeE1000Nics();
  Result<PreparedBoot> PrepareGuest();
  Result<void> MakeXen(const KvmSystem& system, const PreparedBoot& boot);
  Result<void> MakeVcpus(const KvmSystem& system);
  void TakeVcpu(unsigned vcpu);
  Result<void> FilterMsrs();
  void OnMsrsChanged();
  void KickAll();
  void RequestStop(MachineStop stop);
  std::uint64_t KernelInstructions() const;
  // PowerControl
  void PowerOff() override { RequestStop({StopReason::kPowerOff, {}}); }
  void Reset() override;

  const MachineConfig config_;
  const HostProfile host_;
  Metrics& metrics_;
  const MachineOutputs outputs_;
  EventLoop& loop_;

  // In the order in which each needs what stands above it.
  std::unique_ptr<BootSource> boot_;
  std::vector<GuestMemory::Range> ram_;
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<Vm> vm_;
  Bus ports_;
  Bus mmio_;
  BootMilestones milestones_;
  std::unique_ptr<Mainboard> mainboard_;
  BootEntry boot_entry_;
  std::vector<MsrRange> absent_pmu_;  // left to us, so that the host's log stays clean
  bool panic_marked_ = false;         // the guest marks a panic as kPanicMarker says
  LogLimiter limiter_;
  RunGate gate_;
  std::atomic<bool> stop_requested_{false};
  std::unique_ptr<IdeDisks> ide_disks_;  // absent without such disks
  std::unique_ptr<E1000Nics> e1000_nics_;
  std::unique_ptr<XenGuest> xen_;  // absent without Xen
  std::vector<std::unique_ptr<VcpuThread>> vcpus_;
  Mutex taking_mutex_;  // makes giving vCPUs, and taking one that is not given, one step each
};

Result<void> MachineImpl::Assemble(const KvmSystem& system) {
  ChooseBoot();
  VENEER_TRY(LayOutMemory(system));
  VENEER_TRY_ASSIGN(
      vm_, Vm::Create(system, Vm::Options{.unknown_instructions_exit = host_.emulated_kernel}));
  VENEER_TRY(vm_->AddMemory(*memory_));
  VENEER_TRY(MakeMainboard());
  VENEER_TRY(MakeIdeDisks());
  VENEER_TRY(MakeE1000Nics());
  VENEER_TRY_ASSIGN(const PreparedBoot boot, PrepareGuest());
  boot_entry_ = boot.entry;
  if (config_.xen.enabled) {
    VENEER_TRY(MakeXen(system, boot));
  }
  VENEER_TRY(mainboard_->pci().AssignResources());
  return MakeVcpus(system);
}

void MachineImpl::ChooseBoot() {
  if (config_.boot != BootKind::kKernel) {
    boot_ = config_.boot == BootKind::kPvhLoader ? MakePvhLoader(config_.boot_file)
                                                 : MakeFirmware(config_.boot_file);
    return;
  }
  BootConfig kernel;
  kernel.kernel = config_.kernel;
  kernel.initrds = config_.initrds;
  kernel.cmdline = AddToCmdline(config_, host_);
  kernel.entry = config_.entry;
  panic_marked_ = kernel.cmdline.find(kPanicMarker) != std::string::npos;
  boot_ = MakeDirectKernel(std::move(kernel));
}

Result<void> MachineImpl::LayOutMemory(const KvmSystem& system) {
  VENEER_TRY_ASSIGN(ram_, MemoryLayout(BootMemoryBytes(config_)));
  std::vector<GuestMemory::Range> ranges = boot_->LayOut(ram_);
  GuestMemory::Options options{.backing = config_.memory_backing};
  std::vector<GuestMemory::Range> ram = ram_;
  if (const std::uint64_t growth = MemoryGrowth(config_); growth > 0) {
    VENEER_TRY_ASSIGN(const unsigned address_bits, GuestAddressBits(system));
    ram = WithRoom(ram_, growth, address_bits);
    options.most_pieces = PiecesOf(growth);
  }
  ranges.insert(ranges.end(), ram.begin(), ram.end());
  if (config_.xen.enabled) {
    ranges.push_back(kGrantArea);
    ranges.push_back(kSpecialPages);
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.base < b.base; });
  VENEER_TRY_ASSIGN(memory_, GuestMemory::Create(ranges, options));
  return {};
}

Result<void> MachineImpl::MakeMainboard() {
  CmosRtc::Memory memory;
  for (const GuestMemory::Range& range : ram_) {
    (range.base < kPciHoleEnd ? memory.below_4g : memory.above_4g) += range.size;
  }
  mainboard_ =
      std::make_unique<Mainboard>(Mainboard::Wiring{.ports = ports_,
                                                    .mmio = mmio_,
                                                    .clock = HostClock(),
                                                    .loop = loop_,
                                                    .power = *this,
                                                    .memory = memory,
                                                    .serial_output =
                                                        [this](std::span<const std::byte> text) {
                                                          milestones_.OnOutput(text);
                                                          outputs_.serial(text);
                                                        },
                                                    .debug_output = outputs_.debug},
                                  [this](Gsi gsi) { return vm_->Line(gsi); });
  mainboard_->serial().SetRoomCallback(outputs_.serial_room);
  if (config_.boot == BootKind::kFirmware) {
    VENEER_TRY(mainboard_->AttachForFirmware(BiosBootOrder(config_)));
  }
  if (config_.vcpus_max != 0) {
    VENEER_TRY(mainboard_->AttachCpus(config_.vcpus_max, config_.vcpus,
                                      [this](unsigned vcpu) { TakeVcpu(vcpu); }));
  }
  return mainboard_->Attach();
}

Result<void> MachineImpl::MakeIdeDisks() {
  VENEER_TRY_ASSIGN(ide_disks_,
                    IdeDisks::Create({.config = config_,
                                      .memory = *memory_,
                                      .ports = ports_,
                                      .pci = mainboard_->pci(),
                                      .metrics = metrics_,
                                      .make_line = [this](Gsi gsi) { return vm_->Line(gsi); },
                                      .on_failure = outputs_.disk_failed}));
  return {};
}

Result<void> MachineImpl::MakeE1000Nics() {
  VENEER_TRY_ASSIGN(
      e1000_nics_,
      E1000Nics::Create(
          {.config = config_, .memory = *memory_, .pci = mainboard_->pci(), .metrics = metrics_}));
  return {};
}

Result<PreparedBoot> MachineImpl::PrepareGuest() {
  BootMachine machine;
  for (unsigned i = 0; i < MaxVcpus(config_); ++i) {
    const auto id = static_cast<std::uint8_t>(i);
    machine.acpi.processors.push_back({.uid = id, .apic_id = id, .present = i < config_.vcpus});
  }
  machine.acpi.cpu_hotplug = config_.vcpus_max != 0;
  machine.ram = ram_;
  if (config_.xen.enabled) {
    machine.special.push_back(
        E820Entry{kSpecialPages.base, kSpecialPages.size, E820Type::kReserved});
  }
  if (config_.xen.enabled) {
    const XenVersion& version = config_.xen.version;
    machine.smbios = SmbiosConfig{fmt::format("{}.{}", version.major, version.minor), config_.uuid};
  }
  VENEER_TRY_ASSIGN(PreparedBoot prepared, boot_->Prepare(machine, *memory_));
  if (prepared.kernel.protocol == BootProtocol::kPvh && config_.xen.enabled &&
      Callback(config_.xen) == CallbackChoice::kIntx) {
    LogWarning(
        "--callback intx: Linux that is entered as a PVH guest, as 32-bit kernels are, gives the "
        "platform device's interrupt up while it boots, and gets no events; leave the option out");
  }
  return prepared;
}

Result<void> MachineImpl::MakeXen(const KvmSystem& system, const PreparedBoot& boot) {
  VENEER_TRY_ASSIGN(const std::uint64_t clock_ns, vm_->ClockNs());
  const std::uint64_t clock_start_ns = HostClock().MonotonicNs() - clock_ns;
  XenGuest::Parts parts{.config = config_,
                        .memory = *memory_,
                        .io_events = *vm_,
                        .lines = *vm_,
                        .msi = vm_->msi(),
                        .tsc_khz = vm_->TscKhz(),
                        .clock_start_ns = clock_start_ns,
                        .mainboard = *mainboard_,
                        .ports = ports_,
                        .ide_disks = ide_disks_.get(),
                        .e1000_nics = *e1000_nics_,
                        .loop = loop_,
                        .gate = gate_,
                        .metrics = metrics_,
                        .vcpus = vcpus_,
                        .emulated_kernel = host_.emulated_kernel,
                        .kernel_xen = *vm_,
                        .xen_flags = system.capabilities().xen_flags,
                        .request_stop = [this](MachineStop stop) { RequestStop(std::move(stop)); },
                        .msrs_changed = [this] { OnMsrsChanged(); },
                        .console_output = outputs_.console,
                        .console_room = outputs_.console_room,
                        .disk_failed = outputs_.disk_failed};
  VENEER_TRY_ASSIGN(xen_, XenGuest::Create(std::move(parts), ram_, boot));
  return {};
}

Result<void> MachineImpl::FilterMsrs() {
  std::vector<MsrRange> ranges;
  if (xen_ != nullptr) {
    ranges = xen_->Msrs();
  }
  ranges.insert(ranges.end(), absent_pmu_.begin(), absent_pmu_.end());
  if (host_.emulated_kernel) {
    ranges.push_back(MsrRange{.first = kPvmAssistMsr, .count = 1, .reads = false, .writes = true});
  }
  return ranges.empty() ? Result<void>() : vm_->FilterMsrs(ranges);
}

void MachineImpl::OnMsrsChanged() {
  if (const Result<void> filtered = FilterMsrs(); !filtered) {
    LogGuest(limiter_, "{}", filtered.error().message);
  }
}

Result<void> MachineImpl::MakeVcpus(const KvmSystem& system) {
  VENEER_TRY_ASSIGN(const CpuidTable supported, system.SupportedCpuid());
  const KvmCapabilities& capabilities = system.capabilities();
  if (capabilities.msr_filter && capabilities.user_space_msr) {
    absent_pmu_ = AbsentPmuMsrs(supported, capabilities.pmu);
  }
  VENEER_TRY(FilterMsrs());
  const VcpuContext context{
      .gate = gate_,
      .ports = ports_,
      .mmio = mmio_,
      .memory = *memory_,
      .metrics = metrics_,
      .request_stop = [this](MachineStop stop) { RequestStop(std::move(stop)); },
      .kind = host_.emulated_kernel ? ThreadKind::kPvmVcpu : ThreadKind::kVcpu};
  const unsigned vcpus = MaxVcpus(config_);
  for (unsigned i = 0; i < vcpus; ++i) {
    CpuidTable cpuid = GuestCpuid(supported, system.capabilities(), host_, i, vcpus);
    if (xen_ != nullptr) {
      xen_->AddCpuidLeaves(cpuid, i);
    }
    VENEER_TRY_ASSIGN(std::unique_ptr<Vcpu> vcpu, vm_->CreateVcpu(i, cpuid));
    if (i == 0) {
      VENEER_TRY(EnterKernel(*vcpu, boot_entry_));
    }
    auto thread = std::make_unique<VcpuThread>(std::move(vcpu), context);
    if (!absent_pmu_.empty()) {
      thread->AddExitHandler(std::make_unique<AbsentPmu>());
    }
    if (host_.emulated_kernel) {
      thread->AddExitHandler(MakePvmAssists(*memory_, metrics_));
    }
    if (xen_ != nullptr) {
      VENEER_TRY_ASSIGN(std::unique_ptr<ExitHandler> handler, xen_->MakeVcpu(thread->vcpu()));
      thread->AddExitHandler(std::move(handler));
    }
    if (i >= config_.vcpus) {
      thread->Take();
    }
    vcpus_.push_back(std::move(thread));
  }
  return {};
}

void MachineImpl::TakeVcpu(unsigned vcpu) {
  const MutexLock lock(taking_mutex_);
  if (vcpu >= mainboard_->cpus()->present()) {
    vcpus_[vcpu]->Take();
  }
}

Result<void> MachineImpl::SetVcpus(unsigned count) {
  AcpiCpus* const cpus = mainboard_->cpus();
  if (cpus == nullptr) {
    return UsageError(
        "the guest's vCPUs stay as many as they are: start it with --cpus-max to change them");
  }
  if (count < 1 || count > cpus->possible()) {
    return UsageError("the guest can be given 1 to {} vCPUs (--cpus-max)", cpus->possible());
  }
  const MutexLock lock(taking_mutex_);
  cpus->SetPresent(count);
  for (unsigned i = 0; i < count; ++i) {
    if (vcpus_[i]->taken()) {
      vcpus_[i]->GiveBack();
    }
  }
  return {};
}

VcpuCounts MachineImpl::Vcpus() {
  AcpiCpus* const cpus = mainboard_->cpus();
  VcpuCounts counts{.given = cpus != nullptr ? cpus->present() : config_.vcpus,
                    .online = 0,
                    .possible = static_cast<unsigned>(vcpus_.size())};
  for (const auto& vcpu : vcpus_) {
    if (vcpu->HasRun()) {
      ++counts.online;
    } else if (xen_ == nullptr && !vcpu->taken()) {
      vcpu->LookWhetherItRuns();
    }
  }
  return counts;
}

std::vector<VcpuUsage> MachineImpl::Usage() const {
  std::vector<VcpuUsage> usage;
  for (const auto& vcpu : vcpus_) {
    usage.push_back(vcpu->Usage());
  }
  return usage;
}

Result<void> MachineImpl::Start() {
  milestones_.Start();
  for (const auto& vcpu : vcpus_) {
    VENEER_TRY(vcpu->Start());
  }
  return {};
}

void MachineImpl::KickAll() {
  for (const auto& vcpu : vcpus_) {
    vcpu->Kick();
  }
}

void MachineImpl::Pause() {
  gate_.Pause();
  KickAll();
  gate_.WaitUntilHeld(static_cast<unsigned>(vcpus_.size()));
}

void MachineImpl::Resume() {
  // Not after it was told that the power is off.
  if (stop_requested_) {
    return;
  }
  if (ide_disks_ != nullptr) {
    ide_disks_->Retry();
  }
  if (xen_ != nullptr) {
    xen_->disks().Retry();
  }
  gate_.Resume();
}

void MachineImpl::Stop() {
  gate_.Stop();
  KickAll();
  for (const auto& vcpu : vcpus_) {
    vcpu->Join();
  }
  if (mainboard_ != nullptr) {
    mainboard_->Flush();
  }
}

void MachineImpl::RequestStop(MachineStop stop) {
  if (stop_requested_.exchange(true)) {
    return;  // the first reason counts
  }
  // The guest shall not run on after it was told that the power is off.
  gate_.Pause();
  KickAll();
  outputs_.stopped(stop);
}

void MachineImpl::Reset() {
  const bool panicked =
      panic_marked_ && memory_->Read<std::uint16_t>(kResetFlag) == std::optional(kWarmReset);
  RequestStop({panicked ? StopReason::kGuestPanic : StopReason::kReset, {}});
}

std::uint64_t MachineImpl::KernelInstructions() const {
  const auto statistics = vm_->Statistics();
  const auto it = statistics.find("insn_emulation");
  return it == statistics.end() ? 0 : it->second;
}

void MachineImpl::Report(std::function<void(std::vector<std::string>)> done) {
  // A vCPU comes out of the guest within milliseconds of a kick; a queue's turn is as short.
  constexpr std::uint64_t kLimitNs = 1'000'000'000;
  const std::shared_ptr<Inquiry> inquiry = Inquiry::Begin(loop_, std::move(done));
  // Nobody but this thread opens the gate.
  const bool held = gate_.Holds(static_cast<unsigned>(vcpus_.size()));
  for (const auto& thread : vcpus_) {
    const Inquiry::Answer answer = inquiry->Ask(fmt::format("vCPU {}", thread->vcpu().id()));
    if (held) {
      answer(VcpuReport(thread->vcpu()));
    } else {
      thread->Post(VcpuTask::kReport, [answer](Vcpu& vcpu) { answer(VcpuReport(vcpu)); });
    }
  }
  if (xen_ != nullptr) {
    xen_->Report(*inquiry);
  }
  inquiry->End(kLimitNs);
}

void MachineImpl::CollectStatistics() {
  for (const auto& [name, value] : vm_->Statistics()) {
    metrics_.Get("kvm." + name).Set(value);
  }
}

}  // namespace

Result<std::unique_ptr<Machine>> Machine::Build(const MachineConfig& config,
                                                const KvmSystem& system, const HostProfile& host,
                                                Metrics& metrics, EventLoop& loop,
                                                MachineOutputs outputs) {
  MachineConfig identified = config;
  // A NIC has the same number and address whichever way the guest finds it.
  VENEER_TRY(IdentifyNics(identified.name, identified.nics));
  auto machine = std::make_unique<MachineImpl>(identified, host, metrics, std::move(outputs), loop);
  VENEER_TRY(machine->Assemble(system));
  return machine;
}

}  // namespace veneer
