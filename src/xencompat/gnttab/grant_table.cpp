#include "veneer/xencompat/gnttab/grant_table.h"

#include "grant_table_state.h"
#include "veneer/vmm/base/check.h"

namespace veneer {

// Construction and what back-ends use.

Result<std::unique_ptr<GrantTable>> GrantTable::Create(GuestMemory& memory, Metrics& metrics,
                                                       const Options& options) {
  if (options.max_frames == 0 || options.max_frames > kMaxFrames) {
    return UsageError("the grant table must have between 1 and {} frames, not {}", kMaxFrames,
                      options.max_frames);
  }
  VENEER_TRY_ASSIGN(auto frames, SharedPages::Create(options.max_frames));
  VENEER_TRY_ASSIGN(auto status_frames,
                    SharedPages::Create(GrantEntries::StatusFramesFor(options.max_frames)));
  return std::unique_ptr<GrantTable>(new GrantTable(std::make_unique<GrantTableState>(
      memory, metrics, options, std::move(frames), std::move(status_frames))));
}

GrantTable::GrantTable(std::unique_ptr<GrantTableState> state) : state_(std::move(state)) {}

GrantTable::~GrantTable() { VENEER_CHECK(state_->mappings == 0); }

GrantTable::Outcome<PinnedGrant> GrantTable::Map(GrantRef ref, GrantAccess access) {
  std::vector<PinnedGrant> one;
  const GrantStatus status = MapMany(std::span(&ref, 1), access, one);
  if (status != GrantStatus::kOkay) {
    return tl::unexpected(status);
  }
  return std::move(one.front());
}

GrantStatus GrantTable::MapMany(std::span<const GrantRef> refs, GrantAccess access,
                                std::vector<PinnedGrant>& out) {
  // Nothing may fail for lack of memory with grants taken.
  out.reserve(out.size() + refs.size());
  const MutexLock lock(state_->lock);
  const GrantStatus status = state_->MapAll(refs, access);
  if (status == GrantStatus::kOkay) {
    for (const GrantRef ref : refs) {
      out.push_back(PinnedGrant(*this, ref, access, state_->active[ref.value].page));
    }
  }
  return status;
}

GrantStatus GrantTable::MapPages(std::span<const GrantRef> refs, GrantAccess access,
                                 std::span<std::byte*> pages) {
  const MutexLock lock(state_->lock);
  const GrantStatus status = state_->MapAll(refs, access);
  if (status == GrantStatus::kOkay) {
    const std::span<const ActiveGrant> active = state_->active;
    for (std::size_t i = 0; i < refs.size(); ++i) {
      pages[i] = active[refs[i].value].page;
    }
  }
  return status;
}

void GrantTable::UnmapPages(std::span<const GrantRef> refs, GrantAccess access) {
  const MutexLock lock(state_->lock);
  state_->UnmapAll(refs, access);
}

void GrantTable::ReleaseMany(std::vector<PinnedGrant>& grants) {
  {
    std::uint32_t released = 0;
    const MutexLock lock(state_->lock);
    for (PinnedGrant& grant : grants) {
      if (grant.valid()) {
        VENEER_CHECK(grant.table_ == this);
        state_->Release(grant.ref_.value, grant.access_ == GrantAccess::kReadWrite);
        grant.table_ = nullptr;
        ++released;
      }
    }
    state_->mappings -= released;
  }
  grants.clear();
}

void GrantTable::Unmap(GrantRef ref, GrantAccess access) { UnmapPages(std::span(&ref, 1), access); }

void PinnedGrant::Release() {
  if (GrantTable* table = std::exchange(table_, nullptr)) {
    page_ = nullptr;
    table->Unmap(ref_, access_);
  }
}

GrantStatus GrantTable::CopyFrom(GrantRef ref, std::uint32_t offset, std::span<std::byte> out) {
  if (offset > kPageSize || out.size() > kPageSize - offset) {
    return GrantStatus::kBadCopyArg;
  }
  GrantTableState::CopyPart part;
  GrantStatus status = state_->AcquireForCopy(ref.value, kHostDomId.value, false, &part);
  if (status != GrantStatus::kOkay) {
    return status;
  }
  if (offset < part.start || offset + out.size() > part.start + part.length) {
    status = GrantStatus::kGeneralError;
  } else if (!state_->memory.ReadBytes(part.frame.Address() + offset, out)) {
    status = GrantStatus::kBadPage;
  }
  state_->ReleaseCopy(part, false);
  state_->copies.Add();
  return status;
}

void GrantTable::SeedReserved(GrantRef ref, Gfn frame) {
  VENEER_CHECK(ref.value < GNTTAB_NR_RESERVED_ENTRIES && (frame.value >> 32U) == 0);
  const MutexLock lock(state_->lock);
  VENEER_CHECK(state_->entries.version() == 1);
  state_->entries.Grant(ref.value, kHostDomId.value, static_cast<std::uint32_t>(frame.value));
}

void GrantTable::StartOver() {
  const MutexLock lock(state_->lock);
  state_->StartOver();
}

std::uint32_t GrantTable::mappings() const {
  const MutexLock lock(state_->lock);
  return state_->mappings;
}

}  // namespace veneer
