// The guest's side of the xenstore ring, for tests: a page, and a driver that behaves.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/vmm/memory/guest_memory.h"
#include "wire_client.h"

namespace veneer::test {

class RingGuest {
 public:
  std::span<std::byte, kPageSize> page() { return page_->bytes; }

  std::atomic_ref<std::uint32_t> Word(std::size_t offset) {
    return SharedWord<std::uint32_t>(page_->bytes.data() + offset);
  }
  auto req_cons() { return Word(offsetof(xenstore_domain_interface, req_cons)); }
  auto req_prod() { return Word(offsetof(xenstore_domain_interface, req_prod)); }
  auto rsp_cons() { return Word(offsetof(xenstore_domain_interface, rsp_cons)); }
  auto rsp_prod() { return Word(offsetof(xenstore_domain_interface, rsp_prod)); }
  auto features() { return Word(offsetof(xenstore_domain_interface, server_features)); }
  auto connection() { return Word(offsetof(xenstore_domain_interface, connection)); }
  auto error() { return Word(offsetof(xenstore_domain_interface, error)); }

  // Puts what fits into the request ring; returns how much.
  std::size_t Put(std::string_view bytes) {
    const std::uint32_t producer = req_prod().load();
    const std::size_t room = XENSTORE_RING_SIZE - (producer - req_cons().load());
    const std::size_t count = std::min(bytes.size(), room);
    for (std::size_t i = 0; i < count; ++i) {
      page_->bytes[MASK_XENSTORE_IDX(producer + i)] = static_cast<std::byte>(bytes[i]);
    }
    req_prod().store(producer + static_cast<std::uint32_t>(count));
    return count;
  }
  // Takes up to `limit` bytes from the response ring.
  std::string Get(std::size_t limit = XENSTORE_RING_SIZE) {
    const std::uint32_t consumer = rsp_cons().load();
    const std::size_t count = std::min<std::size_t>(rsp_prod().load() - consumer, limit);
    std::string bytes;
    for (std::size_t i = 0; i < count; ++i) {
      bytes.push_back(
          static_cast<char>(page_->bytes[XENSTORE_RING_SIZE + MASK_XENSTORE_IDX(consumer + i)]));
    }
    rsp_cons().store(consumer + static_cast<std::uint32_t>(count));
    return bytes;
  }

 private:
  struct alignas(kPageSize) Page {
    std::array<std::byte, kPageSize> bytes{};
  };
  std::unique_ptr<Page> page_ = std::make_unique<Page>();
};

}  // namespace veneer::test
