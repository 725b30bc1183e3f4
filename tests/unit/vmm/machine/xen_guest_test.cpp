#include "src/vmm/machine/xen_guest.h"

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/vmm/machine/xen_layout.h"
#include "support/fake_devices.h"
#include "support/fake_vm.h"
#include "support/scripted_vcpu.h"
#include "veneer/xencompat/abi/xen_headers.h"
#include "veneer/xencompat/entry/xen_cpuid.h"

namespace veneer {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

constexpr std::uint64_t kRamBytes = std::uint64_t{16} << 20U;
constexpr Gpa kText{std::uint64_t{4} << 20U};
constexpr Gpa kArgument{0x8000};  // where the guest puts a hypercall's structure
constexpr std::uint8_t kVector = 0xf3;
constexpr std::uint32_t kMsrKvmSystemTimeNew = 0x4b564d01;

class XenGuestTest : public ::testing::Test {
 protected:
  static constexpr unsigned kVcpus = 2;

  XenGuestTest() {
    config_.vcpus = kVcpus;
    for (unsigned i = 0; i < kVcpus; ++i) {
      auto vcpu = std::make_unique<ScriptedVcpu>(*memory_, i);
      vcpu->system.efer = kEferLongModeEnable | kEferLongModeActive;
      vcpu->system.cs.long_mode = true;
      vcpu->msrs[kMsrKvmSystemTimeNew] = 0;
      vcpus_.push_back(vcpu.get());
      threads_.push_back(std::make_unique<VcpuThread>(
          std::move(vcpu), VcpuContext{gate_, ports_, mmio_, *memory_, metrics_, {}}));
    }
  }

  void Create() {
    EXPECT_TRUE(mainboard_.Attach());
    nics_ = E1000Nics::Create({config_, *memory_, mainboard_.pci(), metrics_}).value();
    const std::vector<GuestMemory::Range> ram = {{Gpa{0}, kRamBytes}};
    PreparedBoot boot;
    boot.starts_another = starts_another_;
    boot.kernel.segments = {
        {.base = kText, .file_size = 0x4000, .memory_size = 0x4000, .executable = true}};
    guest_ = XenGuest::Create({.config = config_,
                               .memory = *memory_,
                               .io_events = io_events_,
                               .lines = lines_,
                               .msi = msi_,
                               .tsc_khz = 2'400'000,
                               .clock_start_ns = HostClock().MonotonicNs(),
                               .mainboard = mainboard_,
                               .ports = ports_,
                               .ide_disks = nullptr,
                               .e1000_nics = *nics_,
                               .loop = *loop_,
                               .gate = gate_,
                               .metrics = metrics_,
                               .vcpus = threads_,
                               .emulated_kernel = false,
                               .kernel_xen = kernel_xen_,
                               .xen_flags = xen_flags_,
                               .request_stop = [this](MachineStop stop) { stops_.push_back(stop); },
                               .msrs_changed = [] {},
                               .console_output = [](auto) {},
                               .console_room = [] {},
                               .disk_failed = [](const DiskFailure&) {}},
                              ram, boot)
                 .value();
    for (unsigned i = 0; i < kVcpus; ++i) {
      handlers_.push_back(guest_->MakeVcpu(*vcpus_[i]).value());
    }
  }

