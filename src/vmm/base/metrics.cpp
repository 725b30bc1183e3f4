#include "veneer/vmm/base/metrics.h"

namespace veneer {

Counter& Metrics::Get(std::string_view name) {
  const MutexLock lock(mutex_);
  auto it = counters_.find(name);
  if (it == counters_.end()) {
    it = counters_.emplace(std::string(name), std::make_unique<Counter>()).first;
  }
  return *it->second;
}

std::map<std::string, std::uint64_t> Metrics::Snapshot() const {
  const MutexLock lock(mutex_);
  std::map<std::string, std::uint64_t> values;
  for (const auto& [name, counter] : counters_) {
    values.emplace(name, counter->value());
  }
  return values;
}

}  // namespace veneer
