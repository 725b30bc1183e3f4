// Answers requests at a guest's control socket. The protocol is in src/vmm/control/README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/control/control_socket.h"
#include "veneer/vmm/control/guest_control.h"
#include "veneer/vmm/control/streams.h"

namespace veneer {

// All on the loop's thread. No client can make it wait.
class ControlServer {
 public:
  struct Options {
    std::size_t max_clients = 16;  // further ones are turned away
    // A client that does not take its reply for this long is dropped, ns.
    std::uint64_t stall_ns = 30'000'000'000;
    Streams* streams = nullptr;  // null: the guest has none; it outlives the server
  };

  // All must outlive the server.
  static Result<std::unique_ptr<ControlServer>> Create(ControlSocket& socket, GuestControl& guest,
                                                       EventLoop& loop, const Options& options);
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  // Drops the clients, but for those that asked for the guest's end: the socket keeps these.
  ~ControlServer();

 private:
  class Impl;
  explicit ControlServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace veneer
