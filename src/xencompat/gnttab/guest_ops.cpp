// The guest's grant table operations (GNTTABOP_*, <xen/grant_table.h>) and the placing of frames.
#include <algorithm>
#include <array>

#include "grant_table_state.h"
#include "veneer/xencompat/gnttab/grant_table.h"

namespace veneer {
namespace {

// The bit that tells status frames from grant frames in an add_to_physmap index.
constexpr std::uint64_t kStatusIndex = XENMAPIDX_grant_table_status;
constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

std::vector<std::uint64_t> FrameNumbers(const std::vector<std::optional<Gfn>>& places,
                                        std::uint32_t count) {
  std::vector<std::uint64_t> numbers;
  numbers.reserve(count);
  for (std::uint32_t index = 0; index < count; ++index) {
    numbers.push_back(places[index] ? places[index]->value : kNowhere);
  }
  return numbers;
}

std::int16_t Raw(GrantStatus status) { return static_cast<std::int16_t>(status); }

}  // namespace

XenResult<GrantTable::Frame> GrantTable::FrameForPhysmap(std::uint64_t idx) {
  const MutexLock lock(state_->lock);
  if (state_->entries.version() == 2 && (idx & kStatusIndex) != 0) {
    const std::uint64_t index = idx & ~kStatusIndex;
    if (index >= state_->StatusFrameCount()) {
      // As many frames of entries as fill that status frame.
      const std::uint64_t needed =
          index < state_->status_places.size()
              ? (index + 1) * (sizeof(grant_entry_v2_t) / sizeof(grant_status_t))
              : kNowhere;
      if (needed > state_->options.max_frames ||
          !state_->Grow(static_cast<std::uint32_t>(needed))) {
        return XenError(XEN_EINVAL);
      }
    }
    return Frame{&state_->status_frames, index, state_->status_places[index]};
  }
  if (idx >= state_->options.max_frames || !state_->Grow(static_cast<std::uint32_t>(idx) + 1)) {
    return XenError(XEN_EINVAL);
  }
  return Frame{&state_->frames, idx, state_->frame_places[idx]};
}

void GrantTable::NoteMapped(std::uint64_t idx, std::optional<Gfn> gfn) {
  const MutexLock lock(state_->lock);
  // The bit decides, not the version: that may have changed since FrameForPhysmap().
  auto& places = (idx & kStatusIndex) != 0 ? state_->status_places : state_->frame_places;
  const std::uint64_t index = idx & ~kStatusIndex;
  if (index < places.size()) {
    places[index] = gfn;
  }
}

bool GrantTable::NoteUnmapped(Gfn gfn) {
  const MutexLock lock(state_->lock);
  for (auto* places : {&state_->frame_places, &state_->status_places}) {
    const auto place = std::find(places->begin(), places->end(), std::optional(gfn));
    if (place != places->end()) {
      place->reset();
      return true;
    }
  }
  return false;
}

GrantTable::Size GrantTable::QuerySize(std::uint16_t dom) const {
  const GrantStatus allowed = OwnTableOnly(dom);
  if (allowed != GrantStatus::kOkay) {
    return Size{.status = allowed};
  }
  const MutexLock lock(state_->lock);
  return Size{GrantStatus::kOkay, state_->frame_count, state_->options.max_frames};
}

GrantTable::FrameList GrantTable::SetupTable(std::uint16_t dom, std::uint32_t frames) {
  const GrantStatus allowed = OwnTableOnly(dom);
  if (allowed != GrantStatus::kOkay) {
    return FrameList{allowed, {}};
  }
  const MutexLock lock(state_->lock);
  if (!state_->Grow(frames)) {
    return FrameList{GrantStatus::kGeneralError, {}};
  }
  return FrameList{GrantStatus::kOkay, FrameNumbers(state_->frame_places, frames)};
}

GrantTable::FrameList GrantTable::GetStatusFrames(std::uint16_t dom, std::uint32_t frames) {
  const GrantStatus allowed = OwnTableOnly(dom);
  if (allowed != GrantStatus::kOkay) {
    return FrameList{allowed, {}};
  }
  const MutexLock lock(state_->lock);
  if (frames > state_->StatusFrameCount()) {
    return FrameList{GrantStatus::kGeneralError, {}};
  }
  return FrameList{GrantStatus::kOkay, FrameNumbers(state_->status_places, frames)};
}

XenResult<std::uint32_t> GrantTable::SetVersion(std::uint32_t version) {
  if (version != 1 && version != 2) {
    return XenError(XEN_EINVAL);
  }
  if (version == 2 && !state_->options.version_2) {
    return XenError(XEN_ENOSYS);
  }
  const MutexLock lock(state_->lock);
  if (version == state_->entries.version()) {
    return version;
  }
  // The reserved entries may be in use: they keep their numbers and their content.
  const auto first = state_->active.begin() + GNTTAB_NR_RESERVED_ENTRIES;
  if (std::any_of(first, state_->active.end(),
                  [](const ActiveGrant& grant) { return grant.InUse(); })) {
    return XenError(XEN_EBUSY);
  }
  if (version == 1) {
    if (state_->sub_page_uses != 0) {
      return XenError(XEN_EAGAIN);
    }
    if (!state_->entries.ReservedFitVersion1()) {
      return XenError(XEN_ERANGE);
    }
  }
  state_->entries.SwitchVersion(version, state_->frame_count);
  return version;
}

XenResult<std::uint32_t> GrantTable::GetVersion(std::uint16_t dom) const {
  switch (ChooseGrantDomain(dom)) {
    case GrantDomain::kGuest:
      break;
    case GrantDomain::kHost:
      return XenError(XEN_EPERM);
    case GrantDomain::kNone:
      return XenError(XEN_ESRCH);
  }
  const MutexLock lock(state_->lock);
  return state_->entries.version();
}

void GrantTable::MapGrantRef(gnttab_map_grant_ref& op) const {
  const std::uint32_t flags = op.flags;
  if ((flags & (GNTMAP_device_map | GNTMAP_host_map)) == 0) {
    op.status = Raw(GrantStatus::kBadGntref);
  } else if ((flags & (GNTMAP_device_map | GNTMAP_application_map | GNTMAP_contains_pte)) != 0) {
    op.status = Raw(GrantStatus::kGeneralError);  // not in an HVM guest
  } else if (op.dom == kGuestDomId.value) {
    op.status = Raw(GrantStatus::kPermissionDenied);  // one's own pages are mapped already
  } else if (op.dom == kHostDomId.value) {
    op.status = Raw(GrantStatus::kBadGntref);  // no entries there
  } else {
    op.status = Raw(GrantStatus::kBadDomain);
  }
}

// No handle was ever given out.
void GrantTable::UnmapGrantRef(gnttab_unmap_grant_ref& op) const {
  op.status = Raw(GrantStatus::kBadHandle);
}

void GrantTable::UnmapAndReplace(gnttab_unmap_and_replace& op) const {
  op.status = Raw(GrantStatus::kBadHandle);
}

namespace {

// Which domains the two ends of a copy name, before anything is touched.
GrantStatus CheckCopyDomain(std::uint16_t domid, bool is_grant) {
  if (domid != DOMID_SELF && !is_grant) {
    return GrantStatus::kPermissionDenied;
  }
  return ChooseGrantDomain(domid) == GrantDomain::kNone ? GrantStatus::kBadDomain
                                                        : GrantStatus::kOkay;
}

GrantStatus ClaimCopyPart(GrantTableState& state, const gnttab_copy::gnttab_copy_ptr& end,
                          bool is_grant, bool write, GrantTableState::CopyPart* part) {
  if (is_grant) {
    if (ChooseGrantDomain(end.domid) == GrantDomain::kHost) {
      return GrantStatus::kBadGntref;  // domain 0 has no entries
    }
    return state.AcquireForCopy(end.u.ref, kGuestDomId.value, write, part);
  }
  const Gfn frame{end.u.gmfn};
  if (!frame.Addressable() || state.memory.Pin(frame.Address(), kPageSize).empty()) {
    return GrantStatus::kBadPage;
  }
  *part = GrantTableState::CopyPart{frame, 0, kPageSize, std::nullopt};
  return GrantStatus::kOkay;
}

GrantStatus CopyBetween(GrantTableState& state, const gnttab_copy& op,
                        const GrantTableState::CopyPart& source,
                        const GrantTableState::CopyPart& dest) {
  const std::uint32_t source_end = std::uint32_t{op.source.offset} + op.len;
  const std::uint32_t dest_end = std::uint32_t{op.dest.offset} + op.len;
  if (source_end > kPageSize || dest_end > kPageSize) {
    return GrantStatus::kBadCopyArg;
  }
  if (op.source.offset < source.start || source_end > source.start + source.length ||
      op.dest.offset < dest.start || dest_end > dest.start + dest.length) {
    return GrantStatus::kGeneralError;
  }
  // Through a buffer: the two may overlap, and the guest may be writing either.
  std::array<std::byte, kPageSize> buffer;
  const std::span<std::byte> bytes(buffer.data(), op.len);
  if (!state.memory.ReadBytes(source.frame.Address() + op.source.offset, bytes) ||
      !state.memory.WriteBytes(dest.frame.Address() + op.dest.offset, bytes)) {
    return GrantStatus::kBadPage;
  }
  return GrantStatus::kOkay;
}

GrantStatus CopyOne(GrantTableState& state, const gnttab_copy& op) {
  const bool source_is_grant = (op.flags & GNTCOPY_source_gref) != 0;
  const bool dest_is_grant = (op.flags & GNTCOPY_dest_gref) != 0;
  GrantStatus status = CheckCopyDomain(op.source.domid, source_is_grant);
  if (status == GrantStatus::kOkay) {
    status = CheckCopyDomain(op.dest.domid, dest_is_grant);
  }
  if (status != GrantStatus::kOkay) {
    return status;
  }
  GrantTableState::CopyPart source;
  status = ClaimCopyPart(state, op.source, source_is_grant, false, &source);
  if (status != GrantStatus::kOkay) {
    return status;
  }
  GrantTableState::CopyPart dest;
  status = ClaimCopyPart(state, op.dest, dest_is_grant, true, &dest);
  if (status == GrantStatus::kOkay) {
    status = CopyBetween(state, op, source, dest);
    state.ReleaseCopy(dest, true);
  }
  state.ReleaseCopy(source, false);
  return status;
}

}  // namespace

void GrantTable::Copy(gnttab_copy& op) {
  op.status = Raw(CopyOne(*state_, op));
  state_->copies.Add();
}

GrantStatus GrantTable::SwapGrantRef(GrantRef a, GrantRef b) {
  const MutexLock lock(state_->lock);
  if (a.value >= state_->EntryCount() || b.value >= state_->EntryCount()) {
    return GrantStatus::kBadGntref;
  }
  if (a == b) {
    return GrantStatus::kOkay;
  }
  if (state_->active[a.value].InUse() || state_->active[b.value].InUse()) {
    return GrantStatus::kEagain;
  }
  state_->entries.Swap(a.value, b.value);
  return GrantStatus::kOkay;
}

XenResult<void> GrantTable::CacheFlush(const gnttab_cache_flush& op) const {
  if (op.offset >= kPageSize || op.length > kPageSize ||
      std::uint32_t{op.offset} + op.length > kPageSize ||
      (op.op & ~(GNTTAB_CACHE_INVAL | GNTTAB_CACHE_CLEAN)) != 0) {
    return XenError(XEN_EINVAL);
  }
  if (op.length == 0 || op.op == 0) {
    return {};
  }
  // Caches are coherent on this machine; nobody who is a guest here needs it.
  return XenError(XEN_EOPNOTSUPP);
}

}  // namespace veneer
