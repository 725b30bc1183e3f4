// Exit reasons and state calls: Documentation/virt/kvm/api.rst.
#include "kvm_vcpu.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "kvm_ioctl.h"
#include "register_conversion.h"
#include "veneer/vmm/base/check.h"
#include "xen_attributes.h"

namespace veneer::kvm {
namespace {

int KickSignal() { return SIGRTMIN; }

// Offsets of the local APIC's registers, bytes: Intel SDM vol. 3, 10.4.1. IRR and ISR are eight
// registers each, 32 vectors in every one.
constexpr std::size_t kApicTpr = 0x80;
constexpr std::size_t kApicSpurious = 0xf0;
constexpr std::size_t kApicIsr = 0x100;
constexpr std::size_t kApicIrr = 0x200;
constexpr std::size_t kApicLint0 = 0x350;
constexpr std::size_t kApicLint1 = 0x360;

std::uint32_t ReadApic(const kvm_lapic_state& apic, std::size_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, apic.regs + offset, sizeof value);
  return value;
}

void WriteApic(kvm_lapic_state& apic, std::size_t offset, std::uint32_t value) {
  std::memcpy(apic.regs + offset, &value, sizeof value);
}

// The highest first.
std::vector<std::uint8_t> VectorsIn(const kvm_lapic_state& apic, std::size_t first_register) {
  constexpr std::size_t kRegisterStep = 0x10;
  std::vector<std::uint8_t> vectors;
  for (unsigned vector = 256; vector-- > 0;) {
    const std::uint32_t bits = ReadApic(apic, first_register + vector / 32 * kRegisterStep);
    if ((bits >> (vector % 32) & 1U) != 0) {
      vectors.push_back(static_cast<std::uint8_t>(vector));
    }
  }
  return vectors;
}

InterruptState::Activity ToActivity(std::uint32_t mp_state) {
  switch (mp_state) {
    case KVM_MP_STATE_RUNNABLE:
      return InterruptState::Activity::kRuns;
    case KVM_MP_STATE_HALTED:
      return InterruptState::Activity::kHalted;
    case KVM_MP_STATE_UNINITIALIZED:
    case KVM_MP_STATE_INIT_RECEIVED:
      return InterruptState::Activity::kWaitsForInit;
    default:
      return InterruptState::Activity::kOther;
  }
}

}  // namespace

void InstallKickSignal() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(KickSignal(), &action, nullptr);
}

