#include "ring_page.h"

#include <algorithm>
#include <atomic>

#include "veneer/vmm/memory/guest_memory.h"
#include "wire.h"

namespace veneer {
namespace {

constexpr std::size_t kRing = XENSTORE_RING_SIZE;
constexpr std::size_t kRequests = offsetof(xenstore_domain_interface, req);
constexpr std::size_t kResponses = offsetof(xenstore_domain_interface, rsp);
constexpr std::size_t kRequestConsumer = offsetof(xenstore_domain_interface, req_cons);
constexpr std::size_t kRequestProducer = offsetof(xenstore_domain_interface, req_prod);
constexpr std::size_t kResponseConsumer = offsetof(xenstore_domain_interface, rsp_cons);
constexpr std::size_t kResponseProducer = offsetof(xenstore_domain_interface, rsp_prod);
constexpr std::size_t kServerFeatures = offsetof(xenstore_domain_interface, server_features);
constexpr std::size_t kConnection = offsetof(xenstore_domain_interface, connection);
constexpr std::size_t kError = offsetof(xenstore_domain_interface, error);

std::atomic_ref<std::uint32_t> Word(std::span<std::byte, kPageSize> page, std::size_t offset) {
  return SharedWord<std::uint32_t>(page.data() + offset);
}

// Copies between a ring and `bytes`, around the ring's end. `Copy(ring_offset, bytes_offset, n)`.
template <typename Copy>
void AroundTheEnd(std::uint32_t index, std::size_t count, const Copy& copy) {
  const std::size_t start = index % kRing;
  const std::size_t first = std::min(count, kRing - start);
  copy(start, 0, first);
  copy(0, first, count - first);
}

}  // namespace

void RingPage::Offer() {
  Word(page_, kServerFeatures)
      .store(XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR);
  Word(page_, kError).store(XENSTORE_ERROR_NONE);
  Word(page_, kConnection).store(XENSTORE_CONNECTED);
}

void RingPage::Clear() {
  for (const std::size_t index :
       {kRequestConsumer, kRequestProducer, kResponseConsumer, kResponseProducer}) {
    Word(page_, index).store(0);
  }
  Offer();
}

void RingPage::SetError(std::uint32_t error) { Word(page_, kError).store(error); }

bool RingPage::ReconnectRequested() const {
  return Word(page_, kConnection).load() == XENSTORE_RECONNECT;
}

std::optional<std::vector<std::byte>> RingPage::Requests() const {
  const std::uint32_t consumer = Word(page_, kRequestConsumer).load();
  const std::uint32_t count = Word(page_, kRequestProducer).load() - consumer;
  if (count > kRing) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(count);
  AroundTheEnd(consumer, count, [&](std::size_t ring, std::size_t at, std::size_t n) {
    std::copy_n(page_.begin() + static_cast<std::ptrdiff_t>(kRequests + ring), n,
                bytes.begin() + static_cast<std::ptrdiff_t>(at));
  });
  return bytes;
}

void RingPage::Take(std::size_t count) {
  const auto consumer = Word(page_, kRequestConsumer);
  consumer.store(consumer.load() + static_cast<std::uint32_t>(count));
}

std::optional<std::size_t> RingPage::Put(std::span<const std::byte> bytes) {
  const std::uint32_t producer = Word(page_, kResponseProducer).load();
  const std::uint32_t used = producer - Word(page_, kResponseConsumer).load();
  if (used > kRing) {
    return std::nullopt;
  }
  const std::size_t count = std::min(bytes.size(), kRing - used);
  AroundTheEnd(producer, count, [&](std::size_t ring, std::size_t at, std::size_t n) {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), n,
                page_.begin() + static_cast<std::ptrdiff_t>(kResponses + ring));
  });
  Word(page_, kResponseProducer).store(producer + static_cast<std::uint32_t>(count));
  return count;
}

}  // namespace veneer
