// What one connection still has to say: replies and watch events as bytes, in order.
#pragma once

#include <cstddef>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>

namespace veneer {

class OutputQueue {
 public:
  bool empty() const { return frames_.empty(); }
  std::size_t reply_bytes() const { return reply_bytes_; }
  std::size_t event_bytes() const { return event_bytes_; }

  // What comes next; empty if there is nothing. Valid until the next change.
  std::span<const std::byte> Front() const;
  // The first `count` bytes of Front() have been sent.
  void Consume(std::size_t count);

  // From here to EndReply() one request is handled: its reply goes before the events it caused.
  void BeginReply();
  void EndReply(std::string reply);

  // False if an identical event is waiting already: a reader learns nothing from a second one.
  bool AddEvent(std::string event);

 private:
  struct Frame {
    std::string bytes;
    bool event = false;
  };

  std::list<Frame> frames_;
  std::size_t sent_ = 0;  // bytes of the first frame
  // Views into the waiting events of which nothing has been sent yet.
  std::unordered_set<std::string_view> waiting_events_;
  std::list<Frame>::iterator last_before_reply_;
  bool was_empty_ = true;
  std::size_t reply_bytes_ = 0;
  std::size_t event_bytes_ = 0;
};

}  // namespace veneer
