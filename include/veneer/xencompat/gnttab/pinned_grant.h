// A page the guest has granted, mapped for as long as this object lives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "veneer/vmm/memory/gpa.h"
#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

class GrantTable;

enum class GrantAccess : std::uint8_t { kRead, kReadWrite };

// Move-only. May be destroyed on any thread; the GrantTable must outlive it. While it lives the
// guest sees GTF_reading (and GTF_writing) on its entry and must not reuse it; a guest that does so
// anyway changes the content of its own page, nothing else.
class PinnedGrant {
 public:
  PinnedGrant() = default;
  PinnedGrant(PinnedGrant&& other) noexcept
      : table_(std::exchange(other.table_, nullptr)),
        ref_(other.ref_),
        access_(other.access_),
        page_(std::exchange(other.page_, nullptr)) {}
  PinnedGrant& operator=(PinnedGrant&& other) noexcept {
    if (this != &other) {
      Release();
      table_ = std::exchange(other.table_, nullptr);
      ref_ = other.ref_;
      access_ = other.access_;
      page_ = std::exchange(other.page_, nullptr);
    }
    return *this;
  }
  PinnedGrant(const PinnedGrant&) = delete;
  PinnedGrant& operator=(const PinnedGrant&) = delete;
  ~PinnedGrant() { Release(); }

  bool valid() const { return table_ != nullptr; }
  GrantRef ref() const { return ref_; }
  GrantAccess access() const { return access_; }
  // The whole page; kRead grants must not be written. The guest can change the content at any time.
  std::span<std::byte> page() const { return {page_, page_ == nullptr ? 0 : kPageSize}; }

  // Gives the grant back now; valid() is false afterwards.
  void Release();

 private:
  friend class GrantTable;
  PinnedGrant(GrantTable& table, GrantRef ref, GrantAccess access, std::byte* page)
      : table_(&table), ref_(ref), access_(access), page_(page) {}

  // Small: there are as many of them as pages on their way.
  GrantTable* table_ = nullptr;
  GrantRef ref_;
  GrantAccess access_ = GrantAccess::kRead;
  std::byte* page_ = nullptr;
};

}  // namespace veneer
