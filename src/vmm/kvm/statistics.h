// KVM's binary statistics (Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD).
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace veneer::kvm {

// Adds the first value of each statistic behind `stats_fd` to `totals`, by name. Does nothing when
// the file cannot be read: statistics are a convenience.
void AddStatistics(int stats_fd, std::map<std::string, std::uint64_t>& totals);

}  // namespace veneer::kvm
