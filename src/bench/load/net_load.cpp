#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "load.h"

namespace veneer::bench {
namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10U;  // bytes of one read or write
// A peer that says nothing for this long is gone.
constexpr timeval kPatience{.tv_sec = 30, .tv_usec = 0};

class Connection {
 public:
  Connection() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(fd_); }

  int fd() const { return fd_; }
  bool Open(const NetLoad& load) {
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_port = htons(load.port);
    if (inet_pton(AF_INET, load.address.c_str(), &server.sin_addr) != 1) {
      errno = EINVAL;
      return false;
    }
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    const char kind = static_cast<char>(load.kind);
    return connect(fd_, reinterpret_cast<const sockaddr*>(&server), sizeof server) == 0 &&
           send(fd_, &kind, 1, MSG_NOSIGNAL) == 1;
  }

 private:
  const int fd_;
};

bool Send(int fd, std::vector<char>& block, std::uint64_t end_ns, LoadResult& result) {
  while (NowNs() < end_ns) {
    const ssize_t sent = send(fd, block.data(), block.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    ++result.operations;
  }
  // The server says what it has, once it has seen the end.
  shutdown(fd, SHUT_WR);
  std::uint64_t got_there = 0;
  if (recv(fd, &got_there, sizeof got_there, MSG_WAITALL) != sizeof got_there) {
    return false;
  }
  result.bytes = got_there;
  return true;
}

bool Receive(int fd, std::vector<char>& block, std::uint64_t end_ns, LoadResult& result) {
  do {
    const ssize_t got = recv(fd, block.data(), block.size(), 0);
    if (got <= 0) {
      return false;
    }
    ++result.operations;
    result.bytes += static_cast<std::uint64_t>(got);
  } while (NowNs() < end_ns);
  return true;
}

bool Echo(int fd, std::uint64_t end_ns, LoadResult& result) {
  do {
    char byte = 0;
    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1) {
      return false;
    }
    ++result.operations;
    result.bytes += 1;
  } while (NowNs() < end_ns);
  return true;
}

}  // namespace

LoadResult RunNetLoad(const NetLoad& load) {
  Connection connection;
  if (!connection.Open(load)) {
    return LoadFailure("connect to " + load.address);
  }
  std::vector<char> block(kBlock, 'v');
  LoadResult result;
  const std::uint64_t start = NowNs();
  const std::uint64_t end = start + load.ns;
  bool good = false;
  switch (load.kind) {
    case NetKind::kSend:
      good = Send(connection.fd(), block, end, result);
      break;
    case NetKind::kReceive:
      good = Receive(connection.fd(), block, end, result);
      break;
    case NetKind::kEcho:
      good = Echo(connection.fd(), end, result);
      break;
  }
  if (!good) {
    return LoadFailure("reach " + load.address);
  }
  result.ns = NowNs() - start;
  return result;
}

}  // namespace veneer::bench
