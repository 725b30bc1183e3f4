// The guest's side of the grant table for tests: writes entries as <xen/grant_table.h> lays them
// out, in the shared frames themselves.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "veneer/xencompat/gnttab/grant_table.h"

namespace veneer::testing {

class GrantGuest {
 public:
  static constexpr std::uint64_t kPages = 256;

  explicit GrantGuest(const GrantTable::Options& options)
      : memory(std::move(*GuestMemory::CreateFlat(kPages * kPageSize))),
        table(std::move(*GrantTable::Create(*memory, metrics, options))),
        // The same memory that the guest would see through its overlay.
        entries(const_cast<SharedPages*>(table->FrameForPhysmap(0)->pages)->data()) {}

  std::atomic_ref<std::uint64_t> Word(std::size_t offset) {
    return SharedWord<std::uint64_t>(entries + offset);
  }
  std::atomic_ref<std::uint16_t> FlagsV1(std::uint32_t ref) {
    return SharedWord<std::uint16_t>(entries + std::size_t{ref} * 8);
  }
  std::atomic_ref<std::uint16_t> FlagsV2(std::uint32_t ref) {
    return SharedWord<std::uint16_t>(entries + std::size_t{ref} * 16);
  }
  std::atomic_ref<std::uint16_t> StatusV2(std::uint32_t ref) {
    auto* pages =
        const_cast<SharedPages*>(table->FrameForPhysmap(XENMAPIDX_grant_table_status)->pages);
    return SharedWord<std::uint16_t>(pages->data() + std::size_t{ref} * 2);
  }

  void GrantV1(std::uint32_t ref, std::uint64_t frame, std::uint32_t flags = GTF_permit_access,
               std::uint16_t domid = kHostDomId.value) {
    const grant_entry_v1_t entry{static_cast<std::uint16_t>(flags), domid,
                                 static_cast<std::uint32_t>(frame)};
    Word(std::size_t{ref} * 8).store(std::bit_cast<std::uint64_t>(entry));
  }
  void GrantV2(std::uint32_t ref, std::uint64_t frame, std::uint32_t flags = GTF_permit_access,
               std::uint16_t domid = kHostDomId.value, std::uint16_t offset = 0,
               std::uint16_t length = 0) {
    Word(std::size_t{ref} * 16 + 8).store(frame);
    const std::uint64_t header = flags | std::uint64_t{domid} << 16U |
                                 std::uint64_t{offset} << 32U | std::uint64_t{length} << 48U;
    Word(std::size_t{ref} * 16).store(header);
  }

  Metrics metrics;
  std::unique_ptr<GuestMemory> memory;
  std::unique_ptr<GrantTable> table;
  std::byte* entries;
};

}  // namespace veneer::testing
