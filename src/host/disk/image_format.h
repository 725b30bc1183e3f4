// What the first bytes of a file say about the format of the disk image in it, after the probe
// functions of QEMU's block drivers.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "veneer/host/disk/disk_config.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

// All magic numbers lie in the first so many bytes, a sector of the smallest kind.
inline constexpr std::size_t kImageHeaderBytes = 512;

// A format other than raw. A guest that has the file as a raw disk can have written these bytes.
struct ImageFormat {
  DiskFormat format;
  std::string_view key;   // after format=, and what QEMU calls it
  std::string_view name;  // for messages, with its article
  // What may be done with such an image.
  enum class Use { kWrite, kReadOnly, kNothing } use;
};

std::span<const ImageFormat> ImageFormats();
// Null for raw and auto.
const ImageFormat* FindImageFormat(DiskFormat format);
// Null for what is in no format known here; `start` may be shorter than kImageHeaderBytes.
const ImageFormat* FindImageFormat(std::span<const std::byte> start);
// The same for a file or block device; null as well if it cannot be read. Does not wait.
const ImageFormat* ProbeImageFormat(const std::string& path);

// What a disk with format=auto is: a raw or a qcow2 image. UsageError for one of another format,
// which only the user may choose: taken for a raw disk, it would be overwritten.
Result<DiskFormat> DetectDiskFormat(const std::string& path);

}  // namespace veneer
