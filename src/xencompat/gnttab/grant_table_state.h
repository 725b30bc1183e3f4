// Everything behind GrantTable: frames, entries in use, and the lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "grant_entries.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/xencompat/gnttab/grant_table.h"

namespace veneer {

// Who a domain id of a grant operation means.
enum class GrantDomain { kGuest, kHost, kNone };
GrantDomain ChooseGrantDomain(std::uint16_t dom);
// For operations that only work on one's own table.
GrantStatus OwnTableOnly(std::uint16_t dom);

// A reference that somebody uses just now.
struct ActiveGrant {
  std::uint32_t readers = 0;
  std::uint32_t writers = 0;
  std::uint16_t domid = 0;
  GrantCopy copy;
  std::byte* page = nullptr;

  bool InUse() const { return readers + writers > 0; }
  std::uint32_t& UsersFor(bool write) { return write ? writers : readers; }
  // Whether whoever asks may join those who use it.
  bool Admits(const GrantRequest& request) const {
    return domid == request.domid && !(request.whole_page && copy.sub_page);
  }
  // Whether those have that access already. What the guest wrote since then does not count.
  bool Shares(const GrantRequest& request) const {
    return (request.write ? writers > 0 : InUse()) && Admits(request);
  }
};

class GrantTableState {
 public:
  GrantTableState(GuestMemory& memory, Metrics& metrics, const GrantTable::Options& options,
                  SharedPages frames, SharedPages status_frames);

  GuestMemory& memory;
  const GrantTable::Options options;
  Counter& maps;
  Counter& copies;
  Counter& refused;
  LogLimiter refused_log;

  mutable Mutex lock;
  SharedPages frames GUARDED_BY(lock);
  SharedPages status_frames GUARDED_BY(lock);
  GrantEntries entries GUARDED_BY(lock);
  std::uint32_t frame_count GUARDED_BY(lock) = 0;
  std::vector<ActiveGrant> active GUARDED_BY(lock);  // by reference
  std::vector<std::optional<Gfn>> frame_places GUARDED_BY(lock);
  std::vector<std::optional<Gfn>> status_places GUARDED_BY(lock);
  std::uint32_t mappings GUARDED_BY(lock) = 0;
  std::uint32_t sub_page_uses GUARDED_BY(lock) = 0;

  // ---- Called with `lock` held.

  std::uint32_t EntryCount() const REQUIRES(lock) {
    return frame_count * entries.EntriesPerFrame();
  }
  std::uint32_t StatusFrameCount() const REQUIRES(lock);
  void StartOver() REQUIRES(lock);
  // To at least `count` frames; false above the limit.
  bool Grow(std::uint32_t count) REQUIRES(lock);

  // Starts a use of `ref`; every kOkay is paired with a Release() of the same access. Logs and
  // counts refusals.
  GrantStatus Acquire(std::uint32_t ref, const GrantRequest& request) REQUIRES(lock) {
    return Join(active, ref, request) ? GrantStatus::kOkay : AcquireAnew(ref, request);
  }
  void Release(std::uint32_t ref, bool write) REQUIRES(lock) {
    ActiveGrant& grant = active[ref];
    std::uint32_t& users = grant.UsersFor(write);
    VENEER_CHECK(users > 0);
    if (--users == 0) {
      EndUse(ref, write);
    }
  }

  // For back-ends: Acquire() for all of `refs` or none, as domain 0 and within the limit.
  GrantStatus MapAll(std::span<const GrantRef> refs, GrantAccess access) REQUIRES(lock);
  void UnmapAll(std::span<const GrantRef> refs, GrantAccess access) REQUIRES(lock);

  // ---- Called without it.

  // One page, or the part of it that a copy may touch, held for a copy.
  struct CopyPart {
    Gfn frame;
    std::uint32_t start = 0;
    std::uint32_t length = 0;
    std::optional<std::uint32_t> ref;  // to release
  };
  GrantStatus AcquireForCopy(std::uint32_t ref, std::uint16_t domid, bool write, CopyPart* part)
      EXCLUDES(lock);
  void ReleaseCopy(const CopyPart& part, bool write) EXCLUDES(lock);

 private:
  // Of grants that others use already: true if one more does now.
  static bool Join(std::span<ActiveGrant> grants, std::uint32_t ref, const GrantRequest& request) {
    if (ref >= grants.size() || !grants[ref].Shares(request)) {
      return false;
    }
    grants[ref].UsersFor(request.write) += 1;
    return true;
  }
  GrantStatus AcquireAnew(std::uint32_t ref, const GrantRequest& request) REQUIRES(lock);
  GrantStatus TryAcquire(std::uint32_t ref, GrantRequest request) REQUIRES(lock);
  void EndUse(std::uint32_t ref, bool write) REQUIRES(lock);
};

}  // namespace veneer
