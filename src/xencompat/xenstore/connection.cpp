#include "connection.h"

#include <utility>

namespace veneer {

Connection::Connection(Store& store, StoreCounters& counters, DomId domain, Kind kind,
                       std::function<void()> on_output)
    : store_(store),
      counters_(counters),
      kind_(kind),
      on_output_(std::move(on_output)),
      session_(store.Open(domain, kind == Kind::kGuest, *this)) {}

Connection::~Connection() = default;

std::size_t Connection::Feed(std::span<const std::byte> input) {
  const std::size_t offered = input.size();
  while (!input.empty() && !broken_ && !Congested()) {
    const auto message = parser_.Feed(&input);
    if (parser_.failed()) {
      Break();
    } else if (message) {
      Handle(*message);
    }
  }
  return offered - input.size();
}

bool Connection::Congested() const {
  const std::size_t limit = kind_ == Kind::kGuest ? store_.quotas().reply_bytes : kHostReplyBytes;
  return output_.reply_bytes() >= limit;
}

void Connection::Break() {
  if (!broken_) {
    counters_.broken_connections.Add();
  }
  broken_ = true;
  store_.ResetWatches(*session_);
  output_ = OutputQueue();
}

void Connection::Handle(const WireMessage& message) {
  counters_.requests.Add();
  const bool was_empty = output_.empty();
  output_.BeginReply();
  const Payload result = Dispatch(message);
  if (broken_) {
    return;
  }
  xsd_sockmsg header = message.header;
  if (result && result->size() <= XENSTORE_PAYLOAD_MAX) {
    output_.EndReply(EncodeMessage(header, *result));
  } else {
    counters_.errors.Add();
    header.type = XS_ERROR;
    std::string name(XsErrorName(result ? XsError::kTooBig : result.error()));
    name.push_back('\0');
    output_.EndReply(EncodeMessage(header, name));
  }
  if (was_empty) {
    on_output_();
  }
}

void Connection::OnWatchEvent(std::string_view path, std::string_view token) {
  if (broken_) {
    return;
  }
  const std::size_t size = sizeof(xsd_sockmsg) + path.size() + token.size() + 2;
  const std::size_t limit = kind_ == Kind::kGuest ? store_.quotas().event_bytes : kHostEventBytes;
  if (output_.event_bytes() + size > limit) {
    counters_.events_dropped.Add();
    if (kind_ == Kind::kHostSocket) {
      // Its session is in use further up the stack, so the watches stay until it is closed.
      counters_.broken_connections.Add();
      broken_ = true;
      on_output_();
    }
    return;
  }
  std::string payload;
  payload.reserve(size);
  payload.append(path).push_back('\0');
  payload.append(token).push_back('\0');
  const bool was_empty = output_.empty();
  xsd_sockmsg header{};
  header.type = XS_WATCH_EVENT;
  if (output_.AddEvent(EncodeMessage(header, payload))) {
    counters_.events.Add();
    if (was_empty) {
      on_output_();
    }
  }
}

}  // namespace veneer
