// Locks on an image as QEMU takes them (block/file-posix.c), so that Veneer, QEMU and qemu-img see
// each other: a lock on one byte says what its holder does with the image, a lock on another what
// it does not want others to do.
#pragma once

#include <string>

#include "veneer/vmm/base/result.h"

namespace veneer {

// `file` is open for reading at least, and holds the locks until UnlockImage(), or until nobody has
// it open any more. A reader shares the image with other readers, a writer with readers that do not
// mind. UsageError if somebody else uses the image in a way that does not go with that; `disk` is
// what messages call it.
Result<void> LockImage(int file, bool readonly, const std::string& disk);
// At once, even if the kernel keeps the file a while longer.
void UnlockImage(int file);

}  // namespace veneer
