// Any code, in any state of the vCPU, through the assists: whatever they make of it, the process
// survives, the host's own FPU settings stay, and guest state stays acceptable to KVM.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <fuzzer/FuzzedDataProvider.h>

#include "support/scripted_vcpu.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/pvm/pvm_assists.h"

namespace veneer {
namespace {

constexpr std::uint64_t kMemorySize = 4U << 20U;
constexpr Gpa kTables{0x100000};
constexpr std::uint64_t kCode = 0xffffffff81000000;
constexpr Gpa kCodeGpa{0x10000};
constexpr std::uint64_t kData = 0xffff888000020000;
constexpr Gpa kDataGpa{0x20000};
constexpr std::size_t kDataPages = 4;
constexpr int kMaxExits = 16;

// Addresses with something behind them are rare among random ones.
std::uint64_t AnyValue(FuzzedDataProvider& input) {
  switch (input.ConsumeIntegralInRange(0, 3)) {
    case 0:
      return input.ConsumeIntegral<std::uint64_t>();
    case 1:
      return kData + input.ConsumeIntegralInRange<std::uint64_t>(0, kDataPages * kPageSize);
    case 2:
      return (kData & ~std::uint64_t{63}) +
             input.ConsumeIntegralInRange<std::uint64_t>(0, kDataPages * kPageSize / 64) * 64;
    default:
      return input.ConsumeIntegralInRange<std::uint64_t>(0, kMemorySize);
  }
}

Segment AnySegment(FuzzedDataProvider& input) {
  Segment segment;
  segment.base = AnyValue(input);
  segment.limit = input.ConsumeBool() ? 0xffffffff : input.ConsumeIntegral<std::uint32_t>();
  segment.selector = input.ConsumeIntegral<std::uint16_t>();
  segment.type = input.ConsumeIntegral<std::uint8_t>() & 15U;
  segment.dpl = input.ConsumeIntegral<std::uint8_t>() & 3U;
  return segment;
}

void SetSystem(FuzzedDataProvider& input, ScriptedVcpu& vcpu) {
  SystemRegisters& system = vcpu.system;
  system.cr0 = kCr0ProtectedMode | kCr0Paging | kCr0WriteProtect | kCr0NumericError;
  system.cr3 = kTables.value;
  system.cr4 = kCr4PhysicalAddressExtension | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Osxsave;
  system.efer = kEferLongModeEnable | kEferLongModeActive | kEferNoExecute | kEferSyscall;
  system.cs.selector = 0x10;
  system.cs.long_mode = true;
  if (!input.ConsumeBool()) {
    return;
  }
  system.cr0 ^= input.ConsumeIntegral<std::uint32_t>() & input.ConsumeIntegral<std::uint32_t>();
  system.cr2 = AnyValue(input);
  system.cr3 = input.ConsumeBool() ? AnyValue(input) : system.cr3;
  system.cr4 ^= input.ConsumeIntegral<std::uint32_t>() & input.ConsumeIntegral<std::uint32_t>();
  system.efer ^= input.ConsumeIntegral<std::uint32_t>() & input.ConsumeIntegral<std::uint32_t>();
  system.cs = AnySegment(input);
  system.cs.long_mode = input.ConsumeBool();
  system.cs.default_size = input.ConsumeBool();
  for (Segment* segment : {&system.ds, &system.es, &system.ss, &system.fs, &system.gs}) {
    *segment = AnySegment(input);
  }
}

void SetRegisters(FuzzedDataProvider& input, ScriptedVcpu& vcpu) {
  for (std::uint64_t& reg : vcpu.registers.gpr) {
    reg = AnyValue(input);
  }
  vcpu.registers.rip = input.ConsumeBool()
                           ? kCode + (input.ConsumeIntegral<std::uint16_t>() % kPageSize)
                           : AnyValue(input);
  vcpu.registers.rflags = input.ConsumeIntegral<std::uint32_t>();
}

void SetFpu(FuzzedDataProvider& input, ScriptedVcpu& vcpu) {
  const auto bytes = input.ConsumeBytes<std::uint8_t>(
      input.ConsumeIntegralInRange<std::size_t>(0, vcpu.xsave.size()));
  std::ranges::copy(std::as_bytes(std::span(bytes)), vcpu.xsave.begin());
  vcpu.xcr0 = input.ConsumeIntegral<std::uint8_t>();
}

VcpuExit AnyExit(FuzzedDataProvider& input, std::uint64_t& msr, std::uint8_t& fault,
                 const ScriptedVcpu& vcpu) {
  switch (input.ConsumeIntegralInRange(0, 7)) {
    case 0:
      msr = AnyValue(input);
      return MsrExit{kPvmAssistMsr, input.ConsumeBool(), &msr, &fault};
    case 1:
      return DebugExit{input.ConsumeBool() ? vcpu.registers.rip : AnyValue(input),
                       input.ConsumeIntegral<std::uint64_t>(), 1};
    case 2:
      return InterruptedExit{};
    default: {
      EmulationFailureExit failure{};
      failure.length = input.ConsumeIntegral<std::uint8_t>();
      const auto bytes = input.ConsumeBytes<std::uint8_t>(failure.bytes.size());
      std::ranges::copy(bytes, failure.bytes.begin());
      return failure;
    }
  }
}

void CheckHostFpu() {
  std::uint32_t mxcsr = 0;
  std::uint16_t control = 0;
  asm volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(control));
  VENEER_CHECK((mxcsr & 0xffc0U) == 0x1f80 && control == 0x37f);
}

void BuildTables(FuzzedDataProvider& input, GuestMemory& memory) {
  PageTableBuilder tables(memory, kTables);
  tables.Map(kCode, kCodeGpa, PageTableBuilder::kKernelCode);
  for (std::size_t i = 0; i < kDataPages; ++i) {
    const std::uint64_t flags =
        input.ConsumeBool() ? PageTableBuilder::kKernelData : input.ConsumeIntegral<std::uint8_t>();
    tables.Map(kData + i * kPageSize, kDataGpa + i * kPageSize, flags);
  }
  // Behind the data, an address without RAM.
  tables.Map(kData + kDataPages * kPageSize, Gpa{0xfee00000}, PageTableBuilder::kKernelData);
}

void Fuzz(FuzzedDataProvider& input) {
  auto memory = GuestMemory::CreateFlat(kMemorySize);
  VENEER_CHECK(memory.has_value());
  BuildTables(input, **memory);
  ScriptedVcpu vcpu(**memory);
  vcpu.msrs = {{kMsrStar, input.ConsumeIntegral<std::uint64_t>()},
               {kMsrLstar, 0},
               {kMsrSfmask, input.ConsumeIntegral<std::uint64_t>()},
               {0x10, 1},
               {0xc0000103, 2},
               {0xda0, input.ConsumeIntegral<std::uint16_t>()}};
  SetSystem(input, vcpu);
  SetRegisters(input, vcpu);
  SetFpu(input, vcpu);
  vcpu.system.idt = {kData + input.ConsumeIntegral<std::uint16_t>(),
                     input.ConsumeIntegral<std::uint16_t>()};
  const auto data =
      input.ConsumeBytes<std::uint8_t>(input.ConsumeIntegralInRange<std::size_t>(0, 2 * kPageSize));
  VENEER_CHECK((*memory)->WriteBytes(kDataGpa, std::as_bytes(std::span(data))));
  VENEER_CHECK((*memory)->WriteBytes(kCodeGpa, std::as_bytes(std::span(data))));
  Metrics metrics;
  const auto assists = MakePvmAssists(**memory, metrics);
  for (int i = 0; i < kMaxExits && input.remaining_bytes() > 0; ++i) {
    std::uint64_t msr = 0;
    std::uint8_t fault = 0;
    const VcpuExit exit = AnyExit(input, msr, fault, vcpu);
    const auto outcome = assists->OnExit(vcpu, exit);
    if (const auto* failure = std::get_if<EmulationFailureExit>(&exit);
        failure != nullptr && outcome == ExitHandler::Outcome::kNotMine) {
      VENEER_CHECK(!DescribeFailure(vcpu, **memory, *failure).empty());
    }
    CheckHostFpu();
  }
}

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  veneer::Fuzz(input);
  return 0;
}
