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
  // `instructions` tells how many instructions were interpreted so far.
  BootMilestones(const Clock& clock, std::function<std::uint64_t()> instructions);

  // The first vCPU is about to run.
  void Start();
  // Console output, in any pieces.
  void OnOutput(std::span<const std::byte> output);
  std::vector<Milestone> Reached() const;

 private:
  void Mark(std::string_view name) REQUIRES(mutex_);

  const Clock& clock_;
  const std::function<std::uint64_t()> instructions_;
  mutable Mutex mutex_;
  std::uint64_t start_ns_ GUARDED_BY(mutex_) = 0;
  std::string line_ GUARDED_BY(mutex_);
  std::vector<Milestone> reached_ GUARDED_BY(mutex_);
};

}  // namespace veneer
