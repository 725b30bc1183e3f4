#include "milestones.h"

#include <algorithm>
#include <utility>

namespace veneer {
namespace {

struct Marker {
  std::string_view text;
  std::string_view name;
};

// In the order in which Linux prints them.
constexpr Marker kMarkers[] = {
    {"Linux version ", "console"},
    {"smp: Brought up", "smp"},
    {"Run /init as init process", "init"},
};
constexpr std::size_t kMaxLine = 256;  // bytes; longer lines are looked at by their beginning

}  // namespace

BootMilestones::BootMilestones(const Clock& clock, std::function<std::uint64_t()> instructions,
                               std::function<void(const Milestone&)> on_reached)
    : clock_(clock), instructions_(std::move(instructions)), on_reached_(std::move(on_reached)) {}

void BootMilestones::Start() {
  const MutexLock lock(mutex_);
  start_ns_ = clock_.MonotonicNs();
}

void BootMilestones::OnOutput(std::span<const std::byte> output) {
  for (const Milestone& milestone : Look(output)) {
    if (on_reached_) {
      on_reached_(milestone);
    }
  }
}

std::vector<Milestone> BootMilestones::Look(std::span<const std::byte> output) {
  const MutexLock lock(mutex_);
  std::vector<Milestone> reached;
  if (reached_.size() == std::size(kMarkers)) {
    return reached;
  }
  for (const std::byte byte : output) {
    const char c = static_cast<char>(byte);
    if (c != '\n') {
      if (line_.size() < kMaxLine) {
        line_.push_back(c);
      }
      continue;
    }
    for (const Marker& marker : kMarkers) {
      if (line_.find(marker.text) != std::string::npos && Mark(marker.name)) {
        reached.push_back(reached_.back());
      }
    }
    line_.clear();
  }
  return reached;
}

bool BootMilestones::Mark(std::string_view name) {
  const bool seen = std::any_of(reached_.begin(), reached_.end(),
                                [&](const Milestone& milestone) { return milestone.name == name; });
  if (!seen) {
    reached_.push_back(
        Milestone{std::string(name), clock_.MonotonicNs() - start_ns_, instructions_()});
  }
  return !seen;
}

std::vector<Milestone> BootMilestones::Reached() const {
  const MutexLock lock(mutex_);
  return reached_;
}

}  // namespace veneer
