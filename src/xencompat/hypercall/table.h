// One row per operation of every hypercall.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "call.h"
#include "veneer/vmm/base/metrics.h"

namespace veneer {

// A hypercall without operations, or one that sorts them out itself.
inline constexpr std::uint64_t kNoOperation = std::numeric_limits<std::uint64_t>::max();

struct HypercallRow {
  std::uint32_t number;
  std::uint64_t operation;
  const char* name;
  Handler handler;
};

// One function per family, next to its handlers.
std::span<const HypercallRow> ConsoleRows();
std::span<const HypercallRow> EventChannelRows();
std::span<const HypercallRow> GrantTableRows();
std::span<const HypercallRow> HvmRows();
std::span<const HypercallRow> MemoryRows();
std::span<const HypercallRow> MulticallRows();
std::span<const HypercallRow> PhysdevRows();
std::span<const HypercallRow> PmuRows();
std::span<const HypercallRow> SchedRows();
std::span<const HypercallRow> TimerRows();
std::span<const HypercallRow> VcpuRows();
std::span<const HypercallRow> VersionRows();
std::span<const HypercallRow> VmAssistRows();

// Immutable, thread-safe.
class HypercallTable {
 public:
  explicit HypercallTable(Metrics& metrics);
  // Runs the call that `call.frame` describes, without looking at its CPL. ENOSYS, counted, if
  // there is no such number or operation.
  CallResult Run(Call& call) const;

 private:
  struct Operation {
    std::uint64_t operation;
    Handler handler;
    Counter* count;
  };
  void Add(std::span<const HypercallRow> rows, Metrics& metrics);
  const Operation* Find(const HypercallFrame& frame) const;

  // By number; a number has a dozen operations at most.
  std::vector<std::vector<Operation>> numbers_;
  Counter& unknown_;
};

// Which operation a frame asks for: Xen declares the register as an int for some, as a long for
// others.
std::uint64_t OperationOf(const HypercallFrame& frame);

}  // namespace veneer
