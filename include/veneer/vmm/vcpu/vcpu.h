// A virtual CPU as the rest of the VMM sees it: run it, look at why it stopped, change its state.
//
// Implemented over KVM in src/vmm/kvm; tests have a fake in tests/support.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/vcpu/registers.h"

namespace veneer {

// Port access. `data` holds `count` items of `size` bytes each (string instructions have more than
// one): the written values, or room for the values to be read. Valid until the next Run().
struct PioExit {
  std::uint16_t port;
  std::uint8_t size;  // bytes: 1, 2 or 4
  bool write;
  std::uint32_t count;
  std::span<std::byte> data;
};

// Memory access to an address without RAM. `data` as above, 1 to 8 bytes.
struct MmioExit {
  Gpa address;
  bool write;
  std::span<std::byte> data;
};

// RDMSR or WRMSR of a register that the MSR filter hands to us. Handle it by setting `*value`
// (read) and, if the guest shall get #GP, `*fault`.
struct MsrExit {
  std::uint32_t index;
  bool write;
  std::uint64_t* value;
  std::uint8_t* fault;
};

// MSRs whose accesses the filter hands to us.
struct MsrRange {
  std::uint32_t first = 0;
  std::uint32_t count = 1;
  bool reads = false;  // hand RDMSR to us
  bool writes = true;  // hand WRMSR to us
};

// KVM's instruction emulator met an instruction it does not know.
struct EmulationFailureExit {
  std::array<std::uint8_t, 15> bytes;  // from RIP on; valid bytes first
  std::uint8_t length;                 // how many bytes are valid; 0: KVM did not say
};

// A debug exception that the host asked for.
struct DebugExit {
  std::uint64_t rip;
  std::uint64_t dr6;
  std::uint32_t exception;  // vector: 1 #DB, 3 #BP
};

struct HaltExit {};         // HLT, only without an in-kernel local APIC
struct ShutdownExit {};     // triple fault
struct InterruptedExit {};  // Kick() or a signal

// A hypercall that KVM_XEN intercepted.
struct XenHypercallExit {
  std::uint64_t number;
  std::array<std::uint64_t, 6> args;
  bool long_mode;
  std::uint8_t cpl;
  std::uint64_t* result;
};

// What KVM's own Xen support (veneer/kvm/kernel_xen.h) keeps for one vCPU.
enum class XenAttribute {
  kVcpuId,        // the number by which hypercalls name it
  kVcpuInfo,      // guest-physical address of its vcpu_info, the clock in it included
  kVcpuInfoHost,  // the same for one in this process's memory
  kTimeInfo,      // guest-physical address of a second vcpu_time_info; kNowhere: none
  kRunstate,      // guest-physical address of a vcpu_runstate_info; kNowhere: none
  kTimerPort,     // port of VIRQ_TIMER: KVM answers the timer's hypercalls from now on; 0: no more
  kUpcallVector,  // vector at which its local APIC is interrupted for events; 0: none
};
inline constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

// As struct vcpu_runstate_info in xen/vcpu.h, ns of the guest's clock.
struct XenRunstate {
  std::uint64_t state = 0;
  std::uint64_t state_entry_time = 0;
  std::array<std::uint64_t, 4> time{};
};

// Anything that ends the machine; the text says what.
struct FatalExit {
  std::string reason;
};

// Where a vCPU stands with its interrupts.
struct InterruptState {
  enum class Activity {
    kRuns,
    kHalted,        // HLT
    kWaitsForInit,  // an AP that nobody has started, or that waits for its SIPI
    kOther,
  };
  Activity activity = Activity::kRuns;
  // Vectors by the local APIC's registers, the highest first.
  std::vector<std::uint8_t> requested;   // IRR
  std::vector<std::uint8_t> in_service;  // ISR
  std::uint8_t task_priority = 0;        // TPR
};

using VcpuExit = std::variant<InterruptedExit, PioExit, MmioExit, MsrExit, EmulationFailureExit,
                              DebugExit, HaltExit, ShutdownExit, XenHypercallExit, FatalExit>;

// What the host's debugger support shall do for this vCPU (KVM_SET_GUEST_DEBUG).
struct GuestDebug {
  bool single_step = false;
  // Execution breakpoints by linear address.
  std::optional<std::uint64_t> breakpoint;
};

// An exception to inject, delivered at the next Run().
struct Exception {
  std::uint8_t vector;
  std::optional<std::uint32_t> error_code;
};

// State calls belong to the vCPU's own thread, between two Run()s; Kick() to any thread.
// State calls on a live vCPU do not fail for reasons a guest can cause.
class Vcpu {
 public:
  virtual ~Vcpu() = default;
  virtual unsigned id() const = 0;  // 0 is the boot CPU

