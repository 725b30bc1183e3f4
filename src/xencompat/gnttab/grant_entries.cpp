#include "grant_entries.h"

#include <bit>

namespace veneer {
namespace {

constexpr std::uint16_t kInUseFlags = GTF_reading | GTF_writing;

// A guest that behaves races with us at most to change GTF_readonly, so a few attempts are enough;
// one that does not must not keep us here.
constexpr int kClaimAttempts = 5;

static_assert(sizeof(grant_entry_v1_t) == sizeof(std::uint64_t));
static_assert(sizeof(grant_entry_v2_t) == 2 * sizeof(std::uint64_t));
static_assert(sizeof(grant_entry_v1_t) * 2 == sizeof(grant_entry_v2_t));

// The first half of a version 2 entry, where all of what is checked lies.
struct HeaderV2 {
  std::uint16_t flags;
  std::uint16_t domid;
  std::uint16_t page_off;
  std::uint16_t length;
};
static_assert(sizeof(HeaderV2) == sizeof(std::uint64_t));
static_assert(offsetof(grant_entry_v2_t, sub_page.page_off) == offsetof(HeaderV2, page_off));
static_assert(offsetof(grant_entry_v2_t, sub_page.frame) == sizeof(HeaderV2));
static_assert(offsetof(grant_entry_v2_t, full_page.frame) == sizeof(HeaderV2));

std::atomic_ref<std::uint64_t> Word(std::byte* address) {
  return SharedWord<std::uint64_t>(address);
}

// Not for transitive grants either: they are not of this type.
bool Permits(std::uint16_t flags, std::uint16_t domid, const GrantRequest& request) {
  if (!request.upgrade) {
    const std::uint32_t mask =
        request.whole_page ? GTF_type_mask | GTF_sub_page : std::uint32_t{GTF_type_mask};
    if ((flags & mask) != GTF_permit_access || domid != request.domid) {
      return false;
    }
  }
  return !request.write || (flags & GTF_readonly) == 0;
}

std::uint16_t FlagsFor(const GrantRequest& request) {
  return request.write ? kInUseFlags : std::uint16_t{GTF_reading};
}

}  // namespace

std::uint32_t GrantEntries::EntriesPerFrame() const {
  return static_cast<std::uint32_t>(
      kPageSize / (version_ == 1 ? sizeof(grant_entry_v1_t) : sizeof(grant_entry_v2_t)));
}

std::uint32_t GrantEntries::StatusFramesFor(std::uint32_t frames) {
  constexpr std::uint32_t kFramesPerStatusFrame = sizeof(grant_entry_v2_t) / sizeof(grant_status_t);
  return (frames + kFramesPerStatusFrame - 1) / kFramesPerStatusFrame;
}

std::byte* GrantEntries::EntryV1(std::uint32_t ref) const {
  return frames_.data() + std::size_t{ref} * sizeof(grant_entry_v1_t);
}

std::byte* GrantEntries::EntryV2(std::uint32_t ref) const {
  return frames_.data() + std::size_t{ref} * sizeof(grant_entry_v2_t);
}

std::byte* GrantEntries::StatusOf(std::uint32_t ref) const {
  return version_ == 1 ? EntryV1(ref) + offsetof(grant_entry_v1_t, flags)
                       : status_.data() + std::size_t{ref} * sizeof(grant_status_t);
}

GrantStatus GrantEntries::Claim(std::uint32_t ref, const GrantRequest& request, GrantCopy* copy) {
  return version_ == 1 ? ClaimV1(ref, request, copy) : ClaimV2(ref, request, copy);
}

// The whole entry is one word: what is checked, what is copied and what is marked are the same.
GrantStatus GrantEntries::ClaimV1(std::uint32_t ref, const GrantRequest& request, GrantCopy* copy) {
  const auto shared = Word(EntryV1(ref));
  std::uint64_t seen = shared.load();
  for (int attempt = 0; attempt < kClaimAttempts; ++attempt) {
    auto entry = std::bit_cast<grant_entry_v1_t>(seen);
    if (!Permits(entry.flags, entry.domid, request)) {
      return GrantStatus::kGeneralError;
    }
    entry.flags = static_cast<std::uint16_t>(entry.flags | FlagsFor(request));
    if (shared.compare_exchange_strong(seen, std::bit_cast<std::uint64_t>(entry))) {
      *copy = GrantCopy{Gfn{entry.frame}, 0, kPageSize, false};
      return GrantStatus::kOkay;
    }
  }
  return GrantStatus::kGeneralError;
}

// Flags and status are apart: mark first, then look whether the grant is still there. A guest that
// ends a grant clears the flags first and looks at the status then, so one of us sees the other.
GrantStatus GrantEntries::ClaimV2(std::uint32_t ref, const GrantRequest& request, GrantCopy* copy) {
  std::byte* entry = EntryV2(ref);
  const auto before = std::bit_cast<HeaderV2>(Word(entry).load());
  if (!Permits(before.flags, before.domid, request)) {
    return GrantStatus::kGeneralError;
  }
  const auto status = SharedWord<grant_status_t>(StatusOf(ref));
  status.fetch_or(FlagsFor(request));
  const auto header = std::bit_cast<HeaderV2>(Word(entry).load());
  if (!Permits(header.flags, header.domid, request)) {
    status.fetch_and(static_cast<grant_status_t>(
        ~(request.upgrade ? std::uint32_t{GTF_writing} : std::uint32_t{kInUseFlags})));
    return GrantStatus::kGeneralError;
  }
  const bool sub_page = (header.flags & GTF_sub_page) != 0;
  copy->frame = Gfn{Word(entry + sizeof(HeaderV2)).load()};
  copy->start = sub_page ? header.page_off : std::uint16_t{0};
  copy->length = sub_page ? header.length : std::uint16_t{kPageSize};
  copy->sub_page = sub_page;
  return GrantStatus::kOkay;
}

void GrantEntries::ClearFlags(std::uint32_t ref, std::uint16_t flags) {
  SharedWord<std::uint16_t>(StatusOf(ref)).fetch_and(static_cast<std::uint16_t>(~flags));
}

void GrantEntries::Swap(std::uint32_t a, std::uint32_t b) {
  const auto swap_words = [](auto first, auto second) {
    const auto value = first.load();
    first.store(second.load());
    second.store(value);
  };
  if (version_ == 1) {
    swap_words(Word(EntryV1(a)), Word(EntryV1(b)));
    return;
  }
  swap_words(Word(EntryV2(a)), Word(EntryV2(b)));
  swap_words(Word(EntryV2(a) + sizeof(HeaderV2)), Word(EntryV2(b) + sizeof(HeaderV2)));
  swap_words(SharedWord<grant_status_t>(StatusOf(a)), SharedWord<grant_status_t>(StatusOf(b)));
}

void GrantEntries::Grant(std::uint32_t ref, std::uint16_t domid, std::uint32_t frame) {
  const grant_entry_v1_t entry{GTF_permit_access, domid, frame};
  Word(EntryV1(ref)).store(std::bit_cast<std::uint64_t>(entry));
}

void GrantEntries::StartOver() {
  version_ = 1;
  for (SharedPages* pages : {&frames_, &status_}) {
    std::memset(pages->data(), 0, pages->bytes().size());
  }
}

bool GrantEntries::ReservedFitVersion1() const {
  if (version_ == 1) {
    return true;
  }
  for (std::uint32_t ref = 0; ref < GNTTAB_NR_RESERVED_ENTRIES; ++ref) {
    const auto header = std::bit_cast<HeaderV2>(Word(EntryV2(ref)).load());
    const std::uint32_t type = header.flags & GTF_type_mask;
    if (type == GTF_transitive ||
        (type == GTF_permit_access && (Word(EntryV2(ref) + sizeof(HeaderV2)).load() >> 32U) != 0)) {
      return false;
    }
  }
  return true;
}

GrantEntries::Reserved GrantEntries::ReadReserved() const {
  Reserved reserved{};
  for (std::uint32_t ref = 0; ref < GNTTAB_NR_RESERVED_ENTRIES; ++ref) {
    if (version_ == 1) {
      reserved[ref] = std::bit_cast<grant_entry_v1_t>(Word(EntryV1(ref)).load());
      continue;
    }
    const auto header = std::bit_cast<HeaderV2>(Word(EntryV2(ref)).load());
    if ((header.flags & GTF_type_mask) == GTF_permit_access) {
      const std::uint16_t status = SharedWord<grant_status_t>(StatusOf(ref)).load();
      reserved[ref].flags = static_cast<std::uint16_t>(header.flags | (status & kInUseFlags));
      reserved[ref].domid = header.domid;
      reserved[ref].frame =
          static_cast<std::uint32_t>(Word(EntryV2(ref) + sizeof(HeaderV2)).load());
    }
  }
  return reserved;
}

void GrantEntries::WriteReserved(const Reserved& reserved) {
  for (std::uint32_t ref = 0; ref < GNTTAB_NR_RESERVED_ENTRIES; ++ref) {
    const grant_entry_v1_t& entry = reserved[ref];
    if (version_ == 1) {
      Word(EntryV1(ref)).store(std::bit_cast<std::uint64_t>(entry));
      continue;
    }
    SharedWord<grant_status_t>(StatusOf(ref))
        .store(static_cast<grant_status_t>(entry.flags & kInUseFlags));
    Word(EntryV2(ref) + sizeof(HeaderV2)).store(entry.frame);
    const auto flags = static_cast<std::uint16_t>(entry.flags & ~std::uint32_t{kInUseFlags});
    Word(EntryV2(ref)).store(std::bit_cast<std::uint64_t>(HeaderV2{flags, entry.domid, 0, 0}));
  }
}

void GrantEntries::SwitchVersion(std::uint32_t version, std::uint32_t frames) {
  const Reserved reserved = ReadReserved();
  const auto clear = [](std::byte* pages, std::uint32_t count) {
    for (std::size_t offset = 0; offset < count * kPageSize; offset += sizeof(std::uint64_t)) {
      Word(pages + offset).store(0, std::memory_order_relaxed);
    }
  };
  clear(frames_.data(), frames);
  clear(status_.data(), StatusFramesFor(frames));
  version_ = version;
  WriteReserved(reserved);
}

}  // namespace veneer
