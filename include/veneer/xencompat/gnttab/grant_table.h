// The guest's grant table, after <xen/grant_table.h>: versions 1 and 2, the frames that hold it,
// the guest's operations, and mapping of grants by the back-ends.
//
// Thread-safe. One lock, which ranks above event channels and below xenstore; nothing is called
// back under it. Every entry is copied once and the copy checked; while a grant is mapped the
// checked copy counts, not what the guest writes there later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <tl/expected.hpp>

#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/xencompat/abi/xen_errno.h"
#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/gnttab/grant_status.h"
#include "veneer/xencompat/gnttab/pinned_grant.h"

namespace veneer {

class GrantTableState;

class GrantTable {
 public:
  static constexpr std::uint32_t kMaxFrames = 1024;

  struct Options {
    std::uint32_t max_frames = 64;           // of grant entries; status frames come on top
    std::uint32_t max_mappings = 1U << 17U;  // live PinnedGrants of all back-ends together
    bool version_2 = true;                   // without it set_version(2) says ENOSYS
  };

  // `memory` must outlive this object. UsageError for a max_frames of 0 or above kMaxFrames.
  static Result<std::unique_ptr<GrantTable>> Create(GuestMemory& memory, Metrics& metrics,
                                                    const Options& options);
  GrantTable(const GrantTable&) = delete;
  GrantTable& operator=(const GrantTable&) = delete;
  // All PinnedGrants must be gone.
  ~GrantTable();

  // ---- For back-ends, as domain 0.

  template <typename T>
  using Outcome = tl::expected<T, GrantStatus>;

  // kBadGntref: beyond the table. kGeneralError: not granted to domain 0, not with that access, a
  // transitive or sub-page grant. kBadPage: not RAM. kNoSpace: too many mappings. kEagain never.
  Outcome<PinnedGrant> Map(GrantRef ref, GrantAccess access);
  // All of `refs` or none, under one lock; on success `out` has as many more elements, in order.
  GrantStatus MapMany(std::span<const GrantRef> refs, GrantAccess access,
                      std::vector<PinnedGrant>& out);
  // Gives all of `grants` back under one lock and empties it.
  void ReleaseMany(std::vector<PinnedGrant>& grants);

  // Copies from a grant of the guest's without a lasting mapping; unlike Map() also for
  // version 2 sub-page grants. kBadCopyArg if the range leaves the page, kGeneralError if it leaves
  // what is granted.
  GrantStatus CopyFrom(GrantRef ref, std::uint32_t offset, std::span<std::byte> out);

  // What a toolstack does for entries 0 (console) and 1 (xenstore): grants `frame` to domain 0.
  // CHECKs that `ref` is one of the reserved entries. Before the guest runs.
  void SeedReserved(GrantRef ref, Gfn frame);

  // A new guest begins: one empty frame of version 1, mapped nowhere. CHECKs that nothing is in
  // use: no PinnedGrant is left, and no vCPU runs. The caller has taken the frames off the guest's
  // memory.
  void StartOver();

  // Live PinnedGrants.
  std::uint32_t mappings() const;

  // ---- XENMEM_add_to_physmap, space grant_table.

  struct Frame {
    const SharedPages* pages = nullptr;  // what to lay over the guest's frame, together with
    std::size_t index = 0;               // this page of it
    std::optional<Gfn> mapped_at;        // where it is now; the caller takes it away from there
  };
  // Frame `idx` (with XENMAPIDX_grant_table_status: a status frame), growing the table if it is the
  // first use. EINVAL beyond the limits, and for a status frame while version 1 is in use.
  XenResult<Frame> FrameForPhysmap(std::uint64_t idx);
  // Notes that frame `idx` is now at `gfn` (nullopt: nowhere), for setup_table. The page must
  // have come from FrameForPhysmap(idx).
  void NoteMapped(std::uint64_t idx, std::optional<Gfn> gfn);
  // Notes that whatever frame was at `gfn` is gone from there (remove_from_physmap). True if one
  // was.
  bool NoteUnmapped(Gfn gfn);

  // ---- The guest's operations (GNTTABOP_*), one element each. `dom` values come straight from the
  // guest.

  struct Size {
    GrantStatus status = GrantStatus::kOkay;
    std::uint32_t frames = 0;
    std::uint32_t max_frames = 0;
  };
  Size QuerySize(std::uint16_t dom) const;

  struct FrameList {
    GrantStatus status = GrantStatus::kOkay;
    // What to write to frame_list: frame numbers, all-ones for a frame not mapped anywhere.
    std::vector<std::uint64_t> frames;
  };
  // At least `frames` frames; EINVAL is the caller's for a count other than 1.
  FrameList SetupTable(std::uint16_t dom, std::uint32_t frames);
  FrameList GetStatusFrames(std::uint16_t dom, std::uint32_t frames);

  // The version in use afterwards; the entries are cleared but for the reserved ones. EINVAL,
  // ENOSYS (2 not offered), EBUSY (entries in use), EAGAIN (a copy of part of a page under way),
  // ERANGE (reserved entries that version 1 cannot express). Status frames stay where they are
  // mapped.
  XenResult<std::uint32_t> SetVersion(std::uint32_t version);
  // EPERM or ESRCH for another domain.
  XenResult<std::uint32_t> GetVersion(std::uint16_t dom) const;

  // Fills status (and handle): the guest can map nobody's grants, because domain 0 grants nothing.
  void MapGrantRef(gnttab_map_grant_ref& op) const;
  void UnmapGrantRef(gnttab_unmap_grant_ref& op) const;
  void UnmapAndReplace(gnttab_unmap_and_replace& op) const;
  // `source` and `dest` frames as the 64-bit layout has them. Fills status.
  void Copy(gnttab_copy& op);
  GrantStatus SwapGrantRef(GrantRef a, GrantRef b);
  XenResult<void> CacheFlush(const gnttab_cache_flush& op) const;

 private:
  friend class PinnedGrant;
  friend class PinnedGrants;
  explicit GrantTable(std::unique_ptr<GrantTableState> state);
  void Unmap(GrantRef ref, GrantAccess access);
  // All of `refs` or none; `pages` gets as many addresses.
  GrantStatus MapPages(std::span<const GrantRef> refs, GrantAccess access,
                       std::span<std::byte*> pages);
  void UnmapPages(std::span<const GrantRef> refs, GrantAccess access);

  std::unique_ptr<GrantTableState> state_;
};

}  // namespace veneer
