// Notices where a Linux guest is in its boot, by what it prints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/machine/machine.h"

namespace veneer {

// Thread-safe.
class BootMilestones {
 public:
  // `instructions` tells how many instructions were interpreted so far. `on_reached` is called by
  // OnOutput(), without a lock; may be null.
  BootMilestones(const Clock& clock, std::function<std::uint64_t()> instructions,
                 std::function<void(const Milestone&)> on_reached = nullptr);

  // The first vCPU is about to run.
  void Start();
  // Console output, in any pieces.
  void OnOutput(std::span<const std::byte> output);
  std::vector<Milestone> Reached() const;

 private:
  // Those that the output has brought.
  std::vector<Milestone> Look(std::span<const std::byte> output);
  // Whether it is new.
  bool Mark(std::string_view name) REQUIRES(mutex_);

  const Clock& clock_;
  const std::function<std::uint64_t()> instructions_;
  const std::function<void(const Milestone&)> on_reached_;
  mutable Mutex mutex_;
  std::uint64_t start_ns_ GUARDED_BY(mutex_) = 0;
  std::string line_ GUARDED_BY(mutex_);
  std::vector<Milestone> reached_ GUARDED_BY(mutex_);
};

}  // namespace veneer
