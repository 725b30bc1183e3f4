#include "grant_table_state.h"

#include <algorithm>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr std::size_t kMaxEntriesPerFrame = kPageSize / sizeof(grant_entry_v1_t);

}  // namespace

GrantDomain ChooseGrantDomain(std::uint16_t dom) {
  if (dom == DOMID_SELF || dom == kGuestDomId.value) {
    return GrantDomain::kGuest;
  }
  return dom == kHostDomId.value ? GrantDomain::kHost : GrantDomain::kNone;
}

GrantStatus OwnTableOnly(std::uint16_t dom) {
  switch (ChooseGrantDomain(dom)) {
    case GrantDomain::kGuest:
      return GrantStatus::kOkay;
    case GrantDomain::kHost:
      return GrantStatus::kPermissionDenied;
    case GrantDomain::kNone:
      break;
  }
  return GrantStatus::kBadDomain;
}

GrantTableState::GrantTableState(GuestMemory& memory_in, Metrics& metrics,
                                 const GrantTable::Options& options_in, SharedPages frames_in,
                                 SharedPages status_frames_in)
    : memory(memory_in),
      options(options_in),
      maps(metrics.Get("xen.gnttab.maps")),
      copies(metrics.Get("xen.gnttab.copies")),
      refused(metrics.Get("xen.gnttab.refused")),
      frames(std::move(frames_in)),
      status_frames(std::move(status_frames_in)),
      entries(frames, status_frames),
      frame_places(options_in.max_frames),
      status_places(status_frames.pages()) {
  VENEER_CHECK(Grow(1));
}

std::uint32_t GrantTableState::StatusFrameCount() const {
  return entries.version() == 1 ? 0 : GrantEntries::StatusFramesFor(frame_count);
}

void GrantTableState::StartOver() {
  VENEER_CHECK(mappings == 0);
  for (const ActiveGrant& grant : active) {
    VENEER_CHECK(!grant.InUse());
  }
  entries.StartOver();
  frame_count = 0;
  active.clear();
  std::fill(frame_places.begin(), frame_places.end(), std::nullopt);
  std::fill(status_places.begin(), status_places.end(), std::nullopt);
  VENEER_CHECK(Grow(1));
}

bool GrantTableState::Grow(std::uint32_t count) {
  if (count > options.max_frames) {
    return false;
  }
  frame_count = std::max(frame_count, count);
  // For version 1, which has more entries: a version switch changes nothing here.
  active.resize(frame_count * kMaxEntriesPerFrame);
  return true;
}

GrantStatus GrantTableState::TryAcquire(std::uint32_t ref, GrantRequest request) {
  if (ref >= EntryCount()) {
    return GrantStatus::kBadGntref;
  }
  ActiveGrant& grant = active[ref];
  request.upgrade = grant.InUse();
  if (request.upgrade && !grant.Admits(request)) {
    return GrantStatus::kGeneralError;
  }
  GrantCopy copy;
  const GrantStatus status = entries.Claim(ref, request, &copy);
  if (status != GrantStatus::kOkay) {
    return status;
  }
  if (!request.upgrade) {
    const std::span<std::byte> page = copy.frame.Addressable()
                                          ? memory.Pin(copy.frame.Address(), kPageSize)
                                          : std::span<std::byte>();
    if (page.empty()) {
      entries.ClearFlags(ref, GTF_reading | GTF_writing);
      return GrantStatus::kBadPage;
    }
    grant.domid = request.domid;
    grant.copy = copy;
    grant.page = page.data();
    sub_page_uses += copy.sub_page ? 1U : 0U;
  }
  grant.UsersFor(request.write) += 1;
  return GrantStatus::kOkay;
}

// Of what is not shared yet: the entry in the guest's table decides, and is marked.
GrantStatus GrantTableState::AcquireAnew(std::uint32_t ref, const GrantRequest& request) {
  const GrantStatus status = TryAcquire(ref, request);
  if (status != GrantStatus::kOkay) {
    refused.Add();
    LogGuest(refused_log, "grant table: reference {} refused for {}: {}", ref,
             request.write ? "writing" : "reading", GrantStatusText(status));
  }
  return status;
}

GrantStatus GrantTableState::MapAll(std::span<const GrantRef> refs, GrantAccess access) {
  if (refs.size() > options.max_mappings - mappings) {
    LogGuest(refused_log, "grant table: more than {} grants mapped at once", options.max_mappings);
    return GrantStatus::kNoSpace;
  }
  const bool write = access == GrantAccess::kReadWrite;
  const GrantRequest request{.domid = kHostDomId.value, .write = write, .whole_page = true};
  // Its place and size are known once: the compiler would look for each reference again.
  const std::span<ActiveGrant> grants = active;
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (Join(grants, refs[i].value, request)) {
      continue;
    }
    const GrantStatus status = AcquireAnew(refs[i].value, request);
    if (status != GrantStatus::kOkay) {
      for (const GrantRef ref : refs.first(i)) {
        Release(ref.value, write);
      }
      return status;
    }
  }
  mappings += static_cast<std::uint32_t>(refs.size());
  maps.Add(refs.size());
  return GrantStatus::kOkay;
}

void GrantTableState::UnmapAll(std::span<const GrantRef> refs, GrantAccess access) {
  for (const GrantRef ref : refs) {
    Release(ref.value, access == GrantAccess::kReadWrite);
  }
  mappings -= static_cast<std::uint32_t>(refs.size());
}

// The last of those with that access is gone.
void GrantTableState::EndUse(std::uint32_t ref, bool write) {
  const ActiveGrant& grant = active[ref];
  std::uint32_t flags = write ? GTF_writing : 0U;
  if (!grant.InUse()) {
    flags |= GTF_reading;
    sub_page_uses -= grant.copy.sub_page ? 1U : 0U;
  }
  if (flags != 0) {
    entries.ClearFlags(ref, static_cast<std::uint16_t>(flags));
  }
}

GrantStatus GrantTableState::AcquireForCopy(std::uint32_t ref, std::uint16_t domid, bool write,
                                            CopyPart* part) {
  const MutexLock guard(lock);
  const GrantStatus status = Acquire(ref, GrantRequest{.domid = domid, .write = write});
  if (status == GrantStatus::kOkay) {
    const GrantCopy& copy = active[ref].copy;
    *part = CopyPart{copy.frame, copy.start, copy.length, ref};
  }
  return status;
}

void GrantTableState::ReleaseCopy(const CopyPart& part, bool write) {
  if (part.ref) {
    const MutexLock guard(lock);
    Release(*part.ref, write);
  }
}

}  // namespace veneer
