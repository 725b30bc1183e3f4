// A guest's byte stream against the store: raw bytes and well-formed messages, with a host that
// changes the tree meanwhile and a reader that may be slow. After every step the quotas must hold,
// and in the end the books must balance.
#include <array>
#include <cstdint>
#include <string>

#include <fuzzer/FuzzedDataProvider.h>

#include "src/xencompat/xenstore/connection.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

class NoEvents : public WatchSink {
 public:
  void OnWatchEvent(std::string_view, std::string_view) override {}
};

XenstoreQuotas SmallQuotas() {
  XenstoreQuotas quotas;
  quotas.nodes = 40;
  quotas.watches = 8;
  quotas.transactions = 4;
  quotas.transaction_nodes = 32;
  quotas.reply_bytes = 2048;
  quotas.event_bytes = 4096;
  return quotas;
}

constexpr std::array<std::string_view, 12> kPaths{
    "a",         "a/b", "a/b/c",   "/local/domain/1", "/local/domain/1/a", "/shared",
    "/shared/x", "/",   "/secret", "/secret/x",       "@releaseDomain",    "/local/domain/1/a/b"};

class Harness {
 public:
  explicit Harness(FuzzedDataProvider& data) : data_(data) {
    host_ = store_.Open(kHostDomId, false, no_events_);
    Must(store_.Mkdir(*host_, 0, "/local/domain/1"));
    Must(store_.SetPermissions(*host_, 0, "/local/domain/1", XsPrivate(kGuestDomId)));
    Must(store_.Mkdir(*host_, 0, "/shared"));
    Must(store_.SetPermissions(*host_, 0, "/shared",
                               XsShared(kHostDomId, kGuestDomId, XsAccess::kBoth)));
    Must(store_.Write(*host_, 0, "/secret/x", "secret"));
    Connect();
  }

  void Step() {
    switch (data_.ConsumeIntegralInRange(0, 7)) {
      case 0:
        Feed(data_.ConsumeRandomLengthString(64));
        break;
      case 1:
        Drain(data_.ConsumeIntegralInRange<std::size_t>(0, 5000));
        break;
      case 2:
        static_cast<void>(store_.Write(*host_, 0, AnyPath(), "host"));
        break;
      case 3:
        static_cast<void>(store_.Remove(*host_, 0, "/local/domain/1/a"));
        break;
      default:
        FeedMessage();
        break;
    }
    CheckLimits();
    if (guest_->broken()) {
      Connect();
    }
  }

  void Finish() {
    guest_.reset();
    VENEER_CHECK(store_.WatchesOf(kGuestDomId) == 0 && store_.TransactionsOf(kGuestDomId) == 0);
    VENEER_CHECK(store_.Read(*host_, 0, "/secret/x").has_value());
    for (const char* path : {"/local", "/shared"}) {
      Must(store_.Remove(*host_, 0, path));
    }
    VENEER_CHECK(store_.NodesOf(kGuestDomId) == 0);
  }

 private:
  static void Must(const XsResult<void>& result) { VENEER_CHECK(result.has_value()); }

  void Connect() {
    guest_.reset();
    guest_ = std::make_unique<Connection>(store_, counters_, kGuestDomId, Connection::Kind::kGuest,
                                          [] {});
  }
  std::string AnyPath() { return std::string(kPaths[data_.ConsumeIntegral<std::uint8_t>() % 12]); }

  void FeedMessage() {
    std::string payload;
    switch (data_.ConsumeIntegralInRange(0, 5)) {
      case 0:
        payload = AnyPath() + '\0';
        break;
      case 1:
        payload = AnyPath() + '\0' + data_.ConsumeRandomLengthString(8) + '\0';
        break;
      case 2:
        payload = AnyPath() + '\0' + "b1" + '\0' + "r0" + '\0';
        break;
      case 3:
        payload = std::string(data_.ConsumeBool() ? "T" : "F") + '\0';
        break;
      case 4:
        payload =
            AnyPath() + '\0' + std::string(data_.ConsumeIntegralInRange<std::size_t>(0, 3000), 'v');
        break;
      default:
        payload = data_.ConsumeRandomLengthString(200);
        break;
    }
    xsd_sockmsg header{};
    header.type = data_.ConsumeIntegralInRange<std::uint32_t>(0, XS_TYPE_COUNT);
    header.tx_id = data_.ConsumeIntegralInRange<std::uint32_t>(0, 6);
    Feed(EncodeMessage(header, payload));
  }

  void Feed(std::string_view bytes) {
    const auto input = std::as_bytes(std::span(bytes.data(), bytes.size()));
    const std::size_t taken = guest_->Feed(input);
    VENEER_CHECK(taken <= input.size());
    if (taken < input.size() && !guest_->broken()) {
      // Left for later; a guest that reads gets on.
      Drain(1U << 20);
      guest_->Feed(input.subspan(taken));
    }
  }

  void Drain(std::size_t bytes) {
    while (bytes > 0 && !guest_->Output().empty()) {
      const std::size_t count = std::min(bytes, guest_->Output().size());
      guest_->ConsumeOutput(count);
      bytes -= count;
    }
  }

  void CheckLimits() const {
    const XenstoreQuotas& quotas = store_.quotas();
    VENEER_CHECK(store_.WatchesOf(kGuestDomId) <= quotas.watches);
    VENEER_CHECK(store_.TransactionsOf(kGuestDomId) <= quotas.transactions);
    // The host's own writes into the guest's tree count for the guest, and are few.
    VENEER_CHECK(store_.NodesOf(kGuestDomId) <= quotas.nodes + kPaths.size());
  }

  FuzzedDataProvider& data_;
  Metrics metrics_;
  StoreCounters counters_{metrics_};
  Store store_{SmallQuotas()};
  NoEvents no_events_;
  std::unique_ptr<StoreSession> host_;
  std::unique_ptr<Connection> guest_;
};

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  FuzzedDataProvider data(bytes, size);
  veneer::Harness harness(data);
  while (data.remaining_bytes() > 0) {
    harness.Step();
  }
  harness.Finish();
  return 0;
}
