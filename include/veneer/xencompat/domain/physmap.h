// Which of the guest's frames hold what: its RAM, what ballooning has taken out or memory hotplug
// has added, and the pages of ours (shared_info, grant table) that are laid over it (xen/memory.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/xencompat/abi/xen_errno.h"
#include "veneer/xencompat/gnttab/grant_table.h"

namespace veneer {

// Thread-safe; one lock, above the grant table's.
class Physmap {
 public:
  // `ram`: the parts of `memory` that are the guest's RAM, page-aligned; `memory` may hold more
  // (the platform device's BAR1), where only pages of ours can be mapped, and room, which becomes
  // RAM where the guest populates it. All must outlive this.
  Physmap(GuestMemory& memory, const SharedPages& shared_info, GrantTable& grants,
          std::span<const GuestMemory::Range> ram);
  Physmap(const Physmap&) = delete;
  Physmap& operator=(const Physmap&) = delete;
  // Takes all pages of ours away from `memory`.
  ~Physmap();

  // XENMEM_add_to_physmap. Lays one of our pages at `gfn`, taking it away from where it was.
  // EINVAL for an `index` that does not exist or a frame that cannot hold it, ENOMEM if the host
  // refuses.
  XenResult<void> MapSharedInfo(std::uint64_t index, Gfn gfn);
  XenResult<void> MapGrantFrame(std::uint64_t index, Gfn gfn);
  // XENMEM_remove_from_physmap: whatever is at `gfn` goes, RAM back to the host. ENOENT if nothing
  // is there.
  XenResult<void> Remove(Gfn gfn);

  // XENMEM_decrease_reservation, one frame: as Remove(). False if nothing is there.
  bool Release(Gfn gfn);
  // XENMEM_populate_physmap, one frame: gives it zeroed RAM (where the memory has grown, what the
  // guest itself has written there before stays). False where RAM cannot be, or when the
  // reservation is used up.
  bool Populate(Gfn gfn);

  // A new guest begins, with the memory of the old one: no page of ours is in it any more, and all
  // that ballooning has taken out of the RAM that a guest boots with is RAM again. What has been
  // added stays: the new kernel may lie there, and adds it anew. No vCPU runs meanwhile.
  void StartOver();

  bool IsRam(Gfn gfn) const;

  std::uint64_t populated_pages() const;
  // The most that Populate() will go to; at first all of the RAM.
  std::uint64_t maximum_pages() const;
  void SetMaximum(std::uint64_t pages);
  Gfn HighestFrame() const;

 private:
  enum class Special { kSharedInfo, kGrantFrame };
  struct Run {
    Gfn first;
    std::uint64_t pages = 0;
    std::vector<bool> removed;
    bool added = false;  // by hotplug, all of it removed at first
    bool fresh = false;  // nothing has been taken out of it since
  };
  // All with `mutex_` held.
  std::optional<Gfn> FindSharedInfo() const REQUIRES(mutex_);
  // Null if `gfn` is no frame for RAM.
  Run* FindRun(Gfn gfn) REQUIRES(mutex_);
  const Run* FindRun(Gfn gfn) const REQUIRES(mutex_);
  // The same, after the memory has grown by it if it can.
  Run* FindOrAddRun(Gfn gfn) REQUIRES(mutex_);
  bool RemoveSpecial(Gfn gfn) REQUIRES(mutex_);
  void RemoveSpecials() REQUIRES(mutex_);
  XenResult<void> Lay(Gfn gfn, const SharedPages& pages, std::size_t index, Special kind)
      REQUIRES(mutex_);
  bool TakeOut(Gfn gfn) REQUIRES(mutex_);

  GuestMemory& memory_;
  const SharedPages& shared_info_;
  GrantTable& grants_;

  mutable Mutex mutex_;
  Gfn highest_ GUARDED_BY(mutex_);
  std::map<Gfn, Run> runs_ GUARDED_BY(mutex_);  // by their first frame
  // Bounded: each page of ours is at one place at most.
  std::map<Gfn, Special> specials_ GUARDED_BY(mutex_);
  std::uint64_t populated_ GUARDED_BY(mutex_) = 0;
  std::uint64_t maximum_ GUARDED_BY(mutex_) = 0;
};

}  // namespace veneer
