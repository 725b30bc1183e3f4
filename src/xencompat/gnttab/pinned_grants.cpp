#include "veneer/xencompat/gnttab/pinned_grants.h"

#include "veneer/vmm/base/check.h"
#include "veneer/xencompat/gnttab/grant_table.h"

namespace veneer {

GrantStatus PinnedGrants::Map(std::span<const GrantRef> refs) {
  // Nothing may fail for lack of memory with grants taken.
  refs_.reserve(refs_.size() + refs.size());
  pages_.resize(refs_.size() + refs.size());
  const GrantStatus status =
      table_.MapPages(refs, access_, std::span(pages_).subspan(refs_.size()));
  if (status == GrantStatus::kOkay) {
    refs_.insert(refs_.end(), refs.begin(), refs.end());
  }
  pages_.resize(refs_.size());
  return status;
}

void PinnedGrants::Release(std::size_t count) {
  VENEER_CHECK(count <= refs_.size());
  table_.UnmapPages(std::span(refs_).first(count), access_);
  const auto end = static_cast<std::ptrdiff_t>(count);
  refs_.erase(refs_.begin(), refs_.begin() + end);
  pages_.erase(pages_.begin(), pages_.begin() + end);
}

}  // namespace veneer