  // A hypercall of vCPU `vcpu` with `argument` at kArgument, whose address is argument number
  // `position`.
  template <typename Argument>
  std::int64_t Call(unsigned vcpu, std::uint32_t number, std::array<std::uint64_t, 3> args,
                    std::size_t position, Argument& argument) {
    EXPECT_TRUE(memory_->Write(kArgument, argument));
    args.at(position) = kArgument.value;
    vcpus_[vcpu]->registers[Reg::kRax] = number;
    vcpus_[vcpu]->registers[Reg::kRdi] = args[0];
    vcpus_[vcpu]->registers[Reg::kRsi] = args[1];
    vcpus_[vcpu]->registers[Reg::kRdx] = args[2];
    const PioExit exit{kHypercallPorts.call, 4, true, 1,
                       std::as_writable_bytes(std::span(&number, 1))};
    EXPECT_EQ(handlers_[vcpu]->OnExit(*vcpus_[vcpu], exit), ExitHandler::Outcome::kHandled);
    argument = memory_->Read<Argument>(kArgument).value();
    return static_cast<std::int64_t>(vcpus_[vcpu]->registers[Reg::kRax]);
  }
  std::uint64_t Param(std::uint32_t index) {
    xen_hvm_param_t param{.domid = DOMID_SELF, .pad = 0, .index = index, .value = 0};
    EXPECT_EQ(Call(0, __HYPERVISOR_hvm_op, {HVMOP_get_param}, 1, param), 0);
    return param.value;
  }
  std::int64_t SetVector(unsigned vcpu) {
    xen_hvm_evtchn_upcall_vector_t op{.vcpu = vcpu, .vector = kVector};
    return Call(vcpu, __HYPERVISOR_hvm_op, {HVMOP_set_evtchn_upcall_vector}, 1, op);
  }
  std::uint32_t BindIpi(unsigned vcpu) {
    evtchn_bind_ipi_t op{.vcpu = vcpu, .port = 0};
    EXPECT_EQ(Call(0, __HYPERVISOR_event_channel_op, {EVTCHNOP_bind_ipi}, 1, op), 0);
    return op.port;
  }
  std::int64_t Send(std::uint32_t port) {
    evtchn_send_t op{.port = port};
    return Call(0, __HYPERVISOR_event_channel_op, {EVTCHNOP_send}, 1, op);
  }
  std::int64_t RegisterVcpuInfo(unsigned vcpu, std::uint64_t gfn) {
    vcpu_register_vcpu_info_t op{.mfn = gfn, .offset = 0, .rsvd = 0};
    return Call(vcpu, __HYPERVISOR_vcpu_op, {VCPUOP_register_vcpu_info, vcpu}, 2, op);
  }
  std::int64_t Shutdown(unsigned reason) {
    sched_shutdown_t op{.reason = reason};
    return Call(0, __HYPERVISOR_sched_op, {SCHEDOP_shutdown}, 1, op);
  }
  std::string Node(const std::string& path) { return guest_->store().Read(path).value_or("-"); }

