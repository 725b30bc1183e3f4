#include "output_queue.h"

#include <iterator>
#include <utility>

namespace veneer {

std::span<const std::byte> OutputQueue::Front() const {
  if (frames_.empty()) {
    return {};
  }
  const std::string& bytes = frames_.front().bytes;
  return std::as_bytes(std::span(bytes.data(), bytes.size())).subspan(sent_);
}

void OutputQueue::Consume(std::size_t count) {
  if (count == 0) {
    return;
  }
  Frame& frame = frames_.front();
  if (frame.event && sent_ == 0) {
    waiting_events_.erase(frame.bytes);
  }
  sent_ += count;
  if (sent_ < frame.bytes.size()) {
    return;
  }
  (frame.event ? event_bytes_ : reply_bytes_) -= frame.bytes.size();
  frames_.pop_front();
  sent_ = 0;
}

void OutputQueue::BeginReply() {
  was_empty_ = frames_.empty();
  last_before_reply_ = was_empty_ ? frames_.end() : std::prev(frames_.end());
}

void OutputQueue::EndReply(std::string reply) {
  reply_bytes_ += reply.size();
  const auto at = was_empty_ ? frames_.begin() : std::next(last_before_reply_);
  frames_.insert(at, Frame{std::move(reply), false});
}

bool OutputQueue::AddEvent(std::string event) {
  if (waiting_events_.count(event) > 0) {
    return false;
  }
  event_bytes_ += event.size();
  frames_.push_back(Frame{std::move(event), true});
  waiting_events_.insert(frames_.back().bytes);
  return true;
}

}  // namespace veneer