  virtual VcpuExit Run() = 0;
  // Makes the current or next Run() return InterruptedExit soon.
  virtual void Kick() = 0;

  virtual Registers GetRegisters() = 0;
  virtual void SetRegisters(const Registers& registers) = 0;
  virtual SystemRegisters GetSystemRegisters() = 0;
  // False if the state is not consistent enough for KVM.
  [[nodiscard]] virtual bool SetSystemRegisters(const SystemRegisters& registers) = 0;
  virtual XsaveArea GetXsave() = 0;
  [[nodiscard]] virtual bool SetXsave(const XsaveArea& area) = 0;
  // XCR0: which XSAVE components the guest has switched on.
  virtual std::uint64_t GetXcr0() = 0;
  [[nodiscard]] virtual bool SetXcr0(std::uint64_t value) = 0;
  // nullopt or false: no such MSR, or a value it does not take.
  virtual std::optional<std::uint64_t> GetMsr(std::uint32_t index) = 0;
  [[nodiscard]] virtual bool SetMsr(std::uint32_t index, std::uint64_t value) = 0;

  // The physical address behind a linear one in the guest's current page tables, whatever the
  // access rights; nullopt if it is not mapped.
  virtual std::optional<Gpa> Translate(std::uint64_t linear) = 0;

  virtual void InjectException(const Exception& exception) = 0;
  // Delivers an interrupt at the next Run() that the local APIC knows nothing of and that needs no
  // EOI. False, without effect, if the vCPU cannot take it now (interrupts off, or another event is
  // being delivered). Wakes a halted vCPU.
  [[nodiscard]] virtual bool InjectInterrupt(std::uint8_t vector) = 0;
  virtual void InjectNmi() = 0;
  // It goes on from its registers instead of waiting for a SIPI or an interrupt.
  virtual void MakeRunnable() = 0;
  // Has the guest's clock say that time has passed without the guest, so that its watchdogs do not
  // take a pause for a hang.
  virtual void NoteStopped() = 0;
  virtual void SetGuestDebug(const GuestDebug& debug) = 0;
  virtual InterruptState GetInterruptState() = 0;

  // As at power-on, for a vCPU but the first: runs nothing and takes no interrupt until another
  // sends it INIT and SIPI. False if KVM does not take it.
  [[nodiscard]] virtual bool AwaitStartup() = 0;
  // Whether it is so.
  virtual bool AwaitsStartup() = 0;

  // False if KVM does not take it.
  [[nodiscard]] virtual bool SetXen(XenAttribute attribute, std::uint64_t value) = 0;
  // nullopt if KVM keeps none.
  virtual std::optional<XenRunstate> GetXenRunstate() = 0;
};

// Looks at each exit before the machine does and deals with those it knows: what exists only
// because of how the host runs the guest (src/vmm/pvm), and Xen's hypercalls
// (src/vmm/machine). One per vCPU, on the vCPU's thread.
class ExitHandler {
 public:
  enum class Outcome {
    kNotMine,  // the machine handles the exit
    kHandled,  // run on
  };
  virtual ~ExitHandler() = default;
  virtual Outcome OnExit(Vcpu& vcpu, const VcpuExit& exit) = 0;
  // The vCPU is about to run.
  virtual void BeforeRun(Vcpu& vcpu) { static_cast<void>(vcpu); }
  // The vCPU goes on after it was held; before BeforeRun().
  virtual void AfterPause(Vcpu& vcpu) { static_cast<void>(vcpu); }
  // The vCPU has been taken from the guest: if it ever runs again, it is started anew.
  virtual void OnTaken(Vcpu& vcpu) { static_cast<void>(vcpu); }
};

}  // namespace veneer
