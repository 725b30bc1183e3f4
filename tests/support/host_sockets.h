// Sockets at the host's loopback for tests of networks. None waits longer than a test's patience.
#pragma once

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::testing {

// A socket with a name, or at a port of its own.
class HostSocket {
 public:
  // `type`: SOCK_STREAM (listening) or SOCK_DGRAM.
  static HostSocket Bound(int type) {
    HostSocket host(type);
    sockaddr_in any = Loopback(0);
    VENEER_CHECK(bind(host.fd(), reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
    VENEER_CHECK(type != SOCK_STREAM || listen(host.fd(), 16) == 0);
    return host;
  }
  // Connected to a port of the loopback's; CHECKs that it can be.
  static HostSocket Connected(int type, std::uint16_t port) {
    HostSocket host(type);
    sockaddr_in peer = Loopback(port);
    VENEER_CHECK(connect(host.fd(), reinterpret_cast<sockaddr*>(&peer), sizeof peer) == 0);
    return host;
  }
  // Of no file once the listening socket has been shut down.
  HostSocket Accept() const {
    return HostSocket(UniqueFd(accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC)));
  }

  int fd() const { return fd_.get(); }
  std::uint16_t port() const {
    sockaddr_in own{};
    socklen_t size = sizeof own;
    VENEER_CHECK(getsockname(fd(), reinterpret_cast<sockaddr*>(&own), &size) == 0);
    return ntohs(own.sin_port);
  }
  void Close() { fd_.Reset(); }

 private:
  explicit HostSocket(int type) : HostSocket(UniqueFd(socket(AF_INET, type | SOCK_CLOEXEC, 0))) {}
  explicit HostSocket(UniqueFd fd) : fd_(std::move(fd)) {
    if (!fd_.valid()) {
      return;
    }
    const timeval patience{60, 0};
    VENEER_CHECK(setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    VENEER_CHECK(setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0);
  }
  static sockaddr_in Loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  UniqueFd fd_;
};

}  // namespace veneer::testing
