// Where QEMU's locks on an image file are (block/file-posix.c): byte kImageUsed + n is locked by
// who does n with the image, byte kImageNotShared + n by who wants nobody else to.
#pragma once

#include <sys/types.h>

namespace veneer {

inline constexpr off_t kImageUsed = 100;
inline constexpr off_t kImageNotShared = 200;
inline constexpr off_t kImageLocksEnd = 300;

}  // namespace veneer
