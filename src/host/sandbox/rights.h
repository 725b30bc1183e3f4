// What a thread may do beyond its user's ordinary rights.
#pragma once

#include "veneer/vmm/base/result.h"

namespace veneer {

// capabilities(7) that the calling thread keeps; it gains none. `taps`, `files`: those that making
// taps and opening others' files take.
struct KeptRights {
  bool taps = false;
  bool ports = false;  // below 1024
  bool files = false;
};
Result<void> DropRights(const KeptRights& kept);

// Whether the calling thread can make taps.
bool CanMakeTaps();

// For the calling thread and what it starts: no program gives it rights, such as by set-user-ID.
Result<void> RefuseNewRights();

// No image of this process's memory, with the guest's in it, is left behind by a crash.
void ForbidCoreFiles();

}  // namespace veneer
