// One client of a control socket.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "protocol.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/unique_fd.h"
#include "veneer/vmm/control/guest_control.h"
#include "veneer/vmm/control/streams.h"

namespace veneer {

// Takes one request after the other: the next is looked at when the reply to the last one has been
// taken, so that a client holds no more memory than one request and one reply. On the loop's
// thread.
class ControlConnection : public std::enable_shared_from_this<ControlConnection> {
 public:
  // `streams`: null if there are none. `gone`: the client has left, was dropped, or is a stream's
  // now; called at most once, with the descriptor it had.
  ControlConnection(GuestControl& guest, Streams* streams, EventLoop& loop, UniqueFd fd,
                    std::uint64_t stall_ns, std::function<void(int fd)> gone);
  ControlConnection(const ControlConnection&) = delete;
  ControlConnection& operator=(const ControlConnection&) = delete;
  ~ControlConnection();

  Result<void> Open();
  // Leaves the loop. The descriptor is valid if the client is still there and has asked for the
  // guest's end.
  UniqueFd Close();

 private:
  void Serve(std::uint32_t events);
  // False if nothing more can come.
  bool Receive();
  // False when the client is to be dropped.
  bool Send();
  // Carries out what is in `input_`, as far as replies are taken.
  bool Work();
  void HandleLine(std::string_view line);
  // The connection leaves this object, if the client can have what it asks for.
  void BecomeStream(const ControlRequest& request);
  // What a command calls with its outcome, at once or later.
  ControlCommand::Answer Answer();
  void Reply(std::string line);
  bool Listen();
  void ArmStallTimer();
  void Drop();

  GuestControl& guest_;
  Streams* const streams_;
  EventLoop& loop_;
  UniqueFd fd_;
  const int number_;
  const std::uint64_t stall_ns_;
  const std::function<void(int)> gone_;

  std::string input_;   // at most kMaxRequest and an end of line
  std::string output_;  // what the client has not taken of its reply
  bool busy_ = false;   // a reply is still to come
  bool serving_ = false;
  bool ended_ = false;    // the client sends no more, or nothing that makes sense
  bool stopped_ = false;  // it asked for the guest's end
  std::uint32_t listening_ = 0;
  EventLoop::TimerId stall_timer_ = 0;  // 0: none
};

}  // namespace veneer
