// A vCPU without a hypervisor: its state lies open, its exits come from a script, and its memory is
// ordinary GuestMemory with page tables that a test can build.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "veneer/vmm/base/check.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/vcpu/registers.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// Builds 4-level page tables (Intel SDM vol. 3, 4.5) in guest memory.
class PageTableBuilder {
 public:
  static constexpr std::uint64_t kPresent = 1U << 0;
  static constexpr std::uint64_t kWritable = 1U << 1;
  static constexpr std::uint64_t kUser = 1U << 2;
  static constexpr std::uint64_t kAccessed = 1U << 5;
  static constexpr std::uint64_t kDirty = 1U << 6;
  static constexpr std::uint64_t kNoExecute = std::uint64_t{1} << 63;
  static constexpr std::uint64_t kKernelData = kPresent | kWritable | kNoExecute;
  static constexpr std::uint64_t kKernelCode = kPresent;

  // Tables are put from `first_table` (page-aligned) upwards.
  PageTableBuilder(GuestMemory& memory, Gpa first_table)
      : memory_(memory), root_(first_table), next_(first_table + kPageSize) {}

  Gpa root() const { return root_; }

  // Maps one page with `flags` in its last entry; the levels above allow everything.
  void Map(std::uint64_t linear, Gpa gpa, std::uint64_t flags) {
    VENEER_CHECK(memory_.Write(EntryFor(linear), gpa.PageBase().value | flags));
  }

  // Where the last-level entry of `linear` lies; makes the tables on the way.
  Gpa EntryFor(std::uint64_t linear) {
    Gpa table = root_;
    for (unsigned level = 4; level > 1; --level) {
      const Gpa entry = table + Index(linear, level) * 8;
      std::uint64_t value = memory_.Read<std::uint64_t>(entry).value();
      if ((value & kPresent) == 0) {
        value = next_.value | kPresent | kWritable | kUser;
        next_ = next_ + kPageSize;
        VENEER_CHECK(memory_.Write(entry, value));
      }
      table = Gpa{value & 0x000ffffffffff000};
    }
    return table + Index(linear, 1) * 8;
  }

  std::uint64_t Entry(std::uint64_t linear) {
    return memory_.Read<std::uint64_t>(EntryFor(linear)).value();
  }

 private:
  static std::uint64_t Index(std::uint64_t linear, unsigned level) {
    return linear >> (kPageShift + (level - 1) * 9) & 0x1ff;
  }

  GuestMemory& memory_;
  Gpa root_;
  Gpa next_;
};

// Not thread-safe, Kick() included.
class ScriptedVcpu final : public Vcpu {
 public:
  explicit ScriptedVcpu(GuestMemory& memory, unsigned id = 0) : memory_(memory), id_(id) {}

  // The state. Tests change it as they like.
  Registers registers;
  SystemRegisters system;
  XsaveArea xsave{};
  std::uint64_t xcr0 = 7;
  std::map<std::uint32_t, std::uint64_t> msrs;
  // What the script returns, in order; afterwards InterruptedExit.
  std::deque<VcpuExit> exits;
  std::function<void()> on_run;  // what happens meanwhile
  // Whether the host takes new state.
  bool accepts_system_registers = true;
  bool accepts_xsave = true;
  bool accepts_interrupts = true;
  bool accepts_xen = true;
  bool accepts_await = true;

  // What was done to it.
  std::optional<Exception> injected;
  std::vector<std::uint8_t> interrupts;
  int nmis = 0;
  bool runnable = false;
  int stops_noted = 0;
  bool awaits_startup = false;
  std::map<XenAttribute, std::uint64_t> xen;
  std::optional<XenRunstate> xen_runstate;
  std::vector<GuestDebug> debug_settings;
  InterruptState interrupt_state;
  std::vector<SystemRegisters> system_settings;
  int xsave_reads = 0;
  int kicks = 0;
  // Like KVM, which queues #UD when its emulator fails and drops it when registers are set.
  bool queued_undefined = false;

  unsigned id() const override { return id_; }
  VcpuExit Run() override {
    if (on_run) {
      on_run();
    }
    if (exits.empty()) {
      return InterruptedExit{};
    }
    VcpuExit exit = exits.front();
    exits.pop_front();
    if (std::holds_alternative<EmulationFailureExit>(exit)) {
      queued_undefined = true;
    }
    return exit;
  }
  void Kick() override { ++kicks; }

  Registers GetRegisters() override { return registers; }
  void SetRegisters(const Registers& value) override {
    registers = value;
    queued_undefined = false;
  }
  SystemRegisters GetSystemRegisters() override { return system; }
  bool SetSystemRegisters(const SystemRegisters& value) override {
    if (accepts_system_registers) {
      system = value;
      system_settings.push_back(value);
    }
    return accepts_system_registers;
  }
  XsaveArea GetXsave() override {
    ++xsave_reads;
    return xsave;
  }
  bool SetXsave(const XsaveArea& area) override {
    if (accepts_xsave) {
      xsave = area;
    }
    return accepts_xsave;
  }
  std::uint64_t GetXcr0() override { return xcr0; }
  bool SetXcr0(std::uint64_t value) override {
    // x87 is always on, and AVX needs SSE.
    const bool valid = (value & 1U) != 0 && (value & 6U) != 4 && (value & ~std::uint64_t{7}) == 0;
    if (valid) {
      xcr0 = value;
    }
    return valid;
  }
  std::optional<std::uint64_t> GetMsr(std::uint32_t index) override {
    const auto found = msrs.find(index);
    return found == msrs.end() ? std::nullopt : std::optional(found->second);
  }
  bool SetMsr(std::uint32_t index, std::uint64_t value) override {
    const auto found = msrs.find(index);
    if (found == msrs.end()) {
      return false;
    }
    found->second = value;
    return true;
  }

  // Walks 4-level tables when paging is on.
  std::optional<Gpa> Translate(std::uint64_t linear) override {
    if ((system.cr0 & kCr0Paging) == 0) {
      return Gpa{linear};
    }
    std::uint64_t table = system.cr3;
    for (unsigned level = 4; level > 0; --level) {
      const std::uint64_t index = linear >> (kPageShift + (level - 1) * 9) & 0x1ff;
      const auto entry = memory_.Read<std::uint64_t>(Gpa{table + index * 8});
      if (!entry || (*entry & PageTableBuilder::kPresent) == 0) {
        return std::nullopt;
      }
      table = *entry & 0x000ffffffffff000;
    }
    return Gpa{table | (linear & (kPageSize - 1))};
  }

  void InjectException(const Exception& exception) override { injected = exception; }
  bool InjectInterrupt(std::uint8_t vector) override {
    if (accepts_interrupts) {
      interrupts.push_back(vector);
    }
    return accepts_interrupts;
  }
  void InjectNmi() override { ++nmis; }
  void MakeRunnable() override { runnable = true; }
  void NoteStopped() override { ++stops_noted; }
  void SetGuestDebug(const GuestDebug& debug) override { debug_settings.push_back(debug); }
  InterruptState GetInterruptState() override { return interrupt_state; }
  bool AwaitStartup() override {
    awaits_startup = accepts_await;
    return accepts_await;
  }
  bool AwaitsStartup() override { return awaits_startup; }
  bool SetXen(XenAttribute attribute, std::uint64_t value) override {
    if (accepts_xen) {
      xen[attribute] = value;
    }
    return accepts_xen;
  }
  std::optional<XenRunstate> GetXenRunstate() override { return xen_runstate; }

 private:
  GuestMemory& memory_;
  unsigned id_;
};

}  // namespace veneer
