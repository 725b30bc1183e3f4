// How often the host's guests leave for KVM and for userspace, from the kernel's trace events.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "veneer/vmm/base/result.h"

namespace veneer::bench {

// By the processor's exit code (of SVM or VMX) and by KVM_EXIT_…, since a moment long ago.
struct ExitCounts {
  std::map<std::uint64_t, std::uint64_t> exits;
  std::map<std::uint64_t, std::uint64_t> to_userspace;

  std::uint64_t AllExits() const;
  std::uint64_t AllToUserspace() const;
};
// What has come since `before`.
ExitCounts operator-(const ExitCounts& after, const ExitCounts& before);

// Counts from Start() to its end. All guests of the host are counted.
class KvmExits {
 public:
  // HostError where the kernel has no trace events or this user may not have them.
  static Result<KvmExits> Start();
  KvmExits(KvmExits&& other) noexcept : folder_(std::move(other.folder_)) { other.folder_.clear(); }
  KvmExits& operator=(KvmExits&&) = delete;
  ~KvmExits();

  ExitCounts Read() const;

 private:
  explicit KvmExits(std::string folder) : folder_(std::move(folder)) {}

  std::string folder_;  // of KVM's events
};

// The name of an exit code of this host's processor, else its number.
std::string ExitName(std::uint64_t code);

}  // namespace veneer::bench
