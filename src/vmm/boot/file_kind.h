// Names what a file that is no kernel seems to be, for a helpful message.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace veneer {

// `head` is the file's first few hundred bytes. "an ARM64 kernel", "an initramfs (cpio archive)",
// ..., or "nothing that looks like a kernel".
std::string_view DescribeFile(std::span<const std::byte> head);

}  // namespace veneer
