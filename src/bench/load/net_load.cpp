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

bool ServerAddress(const NetLoad& load, sockaddr_in& server) {
  server.sin_family = AF_INET;
  server.sin_port = htons(load.port);
  if (inet_pton(AF_INET, load.address.c_str(), &server.sin_addr) != 1) {
    errno = EINVAL;
    return false;
  }
  return true;
}

// The way of datagrams, beside a Connection.
class DatagramSocket {
 public:
  DatagramSocket() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;
  ~DatagramSocket() { close(fd_); }

  int fd() const { return fd_; }
  bool Open(const NetLoad& load) {
    sockaddr_in server{};
    // One that got lost, before the server's neighbour knew its address, is made good by another.
    constexpr timeval kAgain{.tv_sec = 0, .tv_usec = 200'000};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kAgain, sizeof kAgain);
    return ServerAddress(load, server) &&
           connect(fd_, reinterpret_cast<const sockaddr*>(&server), sizeof server) == 0;
  }

 private:
  const int fd_;
};

class Connection {
 public:
  Connection() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(fd_); }

  int fd() const { return fd_; }
  bool Open(const NetLoad& load) {
    sockaddr_in server{};
    if (!ServerAddress(load, server)) {
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

// The server says what it has, once it has seen the end.
bool EndSending(int fd, std::uint64_t& got_there) {
  shutdown(fd, SHUT_WR);
  return recv(fd, &got_there, sizeof got_there, MSG_WAITALL) == sizeof got_there;
}

bool Send(int fd, std::vector<char>& block, std::uint64_t end_ns, LoadResult& result) {
  while (NowNs() < end_ns) {
    const ssize_t sent = send(fd, block.data(), block.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    ++result.operations;
  }
  return EndSending(fd, result.bytes);
}

bool SendDatagrams(int fd, int datagrams, std::uint64_t end_ns, LoadResult& result) {
  const std::array<char, kDatagramBytes> datagram{};
  while (NowNs() < end_ns) {
    static_cast<void>(send(datagrams, datagram.data(), datagram.size(), 0));
  }
  if (!EndSending(fd, result.operations)) {
    return false;
  }
  result.bytes = result.operations * kDatagramBytes;
  return true;
}

void ReceiveDatagrams(int datagrams, std::uint64_t end_ns, LoadResult& result) {
  std::array<char, kDatagramBytes> datagram{};
  do {
    if (result.operations == 0) {
      // Where to send to.
      static_cast<void>(send(datagrams, datagram.data(), datagram.size(), 0));
    }
    if (recv(datagrams, datagram.data(), datagram.size(), 0) > 0) {
      ++result.operations;
      result.bytes += kDatagramBytes;
    }
  } while (NowNs() < end_ns);
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
  DatagramSocket datagrams;
  if (!datagrams.Open(load)) {
    return LoadFailure("reach " + load.address + " by UDP");
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
    case NetKind::kSendDatagrams:
      good = SendDatagrams(connection.fd(), datagrams.fd(), end, result);
      break;
    case NetKind::kReceiveDatagrams:
      ReceiveDatagrams(datagrams.fd(), end, result);
      good = true;
      break;
  }
  if (!good) {
    return LoadFailure("reach " + load.address);
  }
  result.ns = NowNs() - start;
  return result;
}

}  // namespace veneer::bench
