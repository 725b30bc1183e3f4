// Whether a file is a qcow2 image that Veneer opens, after QEMU's docs/interop/qcow2.txt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "veneer/vmm/base/result.h"

namespace veneer {

// What the first bytes of an image say; a guest that had the file as a raw disk can have written
// them.
struct Qcow2Header {
  bool backing_file = false;
  bool encrypted = false;
  bool external_data = false;
  std::string backing_name;    // as it is written there
  std::string backing_format;  // empty: not written down
};

// Nothing for a file that cannot be read or is none.
std::optional<Qcow2Header> ReadQcow2Header(const std::string& path);

struct Qcow2Facts {
  std::uint32_t cluster_bytes = 65536;
  std::string raw_base;  // the path of the raw image that all of it is based on; empty: none
};

// Why QEMU does not open an image, whose format it calls `format`, and what to do. `complaint` is
// QEMU's.
tl::unexpected<Error> RefusedByQemu(const std::string& disk, std::string_view format,
                                    const std::string& complaint);

// Looks at the image and all that it is based on, with Debian's qemu-img. UsageError for what is
// not opened: encryption, external data files, backing files that are missing, of formats other
// than raw and qcow2, or of none that the image names, or that were changed later than what is
// based on them. Unless the user has said that it is qcow2
// (`named`), a backing file is refused too: a guest could otherwise read any file of the host's by
// writing a header to its raw disk.
Result<Qcow2Facts> CheckQcow2(const std::string& path, bool named);

}  // namespace veneer
