// Numbers: AMD APM vol. 2, 13.2; CPUID leaf 0x80000001, ECX, and leaf 0xa, EAX.
#include "absent_pmu.h"

namespace veneer {
namespace {

constexpr MsrRange kCounters{.first = 0xc0010000, .count = 8, .reads = true, .writes = true};
constexpr std::uint32_t kExtendedCounters = 1U << 23U;

bool IsCounter(const MsrExit& exit) {
  return exit.index >= kCounters.first && exit.index - kCounters.first < kCounters.count;
}

}  // namespace

std::vector<MsrRange> AbsentPmuMsrs(const CpuidTable& supported, bool pmu) {
  CpuidTable table = supported;
  const CpuidLeaf* architectural = FindLeaf(table, 0xa);
  const CpuidLeaf* extended = FindLeaf(table, 0x80000001);
  const bool shown = (architectural != nullptr && (architectural->eax & 0xffU) != 0) ||
                     (extended != nullptr && (extended->ecx & kExtendedCounters) != 0);
  return pmu || shown ? std::vector<MsrRange>() : std::vector{kCounters};
}

ExitHandler::Outcome AbsentPmu::OnExit(Vcpu& /*vcpu*/, const VcpuExit& exit) {
  const auto* msr = std::get_if<MsrExit>(&exit);
  if (msr == nullptr || !IsCounter(*msr)) {
    return Outcome::kNotMine;
  }
  if (!msr->write) {
    *msr->value = 0;
  }
  *msr->fault = 0;
  return Outcome::kHandled;
}

}  // namespace veneer
