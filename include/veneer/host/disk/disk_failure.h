// A disk that failed, and what its user wants done then (on-error).
#pragma once

#include <cerrno>
#include <functional>
#include <string>

#include "veneer/host/disk/disk_config.h"
#include "veneer/host/disk/disk_image.h"

namespace veneer {

struct DiskFailure {
  std::string sentence;  // "disk xvda ('a.img'): writing failed: No space left on device"
  DiskOnError wanted = DiskOnError::kReport;  // never kReport
};

// Called on any thread, for each operation that failed; must not wait.
using DiskFailureReceiver = std::function<void(const DiskFailure&)>;

// Whether on-error speaks of this errno value.
inline bool IsDiskFailure(int error) { return error == ENOSPC || error == EIO; }

// What a failed operation is called in sentences about `disk`.
std::string DescribeDiskFailure(const std::string& disk, DiskAction action, int error);

}  // namespace veneer