Result<std::unique_ptr<KvmVcpu>> KvmVcpu::Create(int vm_fd, unsigned id, std::size_t run_size,
                                                 bool sync_registers) {
  const int fd = Ioctl(vm_fd, KVM_CREATE_VCPU, static_cast<unsigned long>(id));
  if (fd < 0) {
    return ErrnoError(-fd, fmt::format("KVM cannot make vCPU {}", id));
  }
  UniqueFd owned(fd);
  void* run = mmap(nullptr, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (run == MAP_FAILED) {
    return ErrnoError(errno, fmt::format("cannot map the run page of vCPU {}", id));
  }
  return std::unique_ptr<KvmVcpu>(
      new KvmVcpu(id, std::move(owned), static_cast<kvm_run*>(run), run_size, sync_registers));
}

KvmVcpu::KvmVcpu(unsigned id, UniqueFd fd, kvm_run* run, std::size_t run_size, bool sync_registers)
    : id_(id), fd_(std::move(fd)), run_(run), run_size_(run_size), sync_registers_(sync_registers) {
  if (sync_registers_) {
    run_->kvm_valid_regs = KVM_SYNC_X86_REGS;
  }
}

KvmVcpu::~KvmVcpu() { munmap(run_, run_size_); }

Result<void> KvmVcpu::SetCpuid(const CpuidTable& cpuid) {
  CountedArray<kvm_cpuid_entry2> array(cpuid.size());
  std::transform(cpuid.begin(), cpuid.end(), array.entries(), [](const CpuidLeaf& leaf) {
    kvm_cpuid_entry2 entry{};
    entry.function = leaf.function;
    entry.index = leaf.index;
    entry.flags = leaf.index_significant ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
    entry.eax = leaf.eax;
    entry.ebx = leaf.ebx;
    entry.ecx = leaf.ecx;
    entry.edx = leaf.edx;
    return entry;
  });
  const int result = Ioctl(fd_.get(), kSetCpuid2, array.data());
  if (result < 0) {
    return ErrnoError(-result, fmt::format("KVM does not take the CPUID table of vCPU {}", id_));
  }
  return {};
}

Result<void> KvmVcpu::SetUpLocalApic() {
  // Delivery modes: Intel SDM vol. 3, 10.5.1.
  constexpr std::uint32_t kExtInt = 7U << 8U;
  constexpr std::uint32_t kNmi = 4U << 8U;
  kvm_lapic_state state{};
  int result = Ioctl(fd_.get(), KVM_GET_LAPIC, &state);
  if (result >= 0) {
    WriteApic(state, kApicLint0, kExtInt);
    WriteApic(state, kApicLint1, kNmi);
    result = Ioctl(fd_.get(), KVM_SET_LAPIC, &state);
  }
  if (result < 0) {
    return ErrnoError(-result, fmt::format("cannot set up the local APIC of vCPU {}", id_));
  }
  return {};
}

void KvmVcpu::Kick() {
  // Seen by the next KVM_RUN if the thread is not in one now; the signal ends the one under way.
  std::atomic_ref(run_->immediate_exit).store(1, std::memory_order_release);
  const MutexLock lock(thread_mutex_);
  if (running_) {
    pthread_kill(thread_, KickSignal());
  }
}

VcpuExit KvmVcpu::Run() {
  {
    const MutexLock lock(thread_mutex_);
    thread_ = pthread_self();
    running_ = true;
  }
  const int result = ioctl(fd_.get(), KVM_RUN, 0);
  const int error = errno;
  {
    const MutexLock lock(thread_mutex_);
    running_ = false;
  }
  run_->kvm_dirty_regs = 0;
  registers_current_ = sync_registers_;
  if (result == 0) {
    return Decode();
  }
  if (error == EINTR || error == EAGAIN) {
    std::atomic_ref(run_->immediate_exit).store(0, std::memory_order_relaxed);
    registers_current_ = false;
    return InterruptedExit{};
  }
  return FatalExit{fmt::format("KVM cannot run vCPU {}: {}", id_, std::strerror(error))};
}

VcpuExit KvmVcpu::Decode() {
  switch (run_->exit_reason) {
    case KVM_EXIT_IO: {
      // Data sits in the run mapping at an offset KVM names.
      auto* data = reinterpret_cast<std::byte*>(run_) + run_->io.data_offset;
      const std::size_t bytes = std::size_t{run_->io.size} * run_->io.count;
      return PioExit{run_->io.port, run_->io.size, run_->io.direction == KVM_EXIT_IO_OUT,
                     run_->io.count, std::span(data, bytes)};
    }
    case KVM_EXIT_MMIO: {
      auto* data = reinterpret_cast<std::byte*>(run_->mmio.data);
      return MmioExit{Gpa{run_->mmio.phys_addr}, run_->mmio.is_write != 0,
                      std::span(data, std::min<std::size_t>(run_->mmio.len, 8))};
    }
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR: {
      // __u64 is unsigned long long; both are 64 bits wide.
      auto* value = reinterpret_cast<std::uint64_t*>(&run_->msr.data);
      return MsrExit{run_->msr.index, run_->exit_reason == KVM_EXIT_X86_WRMSR, value,
                     &run_->msr.error};
    }
    case KVM_EXIT_DEBUG:
      return DebugExit{run_->debug.arch.pc, run_->debug.arch.dr6, run_->debug.arch.exception};
    case KVM_EXIT_HLT:
      return HaltExit{};
    case KVM_EXIT_SHUTDOWN:
      return ShutdownExit{};
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
      return InterruptedExit{};
    case KVM_EXIT_XEN: {
      if (run_->xen.type != KVM_EXIT_XEN_HCALL) {
        break;
      }
      const auto& call = run_->xen.u.hcall;
      return XenHypercallExit{call.input,
                              {call.params[0], call.params[1], call.params[2], call.params[3],
                               call.params[4], call.params[5]},
                              call.longmode != 0,
                              static_cast<std::uint8_t>(call.cpl),
                              reinterpret_cast<std::uint64_t*>(&run_->xen.u.hcall.result)};
    }
    case KVM_EXIT_INTERNAL_ERROR:
      return DecodeInternalError();
    case KVM_EXIT_FAIL_ENTRY:
      return FatalExit{
          fmt::format("the processor refused the state of vCPU {} (hardware reason {:#x})", id_,
                      static_cast<std::uint64_t>(run_->fail_entry.hardware_entry_failure_reason))};
    default:
      break;
  }
  return FatalExit{fmt::format("vCPU {} stopped for a reason Veneer does not know (KVM exit {})",
                               id_, static_cast<std::uint32_t>(run_->exit_reason))};
}

VcpuExit KvmVcpu::DecodeInternalError() const {
  if (run_->internal.suberror != KVM_INTERNAL_ERROR_EMULATION) {
    return FatalExit{fmt::format("KVM gave up on vCPU {} (internal error {})", id_,
                                 static_cast<std::uint32_t>(run_->internal.suberror))};
  }
  EmulationFailureExit exit{};
  const auto& failure = run_->emulation_failure;
  // ndata counts 64-bit words: the flags, then the instruction's size and bytes.
  if (failure.ndata >= 3 &&
      (failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) != 0) {
    exit.length = std::min<std::uint8_t>(failure.insn_size, exit.bytes.size());
    std::copy_n(failure.insn_bytes, exit.length, exit.bytes.begin());
  }
  return exit;
}

Registers KvmVcpu::GetRegisters() {
  if (registers_current_) {
    return FromKvm(run_->s.regs.regs);
  }
  kvm_regs regs{};
  VENEER_CHECK(Ioctl(fd_.get(), KVM_GET_REGS, &regs) == 0);
  return FromKvm(regs);
}

void KvmVcpu::SetRegisters(const Registers& registers) {
  if (registers_current_) {
    run_->s.regs.regs = ToKvm(registers);
    run_->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
    return;
  }
  kvm_regs regs = ToKvm(registers);
  VENEER_CHECK(Ioctl(fd_.get(), KVM_SET_REGS, &regs) == 0);
}

SystemRegisters KvmVcpu::GetSystemRegisters() {
  kvm_sregs sregs{};
  VENEER_CHECK(Ioctl(fd_.get(), KVM_GET_SREGS, &sregs) == 0);
  return FromKvm(sregs);
}

bool KvmVcpu::SetSystemRegisters(const SystemRegisters& registers) {
  kvm_sregs sregs{};
  VENEER_CHECK(Ioctl(fd_.get(), KVM_GET_SREGS, &sregs) == 0);
  sregs = ToKvm(registers, sregs);
  return Ioctl(fd_.get(), KVM_SET_SREGS, &sregs) == 0;
}

XsaveArea KvmVcpu::GetXsave() {
  static_assert(sizeof(XsaveArea) == sizeof(kvm_xsave::region));
  XsaveArea area{};
  VENEER_CHECK(Ioctl(fd_.get(), kGetXsave, area.data()) == 0);
  return area;
}

bool KvmVcpu::SetXsave(const XsaveArea& area) {
  return Ioctl(fd_.get(), kSetXsave, area.data()) == 0;
}

std::uint64_t KvmVcpu::GetXcr0() {
  kvm_xcrs xcrs{};
  if (Ioctl(fd_.get(), KVM_GET_XCRS, &xcrs) != 0 || xcrs.nr_xcrs == 0) {
    return 1;  // a processor without XSAVE has x87 state only
  }
  return xcrs.xcrs[0].value;
}

bool KvmVcpu::SetXcr0(std::uint64_t value) {
  kvm_xcrs xcrs{};
  xcrs.nr_xcrs = 1;
  xcrs.xcrs[0].value = value;
  return Ioctl(fd_.get(), KVM_SET_XCRS, &xcrs) == 0;
}

std::optional<std::uint64_t> KvmVcpu::GetMsr(std::uint32_t index) {
  CountedArray<kvm_msr_entry> array(1);
  array.entries()[0] = kvm_msr_entry{index, 0, 0};
  if (Ioctl(fd_.get(), kGetMsrs, array.data()) != 1) {
    return std::nullopt;
  }
  return array.entries()[0].data;
}

bool KvmVcpu::SetMsr(std::uint32_t index, std::uint64_t value) {
  CountedArray<kvm_msr_entry> array(1);
  array.entries()[0] = kvm_msr_entry{index, 0, value};
  return Ioctl(fd_.get(), kSetMsrs, array.data()) == 1;
}

std::optional<Gpa> KvmVcpu::Translate(std::uint64_t linear) {
  kvm_translation translation{};
  translation.linear_address = linear;
  if (Ioctl(fd_.get(), KVM_TRANSLATE, &translation) != 0 || translation.valid == 0) {
    return std::nullopt;
  }
  return Gpa{translation.physical_address};
}

void KvmVcpu::InjectException(const Exception& exception) {
  kvm_vcpu_events events{};
  VENEER_CHECK(Ioctl(fd_.get(), KVM_GET_VCPU_EVENTS, &events) == 0);
  events.exception.injected = 1;
  events.exception.nr = exception.vector;
  events.exception.has_error_code = exception.error_code.has_value() ? 1 : 0;
  events.exception.error_code = exception.error_code.value_or(0);
  VENEER_CHECK(Ioctl(fd_.get(), KVM_SET_VCPU_EVENTS, &events) == 0);
}

bool KvmVcpu::InjectInterrupt(std::uint8_t vector) {
  kvm_vcpu_events events{};
  VENEER_CHECK(Ioctl(fd_.get(), KVM_GET_VCPU_EVENTS, &events) == 0);
  const bool busy = events.exception.injected != 0 || events.exception.pending != 0 ||
                    events.interrupt.injected != 0 || events.interrupt.shadow != 0 ||
                    events.nmi.injected != 0;
  if (busy || (GetRegisters().rflags & kRflagsInterrupt) == 0) {
    return false;
  }
  events.interrupt.injected = 1;
  events.interrupt.nr = vector;
  events.interrupt.soft = 0;
  if (Ioctl(fd_.get(), KVM_SET_VCPU_EVENTS, &events) != 0) {
    return false;
  }
  // KVM does not count such an interrupt as a reason to leave HLT.
  kvm_mp_state state{};
  if (Ioctl(fd_.get(), KVM_GET_MP_STATE, &state) == 0 && state.mp_state == KVM_MP_STATE_HALTED) {
    state.mp_state = KVM_MP_STATE_RUNNABLE;
    static_cast<void>(Ioctl(fd_.get(), KVM_SET_MP_STATE, &state));
  }
  return true;
}

void KvmVcpu::InjectNmi() { static_cast<void>(Ioctl(fd_.get(), KVM_NMI, 0)); }

void KvmVcpu::MakeRunnable() {
  kvm_mp_state state{KVM_MP_STATE_RUNNABLE};
  VENEER_CHECK(Ioctl(fd_.get(), KVM_SET_MP_STATE, &state) == 0);
}

void KvmVcpu::NoteStopped() {
  // Fails for a guest that has no PV clock, which is then none the wiser.
  static_cast<void>(Ioctl(fd_.get(), KVM_KVMCLOCK_CTRL, 0));
}

void KvmVcpu::SetGuestDebug(const GuestDebug& debug) {
  // DR7 bits: Intel SDM vol. 3, 17.2.4. Length and type 0 mean "execution".
  constexpr std::uint64_t kGlobalEnable0 = 1U << 1U;
  constexpr std::uint64_t kReservedOne = 1U << 10U;
  kvm_guest_debug arguments{};
  if (debug.single_step) {
    arguments.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
  }
  if (debug.breakpoint) {
    arguments.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
    arguments.arch.debugreg[0] = *debug.breakpoint;
    arguments.arch.debugreg[7] = kReservedOne | kGlobalEnable0;
  }
  VENEER_CHECK(Ioctl(fd_.get(), KVM_SET_GUEST_DEBUG, &arguments) == 0);
}

InterruptState KvmVcpu::GetInterruptState() {
  InterruptState state;
  kvm_mp_state activity{};
  VENEER_CHECK(Ioctl(fd_.get(), KVM_GET_MP_STATE, &activity) == 0);
  state.activity = ToActivity(activity.mp_state);
  kvm_lapic_state apic{};
  VENEER_CHECK(Ioctl(fd_.get(), KVM_GET_LAPIC, &apic) == 0);
  state.requested = VectorsIn(apic, kApicIrr);
  state.in_service = VectorsIn(apic, kApicIsr);
  state.task_priority = static_cast<std::uint8_t>(ReadApic(apic, kApicTpr));
  return state;
}

bool KvmVcpu::AwaitStartup() {
  // An interrupt that waits would end the wait for INIT over and over. Not by the run page, whose
  // registers KVM takes when the wait is over.
  kvm_regs regs{};
  VENEER_CHECK(Ioctl(fd_.get(), KVM_GET_REGS, &regs) == 0);
  regs.rflags &= ~kRflagsInterrupt;
  VENEER_CHECK(Ioctl(fd_.get(), KVM_SET_REGS, &regs) == 0);
  run_->kvm_dirty_regs = 0;
  registers_current_ = false;
  // The spurious-interrupt vector register (Intel SDM vol. 3, 10.9): a local APIC that is switched
  // off drops what is sent to it, and KVM says so to the sender.
  constexpr std::uint32_t kApicEnabled = 1U << 8U;
  kvm_lapic_state apic{};
  if (Ioctl(fd_.get(), KVM_GET_LAPIC, &apic) != 0) {
    return false;
  }
  WriteApic(apic, kApicSpurious, ReadApic(apic, kApicSpurious) & ~kApicEnabled);
  kvm_mp_state state{};
  state.mp_state = KVM_MP_STATE_UNINITIALIZED;
  return Ioctl(fd_.get(), KVM_SET_LAPIC, &apic) == 0 &&
         Ioctl(fd_.get(), KVM_SET_MP_STATE, &state) == 0;
}

bool KvmVcpu::AwaitsStartup() {
  kvm_mp_state state{};
  return Ioctl(fd_.get(), KVM_GET_MP_STATE, &state) == 0 &&
         ToActivity(state.mp_state) == InterruptState::Activity::kWaitsForInit;
}

bool KvmVcpu::SetXen(XenAttribute attribute, std::uint64_t value) {
  kvm_xen_vcpu_attr request{};
  switch (attribute) {
    case XenAttribute::kVcpuId:
      request.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID;
      request.u.vcpu_id = static_cast<std::uint32_t>(value);
      break;
    case XenAttribute::kVcpuInfo:
      request.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO;
      request.u.gpa = value;
      break;
    case XenAttribute::kVcpuInfoHost:
      request.type = kXenVcpuAttrVcpuInfoHva;
      request.u.gpa = value;  // the same place in the union
      break;
    case XenAttribute::kTimeInfo:
      request.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO;
      request.u.gpa = value;
      break;
    case XenAttribute::kRunstate:
      request.type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR;
      request.u.gpa = value;
      break;
    case XenAttribute::kTimerPort:
      request.type = KVM_XEN_VCPU_ATTR_TYPE_TIMER;
      request.u.timer.port = static_cast<std::uint32_t>(value);
      request.u.timer.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
      break;
    case XenAttribute::kUpcallVector:
      request.type = KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR;
      request.u.vector = static_cast<std::uint8_t>(value);
      break;
  }
  return Ioctl(fd_.get(), KVM_XEN_VCPU_SET_ATTR, &request) == 0;
}

std::optional<XenRunstate> KvmVcpu::GetXenRunstate() {
  kvm_xen_vcpu_attr request{};
  request.type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA;
  if (Ioctl(fd_.get(), KVM_XEN_VCPU_GET_ATTR, &request) != 0) {
    return std::nullopt;
  }
  const auto& data = request.u.runstate;
  return XenRunstate{data.state,
                     data.state_entry_time,
                     {data.time_running, data.time_runnable, data.time_blocked, data.time_offline}};
}

}  // namespace veneer::kvm
