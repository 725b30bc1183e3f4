#include "xen_vcpu.h"

#include <cstring>
#include <utility>

#include "vcpu_clock.h"
#include "veneer/vmm/base/log.h"
#include "veneer/xencompat/entry/xen_cpuid.h"
#include "xen_layout.h"

namespace veneer {
namespace {

// How stale the guest's copy of its run state may get, and how often that is worth a system call.
constexpr std::uint64_t kRefreshNs = 1'000'000;

}  // namespace

XenVcpu::XenVcpu(Parts parts, Vcpu& vcpu)
    : parts_(std::move(parts)),
      id_(vcpu.id()),
      virtual_memory_(parts_.memory,
                      [&vcpu](std::uint64_t linear) { return vcpu.Translate(linear); }),
      calls_(parts_.metrics.Get("xen.hypercalls")),
      sends_(parts_.metrics.Get("xen.sends_in_userspace")) {}

XenVcpu::Mode XenVcpu::ModeOf(Vcpu& vcpu) {
  const SystemRegisters system = vcpu.GetSystemRegisters();
  return {(system.efer & kEferLongModeActive) != 0 && system.cs.long_mode, system.ss.dpl};
}

void XenVcpu::BeforeRun(Vcpu& vcpu) {
  if (const unsigned life = parts_.life.load(std::memory_order_relaxed); life != life_) {
    life_ = life;
    started_ = false;
    refreshed_ns_ = 0;
  }
  parts_.upcalls.BeforeRun(id_, vcpu);
  const std::uint64_t now = HostClock().MonotonicNs();
  if (now - refreshed_ns_ >= kRefreshNs) {
    refreshed_ns_ = now;
    parts_.domain.RefreshVcpu(id_);
    if (const std::uint64_t clock = parts_.clock; clock != 0) {
      KeepVcpuClock(vcpu, Gpa{clock});
    }
  }
}

void XenVcpu::AfterPause(Vcpu& /*vcpu*/) {
  if (parts_.intercepted) {
    parts_.domain.NoteStopped(id_);
  }
}

// As after VCPUOP_down: timers are off, and what the guest has registered stays.
void XenVcpu::OnTaken(Vcpu& /*vcpu*/) {
  started_ = false;
  refreshed_ns_ = 0;
  parts_.domain.timers().StopPeriodic(id_);
  parts_.domain.timers().StopSingleshot(id_);
  parts_.domain.SetRunState(id_, RunState::kOffline);
  if (parts_.on_change) {
    parts_.on_change(false);
  }
}

ExitHandler::Outcome XenVcpu::OnExit(Vcpu& vcpu, const VcpuExit& exit) {
  // An AP sits in its first Run() until it is started, and a kick does not start it.
  if (!started_ && (id_ == 0 || !std::holds_alternative<InterruptedExit>(exit))) {
    started_ = true;
    parts_.domain.SetRunState(id_, RunState::kRunning);
    if (parts_.on_change) {
      parts_.on_change(true);
    }
  }
  if (!started_) {
    // Perhaps the INIT that has just cleared what KVM knew of this vCPU: look at once.
    refreshed_ns_ = 0;
  }
  if (const auto* port = std::get_if<PioExit>(&exit)) {
    return OnPort(vcpu, *port);
  }
  if (const auto* msr = std::get_if<MsrExit>(&exit)) {
    return OnMsr(vcpu, *msr);
  }
  if (const auto* intercept = std::get_if<XenHypercallExit>(&exit)) {
    OnIntercept(*intercept);
    return Outcome::kHandled;
  }
  return Outcome::kNotMine;
}

ExitHandler::Outcome XenVcpu::OnPort(Vcpu& vcpu, const PioExit& exit) {
  if (!exit.write || exit.size != 4 || exit.count != 1) {
    return Outcome::kNotMine;
  }
  if (exit.port == kHypercallPorts.call) {
    OnCallPort(vcpu);
    return Outcome::kHandled;
  }
  if (exit.port == kHypercallPorts.send) {
    std::uint32_t port = 0;
    std::memcpy(&port, exit.data.data(), sizeof port);
    OnSendPort(vcpu, port);
    return Outcome::kHandled;
  }
  return Outcome::kNotMine;
}

CallResult XenVcpu::Dispatch(HypercallFrame& frame) {
  virtual_memory_.Forget();
  CallResult result = parts_.hypercalls.Dispatch(id_, frame, virtual_memory_);
  while (result.again && parts_.gate.Pass()) {
    virtual_memory_.Forget();
    result = parts_.hypercalls.Dispatch(id_, frame, virtual_memory_);
  }
  return result;
}

void XenVcpu::OnCallPort(Vcpu& vcpu) {
  calls_.Add();
  const Mode mode = ModeOf(vcpu);
  Registers registers = vcpu.GetRegisters();
  HypercallFrame frame = FrameFromRegisters(registers.gpr, mode.long_mode, mode.cpl);
  const CallResult result = Dispatch(frame);
  registers[Reg::kRax] = RaxOf(result, frame.width);
  vcpu.SetRegisters(registers);
}

void XenVcpu::OnSendPort(Vcpu& vcpu, std::uint32_t port) {
  sends_.Add();
  const Mode mode = ModeOf(vcpu);
  const CallResult result =
      mode.cpl == 0 ? parts_.hypercalls.Send(port) : CallResult(ReturnValue(XEN_EPERM));
  if (result.value != 0) {
    Registers registers = vcpu.GetRegisters();
    registers[Reg::kRax] = RaxOf(result, mode.long_mode ? GuestWidth::k64 : GuestWidth::k32);
    registers.rflags |= kRflagsCarry;
    vcpu.SetRegisters(registers);
  }
}

ExitHandler::Outcome XenVcpu::OnMsr(Vcpu& vcpu, const MsrExit& exit) {
  if (exit.index == kXenHypercallMsr && exit.write) {
    *exit.fault = PlaceHypercallPage(vcpu, *exit.value) ? 0 : 1;
    return Outcome::kHandled;
  }
  return parts_.kernel_watch.OnMsr(vcpu, exit) ? Outcome::kHandled : Outcome::kNotMine;
}

bool XenVcpu::PlaceHypercallPage(Vcpu& vcpu, std::uint64_t value) {
  // The low bits number the page; there is one (leaf 2).
  const Gpa address{value};
  const std::span<std::byte> page = parts_.memory.Pin(address, kPageSize);
  if (address.PageOffset() != 0 || page.empty()) {
    return false;
  }
  const GuestWidth width = ModeOf(vcpu).long_mode ? GuestWidth::k64 : GuestWidth::k32;
  parts_.domain.LatchWidth(width);
  if (parts_.intercepted) {
    BuildInterceptedPage(page.first<kPageSize>(), *parts_.intercepted);
  } else {
    BuildHypercallPage(page.first<kPageSize>(), width, kHypercallPorts);
  }
  LogDebug("hypercall page at {:#x}", address.value);
  return true;
}

void XenVcpu::OnIntercept(const XenHypercallExit& exit) {
  calls_.Add();
  HypercallFrame frame = FrameFromIntercept(exit.number, exit.args, exit.long_mode, exit.cpl);
  const CallResult result = Dispatch(frame);
  *exit.result = RaxOf(result, frame.width);
}

}  // namespace veneer
