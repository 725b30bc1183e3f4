#include "veneer/xencompat/domain/physmap.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "veneer/vmm/base/check.h"

namespace veneer {

namespace {

// `runs` by their first frame, constant or not.
template <typename Runs>
auto FindIn(Runs& runs, Gfn gfn) -> decltype(&runs.begin()->second) {
  const auto above = runs.upper_bound(gfn);
  if (above == runs.begin()) {
    return nullptr;
  }
  auto& run = std::prev(above)->second;
  return gfn.value - run.first.value < run.pages ? &run : nullptr;
}

}  // namespace

Physmap::Physmap(GuestMemory& memory, const SharedPages& shared_info, GrantTable& grants,
                 std::span<const GuestMemory::Range> ram)
    : memory_(memory), shared_info_(shared_info), grants_(grants) {
  for (const GuestMemory::Range& range : ram) {
    VENEER_CHECK(range.base.PageOffset() == 0 && range.size % kPageSize == 0);
    Run run{.first = Gfn::Of(range.base), .pages = range.size / kPageSize, .removed = {}};
    run.removed.resize(run.pages);
    populated_ += run.pages;
    runs_.emplace(run.first, std::move(run));
  }
  maximum_ = populated_;
  for (const MemoryRegion& region : memory_.regions()) {
    highest_ = std::max(highest_, Gfn::Of(region.base + (region.size - 1)));
  }
}

Physmap::~Physmap() {
  const MutexLock lock(mutex_);
  RemoveSpecials();
}

void Physmap::RemoveSpecials() {
  while (!specials_.empty()) {
    RemoveSpecial(specials_.begin()->first);
  }
}

void Physmap::StartOver() {
  const MutexLock lock(mutex_);
  RemoveSpecials();
  for (auto& [first, run] : runs_) {
    if (!run.added) {
      populated_ += static_cast<std::uint64_t>(std::ranges::count(run.removed, true));
      std::fill(run.removed.begin(), run.removed.end(), false);
    }
  }
}

const Physmap::Run* Physmap::FindRun(Gfn gfn) const { return FindIn(runs_, gfn); }

Physmap::Run* Physmap::FindRun(Gfn gfn) { return FindIn(runs_, gfn); }

Physmap::Run* Physmap::FindOrAddRun(Gfn gfn) {
  if (Run* const run = FindRun(gfn); run != nullptr) {
    return run;
  }
  if (!gfn.Addressable() || populated_ >= maximum_) {
    return nullptr;
  }
  const std::optional<GuestMemory::Range> added = memory_.Grow(gfn.Address());
  if (!added) {
    return nullptr;
  }
  Run run{.first = Gfn::Of(added->base),
          .pages = added->size / kPageSize,
          .removed = {},
          .added = true,
          .fresh = true};
  run.removed.assign(run.pages, true);
  highest_ = std::max(highest_, Gfn{run.first.value + run.pages - 1});
  return &runs_.emplace(run.first, std::move(run)).first->second;
}

bool Physmap::IsRam(Gfn gfn) const {
  const MutexLock lock(mutex_);
  const Run* const run = FindRun(gfn);
  return run != nullptr && !run->removed[gfn.value - run->first.value];
}

std::optional<Gfn> Physmap::FindSharedInfo() const {
  for (const auto& [gfn, kind] : specials_) {
    if (kind == Special::kSharedInfo) {
      return gfn;
    }
  }
  return std::nullopt;
}

bool Physmap::RemoveSpecial(Gfn gfn) {
  const auto found = specials_.find(gfn);
  if (found == specials_.end()) {
    return false;
  }
  if (found->second == Special::kGrantFrame) {
    grants_.NoteUnmapped(gfn);
  }
  memory_.RemoveOverlay(gfn.Address());
  specials_.erase(found);
  return true;
}

XenResult<void> Physmap::Lay(Gfn gfn, const SharedPages& pages, std::size_t index, Special kind) {
  if (!gfn.Addressable() || memory_.Pin(gfn.Address(), kPageSize).empty()) {
    return XenError(XEN_EINVAL);
  }
  RemoveSpecial(gfn);
  if (!memory_.MapOverlay(gfn.Address(), pages, index)) {
    return XenError(XEN_ENOMEM);
  }
  specials_[gfn] = kind;
  return {};
}

XenResult<void> Physmap::MapSharedInfo(std::uint64_t index, Gfn gfn) {
  if (index != 0) {
    return XenError(XEN_EINVAL);
  }
  const MutexLock lock(mutex_);
  const std::optional<Gfn> old = FindSharedInfo();
  if (old == gfn) {
    return {};
  }
  if (const XenResult<void> laid = Lay(gfn, shared_info_, 0, Special::kSharedInfo); !laid) {
    return laid;
  }
  if (old) {
    RemoveSpecial(*old);
  }
  return {};
}

XenResult<void> Physmap::MapGrantFrame(std::uint64_t index, Gfn gfn) {
  const MutexLock lock(mutex_);
  const XenResult<GrantTable::Frame> frame = grants_.FrameForPhysmap(index);
  if (!frame) {
    return XenError(frame.error());
  }
  if (frame->mapped_at == gfn) {
    return {};
  }
  const XenResult<void> laid = Lay(gfn, *frame->pages, frame->index, Special::kGrantFrame);
  if (!laid) {
    return laid;
  }
  if (frame->mapped_at) {
    RemoveSpecial(*frame->mapped_at);
  }
  grants_.NoteMapped(index, gfn);
  return {};
}

bool Physmap::TakeOut(Gfn gfn) {
  const bool special = RemoveSpecial(gfn);
  Run* run = FindRun(gfn);
  if (run == nullptr || run->removed[gfn.value - run->first.value]) {
    return special;
  }
  memory_.DiscardPage(gfn);
  run->removed[gfn.value - run->first.value] = true;
  run->fresh = false;
  --populated_;
  return true;
}

XenResult<void> Physmap::Remove(Gfn gfn) {
  const MutexLock lock(mutex_);
  if (!TakeOut(gfn)) {
    return XenError(XEN_ENOENT);
  }
  return {};
}

bool Physmap::Release(Gfn gfn) {
  const MutexLock lock(mutex_);
  return TakeOut(gfn);
}

bool Physmap::Populate(Gfn gfn) {
  const MutexLock lock(mutex_);
  Run* run = FindOrAddRun(gfn);
  if (run == nullptr) {
    return false;
  }
  // The new page replaces whatever is there, and is zero.
  if (!run->removed[gfn.value - run->first.value]) {
    RemoveSpecial(gfn);
    memory_.DiscardPage(gfn);
    return true;
  }
  if (populated_ >= maximum_) {
    return false;
  }
  RemoveSpecial(gfn);
  // A guest may have written to the frame while it was out. What has just been added is zero, and
  // to give it back page by page would cost it its huge pages.
  if (!run->fresh) {
    memory_.DiscardPage(gfn);
  }
  run->removed[gfn.value - run->first.value] = false;
  ++populated_;
  return true;
}

std::uint64_t Physmap::populated_pages() const {
  const MutexLock lock(mutex_);
  return populated_;
}

Gfn Physmap::HighestFrame() const {
  const MutexLock lock(mutex_);
  return highest_;
}

std::uint64_t Physmap::maximum_pages() const {
  const MutexLock lock(mutex_);
  return maximum_;
}

void Physmap::SetMaximum(std::uint64_t pages) {
  const MutexLock lock(mutex_);
  maximum_ = pages;
}

}  // namespace veneer
