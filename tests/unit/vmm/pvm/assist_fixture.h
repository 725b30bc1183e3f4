// A 64-bit kernel's vCPU with a page of code and three of data, and an instruction assist on it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "src/vmm/pvm/fpu_state.h"
#include "src/vmm/pvm/instruction_assist.h"
#include "support/scripted_vcpu.h"

namespace veneer {

class AssistFixture : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kCode = 0xffffffff81000000;
  static constexpr std::uint64_t kData = 0xffff888000020000;  // three pages, the next not mapped
  static constexpr std::uint64_t kDataEnd = kData + 3 * kPageSize;
  static constexpr Gpa kCodeGpa{0x10000};
  // The three data pages lie in reverse order, so that crossing one shows.
  static constexpr std::array<Gpa, 3> kDataGpa = {Gpa{0x22000}, Gpa{0x21000}, Gpa{0x20000}};
  static constexpr std::uint64_t kKernelFlags = kRflagsInterrupt | 2;

  using Outcome = ExitHandler::Outcome;
  using Bytes = std::vector<std::uint8_t>;

  void SetUp() override {
    auto memory = GuestMemory::CreateFlat(4U << 20U);
    ASSERT_TRUE(memory);
    memory_ = std::move(*memory);
    tables_.emplace(*memory_, Gpa{0x100000});
    vcpu_.emplace(*memory_);
    assist_.emplace(*memory_, metrics_);
    tables_->Map(kCode, kCodeGpa, PageTableBuilder::kKernelCode);
    for (std::size_t i = 0; i < kDataGpa.size(); ++i) {
      tables_->Map(kData + i * kPageSize, kDataGpa.at(i), PageTableBuilder::kKernelData);
    }
    vcpu_->registers.rip = kCode;
    vcpu_->registers.rflags = kKernelFlags;
    SystemRegisters& system = vcpu_->system;
    system.cr0 = kCr0ProtectedMode | kCr0Paging | kCr0WriteProtect | kCr0NumericError;
    system.cr3 = tables_->root().value;
    system.cr4 =
        kCr4PhysicalAddressExtension | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Osxsave | kFsGsBase;
    system.efer = kEferLongModeEnable | kEferLongModeActive | kEferNoExecute | kEferSyscall;
    system.cs.selector = 0x10;
    system.cs.long_mode = true;
    StoreField<std::uint32_t>(vcpu_->xsave, kFxMxcsr, kMxcsrReset);
    StoreField<std::uint16_t>(vcpu_->xsave, kFxControlWord, kControlWordReset);
    StoreField<std::uint64_t>(vcpu_->xsave, kXsaveStateBv, kXfeatureX87 | kXfeatureSse);
  }

  // KVM stops at `code`, placed at RIP, and says the bytes.
  Outcome Execute(const Bytes& code) {
    EmulationFailureExit exit{};
    std::copy(code.begin(), code.end(), exit.bytes.begin());
    exit.length = static_cast<std::uint8_t>(code.size());
    return Deliver(exit);
  }
  // The same, but KVM does not say the bytes.
  Outcome ExecuteFromMemory() { return Deliver(EmulationFailureExit{}); }

  Outcome Deliver(const EmulationFailureExit& exit) {
    vcpu_->exits.emplace_back(exit);
    const VcpuExit stop = vcpu_->Run();
    return assist_->OnExit(*vcpu_, stop);
  }

  // 32-bit protected mode without paging.
  void EnterProtectedMode() {
    SystemRegisters& system = vcpu_->system;
    system.cr0 = kCr0ProtectedMode | kCr0NumericError;
    system.efer = 0;
    system.cs.long_mode = false;
    system.cs.default_size = true;
    for (Segment* segment : {&system.cs, &system.ds, &system.es, &system.ss, &system.fs}) {
      segment->limit = 0xffffffff;
      segment->type = 3;
    }
    vcpu_->registers.rip = kCodeGpa.value;
  }

  void EnterUserMode() {
    vcpu_->system.cs.selector = 0x33;
    vcpu_->system.ss.dpl = 3;
  }

  // Where a linear data address lies.
  Gpa DataGpa(std::uint64_t linear) const {
    return kDataGpa.at((linear - kData) / kPageSize) + linear % kPageSize;
  }
  template <typename T>
  T Load(std::uint64_t linear) const {
    T value{};
    auto bytes = std::as_writable_bytes(std::span(&value, 1));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = memory_->Read<std::byte>(DataGpa(linear + i)).value();
    }
    return value;
  }
  template <typename T>
  void Store(std::uint64_t linear, const T& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      ASSERT_TRUE(memory_->Write(DataGpa(linear + i), bytes[i]));
    }
  }

  std::uint64_t& Gpr(Reg reg) { return vcpu_->registers[reg]; }
  bool Flag(std::uint64_t flag) const { return (vcpu_->registers.rflags & flag) != 0; }

  using Xmm = std::array<std::uint64_t, 2>;
  Xmm GetXmm(std::size_t number) const {
    return LoadField<Xmm>(vcpu_->xsave, kFxXmm + number * 16);
  }
  void SetXmm(std::size_t number, const Xmm& value) {
    StoreField<Xmm>(vcpu_->xsave, kFxXmm + number * 16, value);
  }

  // Nothing but RIP has moved, by `length`, and nothing is injected.
  void ExpectCompleted(std::uint64_t length) {
    EXPECT_EQ(vcpu_->registers.rip, kCode + length);
    EXPECT_FALSE(vcpu_->injected.has_value());
    EXPECT_FALSE(vcpu_->queued_undefined);
  }
  void ExpectFault(std::uint8_t vector, std::optional<std::uint32_t> error_code) {
    EXPECT_EQ(vcpu_->registers.rip, kCode);
    EXPECT_FALSE(vcpu_->queued_undefined);
    ASSERT_TRUE(vcpu_->injected.has_value());
    EXPECT_EQ(vcpu_->injected->vector, vector);
    EXPECT_EQ(vcpu_->injected->error_code, error_code);
  }
  void ExpectPageFault(std::uint32_t error_code, std::uint64_t address) {
    ExpectFault(14, error_code);
    EXPECT_EQ(vcpu_->system.cr2, address);
  }

  static constexpr std::uint64_t kFsGsBase = 1U << 16;

  Metrics metrics_;
  std::unique_ptr<GuestMemory> memory_;
  std::optional<PageTableBuilder> tables_;
  std::optional<ScriptedVcpu> vcpu_;
  std::optional<InstructionAssist> assist_;
};

}  // namespace veneer
