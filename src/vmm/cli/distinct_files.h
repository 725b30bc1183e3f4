// Files that are written while a guest runs must be nothing else that it needs.
#pragma once

#include "run_options.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

// UsageError if what one option has written (--serial, --console, --log-file, --metrics, pcap=) is
// the same file or block device as what another option names. Other devices, FIFOs and sockets may
// be named twice. Before any of them is opened for writing.
Result<void> CheckDistinctFiles(const RunOptions& options);

}  // namespace veneer