  bool starts_another_ = false;
  MachineConfig config_;
  const std::array<GuestMemory::Range, 3> ranges_ = {GuestMemory::Range{Gpa{0}, kRamBytes},
                                                     kGrantArea, kSpecialPages};
  const std::unique_ptr<GuestMemory> memory_ = GuestMemory::Create(ranges_, {}).value();
  const std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  Metrics metrics_;
  RunGate gate_;
  Bus ports_{"port", metrics_.Get("bus.port.unclaimed")};
  Bus mmio_{"memory", metrics_.Get("bus.memory.unclaimed")};
  testing::FakeIoEvents io_events_;
  testing::FakeResampledLines lines_;
  testing::FakeMsiSink msi_;
  testing::FakeKernelXen kernel_xen_;
  std::uint32_t xen_flags_ = 0;
  FakePowerControl power_;
  Mainboard mainboard_{{.ports = ports_,
                        .mmio = mmio_,
                        .clock = HostClock(),
                        .loop = *loop_,
                        .power = power_,
                        .memory = {},
                        .serial_output = [](auto) {},
                        .debug_output = [](auto) {}},
                       [](Gsi) { return std::make_unique<FakeInterruptLine>(); }};
  std::unique_ptr<E1000Nics> nics_;
  std::vector<MachineStop> stops_;
  std::vector<ScriptedVcpu*> vcpus_;
  std::vector<std::unique_ptr<VcpuThread>> threads_;
  std::unique_ptr<XenGuest> guest_;
  std::vector<std::unique_ptr<ExitHandler>> handlers_;
};

TEST_F(XenGuestTest, TheGuestFindsXenWhereKvmWas) {
  Create();
  CpuidTable table = {{.function = 1},
                      {.function = kHypervisorLeafBase, .ebx = 0x4b4d564b},
                      {.function = kHypervisorLeafBase + 0x100},
                      {.function = 0x80000008, .eax = 0x3030}};
  guest_->AddCpuidLeaves(table, 1);
  EXPECT_EQ(FindLeaf(table, kHypervisorLeafBase)->ebx, 0x566e6558U);  // "XenV"
  EXPECT_EQ(FindLeaf(table, kHypervisorLeafBase + 4)->ebx, 1U);
  EXPECT_EQ(FindLeaf(table, kHypervisorLeafBase + 5)->eax, 0x30U);
  EXPECT_EQ(FindLeaf(table, kHypervisorLeafBase + 0x100), nullptr);
  EXPECT_NE(FindLeaf(table, 1), nullptr);
}

TEST_F(XenGuestTest, TheLoadedKernelsHypercallsLeaveByThePort) {
  const std::array<std::uint8_t, 32> pair = {0x0f, 0x01, 0xd9, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc,
                                             0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
                                             0x0f, 0x01, 0xc1, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc,
                                             0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc};
  ASSERT_TRUE(memory_->WriteBytes(kText + 0x2000, std::as_bytes(std::span(pair))));
  Create();
  std::array<std::uint8_t, 3> found{};
  ASSERT_TRUE(memory_->ReadBytes(kText + 0x2000, std::as_writable_bytes(std::span(found))));
  EXPECT_NE(found, (std::array<std::uint8_t, 3>{0x0f, 0x01, 0xd9}));
}

TEST_F(XenGuestTest, ParametersAndXenstoreNameTheSamePagesAndPorts) {
  Create();
  EXPECT_EQ(Param(HVM_PARAM_STORE_PFN), kStorePage.value);
  EXPECT_EQ(Param(HVM_PARAM_CONSOLE_PFN), kConsolePage.value);
  EXPECT_EQ(Node("/local/domain/1/store/port"), std::to_string(Param(HVM_PARAM_STORE_EVTCHN)));
  EXPECT_EQ(Node("/local/domain/1/console/port"), std::to_string(Param(HVM_PARAM_CONSOLE_EVTCHN)));
}

TEST_F(XenGuestTest, TheConsolesChannelRingsInsideTheKernel) {
  Create();
  const auto console = static_cast<std::uint32_t>(Param(HVM_PARAM_CONSOLE_EVTCHN));
  ASSERT_EQ(io_events_.attached.size(), 1U);
  EXPECT_EQ(io_events_.attached[0].address.address, kHypercallPorts.send);
  EXPECT_EQ(io_events_.attached[0].address.match, console);
}

TEST_F(XenGuestTest, WithoutAPvConsoleThereIsNone) {
  config_.xen.pv.console = false;
  Create();
  EXPECT_EQ(Param(HVM_PARAM_CONSOLE_EVTCHN), 0U);
  EXPECT_THAT(io_events_.attached, IsEmpty());
}

TEST_F(XenGuestTest, AnIpiInterruptsTheOtherVcpuAtItsVector) {
  Create();
  ASSERT_EQ(SetVector(1), 0);
  const std::uint32_t ipi = BindIpi(1);
  EXPECT_EQ(Send(ipi), 0);
  EXPECT_THAT(msi_.Take(), ElementsAre(Pair(0xfee01000, kVector)));
}

TEST_F(XenGuestTest, AnEventFromBeforeTheVectorIsDeliveredWithIt) {
  Create();
  const std::uint32_t ipi = BindIpi(1);
  EXPECT_EQ(Send(ipi), 0);
  EXPECT_THAT(msi_.Take(), IsEmpty());
  ASSERT_EQ(SetVector(1), 0);
  EXPECT_THAT(msi_.Take(), ElementsAre(Pair(0xfee01000, kVector)));
}

TEST_F(XenGuestTest, AVcpusClockIsKeptInItsVcpuInfo) {
  Create();
  ASSERT_EQ(RegisterVcpuInfo(0, 0x20), 0);
  handlers_[0]->BeforeRun(*vcpus_[0]);
  EXPECT_EQ(vcpus_[0]->msrs[kMsrKvmSystemTimeNew], 0x20020U | 1U);
}

TEST_F(XenGuestTest, TheUpcallOfIntxIsThePlatformDevicesLine) {
  config_.xen.callback = CallbackChoice::kIntx;
  Create();
  xen_hvm_param_t param{.domid = DOMID_SELF,
                        .pad = 0,
                        .index = HVM_PARAM_CALLBACK_IRQ,
                        .value = std::uint64_t{1} << 56U | kPlatformSlot << 11U};
  ASSERT_EQ(Call(0, __HYPERVISOR_hvm_op, {HVMOP_set_param}, 1, param), 0);
  EXPECT_TRUE(lines_.attached.contains(PciHost::IntxGsi(kPlatformSlot)));
}

TEST_F(XenGuestTest, TheGuestsShutdownEndsTheMachineForTheRightReason) {
  Create();
  EXPECT_EQ(Shutdown(SHUTDOWN_poweroff), 0);
  ASSERT_EQ(stops_.size(), 1U);
  EXPECT_EQ(stops_[0].reason, StopReason::kPowerOff);
}

TEST_F(XenGuestTest, ItsRebootResetsTheMachine) {
  Create();
  EXPECT_EQ(Shutdown(SHUTDOWN_reboot), 0);
  ASSERT_EQ(stops_.size(), 1U);
  EXPECT_EQ(stops_[0].reason, StopReason::kReset);
}

TEST_F(XenGuestTest, MsrsThatLeaveAreThoseThatAreAnswered) {
  Create();
  const auto msrs = guest_->Msrs();
  ASSERT_EQ(msrs.size(), 1U);
  EXPECT_EQ(msrs[0].first, kXenHypercallMsr);
  EXPECT_TRUE(msrs[0].writes);
}

TEST_F(XenGuestTest, AGuestThatUnpacksItselfHasItsEferWritesSeen) {
  starts_another_ = true;
  Create();
  EXPECT_THAT(guest_->Msrs(), Contains(Field(&MsrRange::first, kMsrEfer)));
}

// ---- Where KVM's own Xen support is used.

class XenGuestInKvm : public XenGuestTest {
 protected:
  XenGuestInKvm() { xen_flags_ = 0x1ff; }
  // The same calls, intercepted.
  template <typename Argument>
  std::int64_t Intercept(unsigned vcpu, std::uint32_t number, std::uint64_t operation,
                         Argument& argument) {
    EXPECT_TRUE(memory_->Write(kArgument, argument));
    std::uint64_t result = 0;
    EXPECT_EQ(
        handlers_[vcpu]->OnExit(
            *vcpus_[vcpu],
            XenHypercallExit{number, {operation, kArgument.value, 0, 0, 0, 0}, true, 0, &result}),
        ExitHandler::Outcome::kHandled);
    argument = memory_->Read<Argument>(kArgument).value();
    return static_cast<std::int64_t>(result);
  }
};

TEST_F(XenGuestInKvm, KvmIsToldWhatItNeeds) {
  Create();
  EXPECT_EQ(kernel_xen_.hypercall_msr, kXenHypercallMsr);
  EXPECT_EQ(kernel_xen_.version, 4U << 16U | 17U);
  EXPECT_EQ(kernel_xen_.wide, true);
  EXPECT_EQ(kernel_xen_.shared_info.size(), kPageSize);
  EXPECT_EQ(vcpus_[1]->xen[XenAttribute::kVcpuId], 1U);
  EXPECT_EQ(vcpus_[1]->xen[XenAttribute::kVcpuInfoHost],
            reinterpret_cast<std::uint64_t>(kernel_xen_.shared_info.data() + 64));
  EXPECT_EQ(TransportName(guest_->path()), "KVM interception");
}

TEST_F(XenGuestInKvm, TheGuestsInstructionsStayAsTheyAre) {
  const std::array<std::uint8_t, 32> pair = {0x0f, 0x01, 0xd9, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc,
                                             0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
                                             0x0f, 0x01, 0xc1, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc,
                                             0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc};
  ASSERT_TRUE(memory_->WriteBytes(kText + 0x2000, std::as_bytes(std::span(pair))));
  starts_another_ = true;
  Create();
  std::array<std::uint8_t, 32> found{};
  ASSERT_TRUE(memory_->ReadBytes(kText + 0x2000, std::as_writable_bytes(std::span(found))));
  EXPECT_EQ(found, pair);
  EXPECT_THAT(guest_->Msrs(), Not(Contains(Field(&MsrRange::first, kMsrEfer))));
}

TEST_F(XenGuestInKvm, TheHypercallPageIsOneThatKvmIntercepts) {
  Create();
  std::uint64_t page = 0x6000;
  std::uint8_t fault = 1;
  EXPECT_EQ(handlers_[0]->OnExit(*vcpus_[0], MsrExit{kXenHypercallMsr, true, &page, &fault}),
            ExitHandler::Outcome::kHandled);
  EXPECT_EQ(fault, 0);
  EXPECT_EQ(memory_->Read<std::uint16_t>(Gpa{0x6000 + 32 + 5}), 0x010f);
}

TEST_F(XenGuestInKvm, TheFifoAbiIsNotOffered) {
  Create();
  evtchn_init_control_t op{};
  EXPECT_EQ(Intercept(0, __HYPERVISOR_event_channel_op, EVTCHNOP_init_control, op), -XEN_ENOSYS);
}

TEST_F(XenGuestInKvm, TheConsolesChannelIsRoutedInKvm) {
  Create();
  EXPECT_THAT(io_events_.attached, IsEmpty());
  EXPECT_EQ(kernel_xen_.routes.size(), 1U);
}

TEST_F(XenGuestInKvm, AVectorMakesIpisKvms) {
  Create();
  evtchn_bind_ipi_t bind{.vcpu = 0, .port = 0};
  ASSERT_EQ(Intercept(0, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, bind), 0);
  EXPECT_FALSE(kernel_xen_.routes.contains(bind.port));
  xen_hvm_evtchn_upcall_vector_t vector{.vcpu = 0, .vector = kVector};
  ASSERT_EQ(Intercept(0, __HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, vector), 0);
  EXPECT_TRUE(kernel_xen_.routes.contains(bind.port));
}

TEST_F(XenGuestInKvm, TheCallbackVectorReachesKvm) {
  Create();
  xen_hvm_param_t param{.domid = DOMID_SELF,
                        .pad = 0,
                        .index = HVM_PARAM_CALLBACK_IRQ,
                        .value = std::uint64_t{2} << 56U | 0x31U};
  ASSERT_EQ(Intercept(0, __HYPERVISOR_hvm_op, HVMOP_set_param, param), 0);
  EXPECT_EQ(kernel_xen_.callback_vector, 0x31);
}

TEST_F(XenGuestInKvm, AKvmThatRefusesIsDoneWithout) {
  kernel_xen_.refuses_to_enable = true;
  Create();
  EXPECT_FALSE(guest_->path().in_kernel);
  EXPECT_EQ(io_events_.attached.size(), 1U);
}

TEST_F(XenGuestInKvm, SwitchedOffItIsNotAsked) {
  config_.xen.kvm_xen = KvmXen::kOff;
  Create();
  EXPECT_EQ(kernel_xen_.hypercall_msr, 0U);
  EXPECT_EQ(io_events_.attached.size(), 1U);
}

}  // namespace
}  // namespace veneer
