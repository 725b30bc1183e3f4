// The grant entries in shared memory, versions 1 and 2 behind one face (<xen/grant_table.h>).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/xencompat/abi/xen_headers.h"
#include "veneer/xencompat/gnttab/grant_status.h"

namespace veneer {

// What a grant says, copied out of shared memory once.
struct GrantCopy {
  Gfn frame;
  std::uint16_t start = 0;  // bytes into the page
  std::uint16_t length = 0;
  bool sub_page = false;
};

// What a user of a grant asks for.
struct GrantRequest {
  std::uint16_t domid = 0;  // who asks
  bool write = false;
  bool whole_page = false;  // a mapping: sub-page grants are refused
  // The entry is in use by `domid` already and only write access is added: the guest may have
  // changed type and domain since then, which no longer matters.
  bool upgrade = false;
};

// Not thread-safe against itself; the guest may write any entry at any time. References are below
// EntriesPerFrame() x frames: the caller checks.
class GrantEntries {
 public:
  GrantEntries(SharedPages& frames, SharedPages& status_frames)
      : frames_(frames), status_(status_frames) {}

  std::uint32_t version() const { return version_; }
  std::uint32_t EntriesPerFrame() const;
  static std::uint32_t StatusFramesFor(std::uint32_t frames);

  // Checks the entry and sets GTF_reading (and GTF_writing) in one step that the guest cannot get
  // between. On success, `copy` is what was granted at that moment (not filled for an upgrade).
  GrantStatus Claim(std::uint32_t ref, const GrantRequest& request, GrantCopy* copy);
  // Clears these of GTF_reading and GTF_writing.
  void ClearFlags(std::uint32_t ref, std::uint16_t flags);

  void Swap(std::uint32_t a, std::uint32_t b);
  // Version 1 only: makes `ref` a grant of `frame` to `domid`.
  void Grant(std::uint32_t ref, std::uint16_t domid, std::uint32_t frame);

  // Version 1 with everything clear.
  void StartOver();

  // Whether the reserved entries fit into version 1.
  bool ReservedFitVersion1() const;
  // Clears `frames` frames but carries the reserved entries over.
  void SwitchVersion(std::uint32_t version, std::uint32_t frames);

 private:
  using Reserved = std::array<grant_entry_v1_t, GNTTAB_NR_RESERVED_ENTRIES>;

  std::byte* EntryV1(std::uint32_t ref) const;
  std::byte* EntryV2(std::uint32_t ref) const;
  std::byte* StatusOf(std::uint32_t ref) const;
  GrantStatus ClaimV1(std::uint32_t ref, const GrantRequest& request, GrantCopy* copy);
  GrantStatus ClaimV2(std::uint32_t ref, const GrantRequest& request, GrantCopy* copy);
  Reserved ReadReserved() const;
  void WriteReserved(const Reserved& reserved);

  SharedPages& frames_;
  SharedPages& status_;
  std::uint32_t version_ = 1;
};

}  // namespace veneer
