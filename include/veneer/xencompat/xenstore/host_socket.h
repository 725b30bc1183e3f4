// The host's way to xenstore: a UNIX stream socket that Debian's xenstore-utils can use
// (XENSTORED_PATH=SOCKET xenstore-ls).
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/result.h"
#include "veneer/xencompat/xenstore/service.h"

namespace veneer {

// Every client acts as domain 0; the socket has mode 0600.
class XenstoreHostSocket {
 public:
  static constexpr std::size_t kMaxClients = 64;  // further ones are turned away

  // Listens at `path`, served by `loop`. A socket that nobody listens at any more is replaced;
  // anything else at `path` is a UsageError. On the loop's thread, or before it runs.
  static Result<std::unique_ptr<XenstoreHostSocket>> Create(XenstoreService& service,
                                                            EventLoop& loop,
                                                            const std::string& path);
  XenstoreHostSocket(const XenstoreHostSocket&) = delete;
  XenstoreHostSocket& operator=(const XenstoreHostSocket&) = delete;
  // Drops the clients and removes the socket, if it is still ours. On the loop's thread, or while
  // the loop does not run.
  ~XenstoreHostSocket();

 private:
  class Impl;
  explicit XenstoreHostSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace veneer
