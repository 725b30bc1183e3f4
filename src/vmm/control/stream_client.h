// A client of the control socket whose connection has become a stream.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "stream_source.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// Never waits for the client: what that does not take stays with the source, which forgets it in
// time. On the loop's thread; the loop may go and another one come.
class StreamClient : public std::enable_shared_from_this<StreamClient> {
 public:
  struct Plan {
    StreamSource* source = nullptr;
    bool writes = false;   // it may
    std::string greeting;  // what it gets first
  };
  // `input` is what it has sent already. `gone`: it has left, or was dropped; called at most once.
  // A client that takes nothing of what there is for `stall_ns` is dropped.
  StreamClient(Plan plan, UniqueFd fd, std::string input, std::uint64_t stall_ns,
               std::function<void(int fd)> gone);
  StreamClient(const StreamClient&) = delete;
  StreamClient& operator=(const StreamClient&) = delete;
  ~StreamClient();

  void Attach(EventLoop& loop);
  void Detach();
  // The source has something new, or takes more.
  void Serve();
  // Sends what can be sent at once. False: the client has left.
  bool Flow();
  bool behind() const { return behind_; }
  bool Reads(const StreamSource& source) const { return &source == &source_; }
  int fd() const { return number_; }

 private:
  void OnReady(std::uint32_t events);
  // Both false if the client has left.
  bool TakeInput();
  bool SendPending();
  // What a client that has left had sent before.
  void TakeTheRest();
  void HandOnInput();
  void StopWriting();
  void Listen();
  void WatchStall();
  void Drop();

  StreamSource& source_;
  UniqueFd fd_;
  const int number_;
  const std::uint64_t stall_ns_;
  const std::function<void(int)> gone_;
  EventLoop* loop_ = nullptr;  // null: between two lives of the guest

  std::uint64_t position_;
  std::string pending_;  // of a piece or so
  std::size_t sent_ = 0;
  bool behind_ = true;            // there may be more to send
  bool moved_ = false;            // it has taken something since the timer was set
  std::vector<std::byte> input_;  // at most one read's worth
  bool writes_;
  bool input_ended_ = false;
  std::uint32_t listening_ = 0;
  EventLoop::TimerId stall_timer_ = 0;  // 0: none
};

}  // namespace veneer
