// Pages the guest has granted, mapped together and given back in the same order: for those that are
// many and short-lived.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/gnttab/grant_status.h"
#include "veneer/xencompat/gnttab/pinned_grant.h"

namespace veneer {

// What holds for a PinnedGrant holds for each. Not thread-safe; the GrantTable must outlive it.
class PinnedGrants {
 public:
  PinnedGrants(GrantTable& table, GrantAccess access) : table_(table), access_(access) {}
  PinnedGrants(const PinnedGrants&) = delete;
  PinnedGrants& operator=(const PinnedGrants&) = delete;
  ~PinnedGrants() { Release(pages_.size()); }

  // All of `refs`, behind those that are held already, or none. Errors as those of
  // GrantTable::Map().
  GrantStatus Map(std::span<const GrantRef> refs);
  // Gives the first `count` back; CHECKs that there are so many.
  void Release(std::size_t count);

  // Where the pages begin, kPageSize bytes each; valid until the next Map() or Release(). Those
  // mapped for reading must not be written.
  std::span<std::byte* const> pages() const { return pages_; }

 private:
  GrantTable& table_;
  const GrantAccess access_;
  std::vector<GrantRef> refs_;
  std::vector<std::byte*> pages_;  // of each of refs_
};

}  // namespace veneer
