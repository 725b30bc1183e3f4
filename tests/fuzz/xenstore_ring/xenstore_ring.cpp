// A guest that writes anything anywhere into its xenstore page and signals: every signal must be
// dealt with, and the guest must always be able to reconnect.
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include <fuzzer/FuzzedDataProvider.h>

#include "support/fuzz_target.h"
#include "veneer/vmm/base/check.h"
#include "veneer/xencompat/xenstore/client.h"
#include "veneer/xencompat/xenstore/guest_ring.h"

// clang-format off: it uses the fixed-width integers without asking for them
#include <xen/io/xs_wire.h>
// clang-format on

namespace {

struct alignas(veneer::kPageSize) Page {
  std::array<std::byte, veneer::kPageSize> bytes{};

  std::uint32_t Word(std::size_t offset) const {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }
  void SetWord(std::size_t offset, std::uint32_t value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
  }
};

constexpr std::size_t kWords[] = {offsetof(xenstore_domain_interface, req_cons),
                                  offsetof(xenstore_domain_interface, req_prod),
                                  offsetof(xenstore_domain_interface, rsp_cons),
                                  offsetof(xenstore_domain_interface, rsp_prod),
                                  offsetof(xenstore_domain_interface, server_features),
                                  offsetof(xenstore_domain_interface, connection),
                                  offsetof(xenstore_domain_interface, error)};

// As a driver does: behind what is in the ring.
void Append(Page& page, const std::string& bytes) {
  const std::uint32_t producer = page.Word(offsetof(xenstore_domain_interface, req_prod));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    page.bytes[MASK_XENSTORE_IDX(producer + i)] = static_cast<std::byte>(bytes[i]);
  }
  page.SetWord(offsetof(xenstore_domain_interface, req_prod),
               producer + static_cast<std::uint32_t>(bytes.size()));
}

void Reconnect(Page& page, veneer::XenstoreGuestRing& ring) {
  page.SetWord(offsetof(xenstore_domain_interface, connection), XENSTORE_RECONNECT);
  ring.Notify();
  VENEER_CHECK(page.Word(offsetof(xenstore_domain_interface, connection)) == XENSTORE_CONNECTED);
}

void Step(FuzzedDataProvider& data, Page& page, veneer::XenstoreGuestRing& ring,
          veneer::XenstoreClient& client) {
  switch (data.ConsumeIntegralInRange(0, 5)) {
    case 0:
      page.SetWord(kWords[data.ConsumeIntegralInRange<std::size_t>(0, std::size(kWords) - 1)],
                   data.ConsumeIntegral<std::uint32_t>());
      break;
    case 1: {
      xsd_sockmsg header{};
      const std::string payload = data.ConsumeRandomLengthString(64);
      header.type = data.ConsumeIntegralInRange<std::uint32_t>(0, XS_TYPE_COUNT);
      header.len = static_cast<std::uint32_t>(payload.size());
      std::string message(sizeof header, '\0');
      std::memcpy(message.data(), &header, sizeof header);
      Append(page, message + payload);
      break;
    }
    case 2:
      Append(page, data.ConsumeRandomLengthString(1100));
      break;
    case 3:
      page.SetWord(offsetof(xenstore_domain_interface, rsp_cons),
                   page.Word(offsetof(xenstore_domain_interface, rsp_prod)));
      break;
    case 4:
      static_cast<void>(client.Write("/local/domain/1/x", "host"));
      break;
    default:
      Reconnect(page, ring);
      break;
  }
  ring.Notify();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  veneer::testing::SilenceLog();
  FuzzedDataProvider data(bytes, size);
  const auto page = std::make_unique<Page>();
  veneer::XenstoreService service;
  veneer::XenstoreClient client(service);
  static_cast<void>(client.Mkdir("/local/domain/1"));
  static_cast<void>(
      client.SetPermissions("/local/domain/1", veneer::XsPrivate(veneer::kGuestDomId)));
  veneer::XenstoreGuestRing ring(service, veneer::kGuestDomId, page->bytes, [] {});
  while (data.remaining_bytes() > 0) {
    Step(data, *page, ring, client);
  }
  Reconnect(*page, ring);
  const auto usage = service.UsageOf(veneer::kGuestDomId);
  VENEER_CHECK(usage.watches == 0 && usage.transactions == 0);
  return 0;
}
