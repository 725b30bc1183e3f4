// One client of the store that speaks the wire protocol, whatever carries its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "output_queue.h"
#include "store.h"
#include "veneer/vmm/base/metrics.h"
#include "wire.h"

namespace veneer {

struct StoreCounters {
  explicit StoreCounters(Metrics& metrics)
      : requests(metrics.Get("xenstore.requests")),
        errors(metrics.Get("xenstore.errors")),
        events(metrics.Get("xenstore.events")),
        events_dropped(metrics.Get("xenstore.events_dropped")),
        broken_connections(metrics.Get("xenstore.broken_connections")) {}
  Counter& requests;
  Counter& errors;
  Counter& events;
  Counter& events_dropped;
  Counter& broken_connections;
};

// Not thread-safe: used under the lock of the store.
class Connection : public WatchSink {
 public:
  enum class Kind {
    kGuest,       // bounded by the quotas; events that it does not read are dropped
    kHostSocket,  // a tool on the host; one that does not read its events is broken
  };
  // What a host tool may leave unread.
  static constexpr std::size_t kHostReplyBytes = 1 << 20;
  static constexpr std::size_t kHostEventBytes = 8 << 20;

  // `on_output` is called, inside Feed() or inside anybody's change of the store, when there is
  // something to send where there was nothing.
  Connection(Store& store, StoreCounters& counters, DomId domain, Kind kind,
             std::function<void()> on_output);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override;

  // Handles the requests in `input`, as far as room for the replies allows; returns the number of
  // bytes taken. What was not taken has to be offered again once output has been consumed.
  std::size_t Feed(std::span<const std::byte> input);
  // The protocol has been broken, or the reader has been given up: nothing is taken any more.
  bool broken() const { return broken_; }
  // Gives the client up: forgets its watches, transactions and output. Not inside Feed().
  void Break();

  std::span<const std::byte> Output() const { return output_.Front(); }
  void ConsumeOutput(std::size_t count) { output_.Consume(count); }

  void OnWatchEvent(std::string_view path, std::string_view token) override;

 private:
  using Payload = XsResult<std::string>;
  struct Request {
    TransactionId tx = 0;
    std::string_view payload;
  };
  struct Row;
  static const Row* FindRow(std::uint32_t type);

  bool Congested() const;
  void Handle(const WireMessage& message);
  Payload Dispatch(const WireMessage& message);

  // One handler per type of request; each returns the payload of the reply.
  Payload Directory(const Request& request);
  Payload DirectoryPart(const Request& request);
  Payload Read(const Request& request);
  Payload Write(const Request& request);
  Payload Mkdir(const Request& request);
  Payload Remove(const Request& request);
  Payload GetPerms(const Request& request);
  Payload SetPerms(const Request& request);
  Payload Watch(const Request& request);
  Payload Unwatch(const Request& request);
  Payload ResetWatches(const Request& request);
  Payload TransactionStart(const Request& request);
  Payload TransactionEnd(const Request& request);
  Payload Introduce(const Request& request);
  Payload Release(const Request& request);
  Payload Resume(const Request& request);
  Payload SetTarget(const Request& request);
  Payload GetDomainPath(const Request& request);
  Payload IsDomainIntroduced(const Request& request);
  Payload Control(const Request& request);

  Store& store_;
  StoreCounters& counters_;
  Kind kind_;
  std::function<void()> on_output_;
  std::unique_ptr<StoreSession> session_;
  WireParser parser_;
  OutputQueue output_;
  bool broken_ = false;
};

}  // namespace veneer
