#include "syscall_assist.h"

#include <array>
#include <bit>
#include <span>
#include <variant>

#include "completion.h"
#include "page_walker.h"

namespace veneer {
namespace {

constexpr std::size_t kGateSize = 16;
constexpr std::uint64_t kRflagsIoPrivilege = 3U << 12;
constexpr std::uint64_t kRflagsNestedTask = 1U << 14;
constexpr std::uint64_t kRflagsDirection = 1U << 10;
constexpr std::uint64_t kRflagsIdentification = 1U << 21;
// What user code can set for itself.
constexpr std::uint64_t kUserFlags = kRflagsCarry | kRflagsParity | kRflagsAdjust | kRflagsZero |
                                     kRflagsSign | kRflagsTrap | kRflagsDirection |
                                     kRflagsOverflow | kRflagsNestedTask | kRflagsAlignmentCheck |
                                     kRflagsIdentification;

// An interrupt gate of 64-bit mode as it lies in the IDT (Intel SDM vol. 3, 6.14.1).
struct Gate {
  std::uint16_t offset_low;
  std::uint16_t selector;
  std::uint8_t stack_table;
  std::uint8_t attributes;
  std::uint16_t offset_middle;
  std::uint32_t offset_high;
  std::uint32_t reserved;

  bool present() const { return (attributes & 0x80U) != 0; }
  std::uint64_t offset() const {
    return std::uint64_t{offset_high} << 32U | std::uint64_t{offset_middle} << 16U | offset_low;
  }
};
static_assert(sizeof(Gate) == kGateSize);

// Reads as the processor's own accesses to its tables: with supervisor rights.
template <typename T>
std::optional<T> ReadSupervisor(GuestMemory& memory, const SystemRegisters& system,
                                std::uint64_t linear) {
  LinearMemory view(memory, system);
  view.SetPrivilege(kRflagsAlignmentCheck, 0);
  const LinearMemory::Resolved range = view.Resolve(linear, sizeof(T), AccessKind::kRead);
  if (!range) {
    return std::nullopt;
  }
  std::array<std::byte, sizeof(T)> bytes{};
  range->CopyOut(bytes);
  return std::bit_cast<T>(bytes);
}

Segment FlatSegment(std::uint16_t selector, std::uint8_t type, bool code) {
  Segment segment;
  segment.limit = 0xffffffff;
  segment.selector = selector;
  segment.type = type;
  segment.present = true;
  segment.default_size = !code;
  segment.long_mode = code;
  segment.granularity = true;
  return segment;
}

}  // namespace

SyscallAssist::SyscallAssist(GuestMemory& memory, InstructionAssist& stepper, Metrics& metrics)
    : memory_(memory),
      stepper_(stepper),
      finished_(metrics.Get("assist.syscalls")),
      page_faults_(metrics.Get("assist.page_faults_seen")),
      single_steps_(metrics.Get("assist.single_steps")) {}

ExitHandler::Outcome SyscallAssist::OnExit(Vcpu& vcpu, const VcpuExit& exit) {
  if (const auto* msr = std::get_if<MsrExit>(&exit); msr != nullptr && msr->index == kMsrLstar) {
    return OnMsr(vcpu, *msr);
  }
  if (const auto* debug = std::get_if<DebugExit>(&exit)) {
    return OnDebug(vcpu, *debug);
  }
  if (lstar_ != 0 && !breakpoint_) {
    Arm(vcpu);  // LSTAR came before the interrupt table
  }
  return Outcome::kNotMine;
}

void SyscallAssist::AfterRipMoved(Vcpu& vcpu) {
  if (stepping_ && vcpu.GetRegisters().rip != breakpoint_) {
    Arm(vcpu);
  }
}

ExitHandler::Outcome SyscallAssist::OnMsr(Vcpu& vcpu, const MsrExit& exit) {
  if (!exit.write) {
    const std::optional<std::uint64_t> value = vcpu.GetMsr(kMsrLstar);
    *exit.value = value.value_or(0);
    *exit.fault = value ? 0 : 1;
    return Outcome::kHandled;
  }
  if (!vcpu.SetMsr(kMsrLstar, *exit.value)) {
    *exit.fault = 1;
    return Outcome::kHandled;
  }
  *exit.fault = 0;
  lstar_ = *exit.value;
  Arm(vcpu);
  return Outcome::kHandled;
}

// Puts the breakpoint where the guest's handler is now, or takes it away if there is none.
void SyscallAssist::Arm(Vcpu& vcpu) {
  const std::optional<std::uint64_t> handler =
      lstar_ == 0 ? std::nullopt : PageFaultHandler(vcpu.GetSystemRegisters());
  if (handler == breakpoint_ && !stepping_) {
    return;
  }
  stepping_ = false;
  breakpoint_ = handler;
  vcpu.SetGuestDebug(GuestDebug{.single_step = false, .breakpoint = handler});
}

std::optional<std::uint64_t> SyscallAssist::PageFaultHandler(const SystemRegisters& system) const {
  constexpr std::size_t kOffset = kVectorPageFault * kGateSize;
  if ((system.efer & kEferLongModeActive) == 0 || system.idt.limit < kOffset + kGateSize - 1) {
    return std::nullopt;
  }
  const auto gate = ReadSupervisor<Gate>(memory_, system, system.idt.base + kOffset);
  if (!gate || !gate->present()) {
    return std::nullopt;
  }
  return gate->offset();
}

ExitHandler::Outcome SyscallAssist::OnDebug(Vcpu& vcpu, const DebugExit& exit) {
  if (!breakpoint_) {
    return Outcome::kNotMine;
  }
  if (stepping_ || exit.rip != *breakpoint_) {
    Arm(vcpu);
    return Outcome::kHandled;
  }
  const SystemRegisters system = vcpu.GetSystemRegisters();
  if (PageFaultHandler(system) != breakpoint_) {
    // The guest has another handler now (it may be another kernel), and this is just code.
    Arm(vcpu);
    return Outcome::kHandled;
  }
  const Registers registers = vcpu.GetRegisters();
  const std::optional<ExceptionFrame> frame = UnfinishedSyscall(registers, system);
  if (frame && Finish(vcpu, registers, system, *frame)) {
    finished_.Add();
  } else {
    page_faults_.Add();
    StepOver(vcpu);
  }
  return Outcome::kHandled;
}

// The breakpoint would be hit again at once: KVM does not honour RF for it. Most handlers begin
// with an instruction that we can perform here; only for others does the vCPU take a step of its
// own.
void SyscallAssist::StepOver(Vcpu& vcpu) {
  if (stepper_.TryStep(vcpu)) {
    return;
  }
  single_steps_.Add();
  stepping_ = true;
  vcpu.SetGuestDebug(GuestDebug{.single_step = true, .breakpoint = std::nullopt});
}

std::optional<SyscallAssist::ExceptionFrame> SyscallAssist::UnfinishedSyscall(
    const Registers& registers, const SystemRegisters& system) const {
  constexpr std::uint64_t kRequestedPrivilege = 3;
  if (system.cr2 != lstar_) {
    return std::nullopt;
  }
  auto frame = ReadSupervisor<ExceptionFrame>(memory_, system, registers[Reg::kRsp]);
  const bool matches = frame && frame->rip == lstar_ && (frame->cs & kRequestedPrivilege) == 3 &&
                       (frame->error_code & kPageFaultUser) != 0 &&
                       (frame->error_code & kPageFaultWrite) == 0;
  return matches ? frame : std::nullopt;
}

// False if the host does not take the state; the guest then sees the page fault.
bool SyscallAssist::Finish(Vcpu& vcpu, Registers registers, SystemRegisters system,
                           const ExceptionFrame& frame) {
  constexpr std::uint16_t kNoRpl = 0xfffc;
  constexpr std::uint8_t kCodeReadAccessed = 0xb;
  constexpr std::uint8_t kDataWriteAccessed = 0x3;
  const std::optional<std::uint64_t> star = vcpu.GetMsr(kMsrStar);
  const std::optional<std::uint64_t> mask = vcpu.GetMsr(kMsrSfmask);
  if (!star || !mask) {
    return false;
  }
  const auto selector = static_cast<std::uint16_t>(*star >> 32U);
  system.cs = FlatSegment(selector & kNoRpl, kCodeReadAccessed, true);
  system.ss = FlatSegment(static_cast<std::uint16_t>(selector + 8), kDataWriteAccessed, false);
  if (!vcpu.SetSystemRegisters(system)) {
    return false;
  }
  // User code can also jump to LSTAR, with anything in R11, and the guest's SYSRET trusts R11. Let
  // it have only what user code could set anyway; the rest is what the fault found.
  std::uint64_t& saved_flags = registers[Reg::kR11];
  saved_flags = (saved_flags & kUserFlags) | (frame.rflags & kRflagsIoPrivilege) |
                kRflagsInterrupt | kRflagsFixed;
  registers.rip = lstar_;
  registers[Reg::kRsp] = frame.rsp;
  registers.rflags = (saved_flags & ~*mask) | kRflagsFixed;
  vcpu.SetRegisters(registers);
  return true;
}

}  // namespace veneer
