#include "load_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>

#include "load.h"
#include "veneer/vmm/base/thread.h"

namespace veneer::bench {
namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10U;  // bytes

// Waits for `fd`; false when the server is to end.
bool WaitFor(int fd, short what, int stop) {
  std::array<pollfd, 2> files{{{fd, what, 0}, {stop, POLLIN, 0}}};
  while (poll(files.data(), files.size(), -1) < 0) {
  }
  return files[1].revents == 0;
}

// What `call` returns, once it need not wait; negative at the end of the connection or server.
template <typename Call>
ssize_t Repeat(int fd, short what, int stop, Call call) {
  for (;;) {
    const ssize_t done = call();
    if (done >= 0 || (errno != EAGAIN && errno != EINTR)) {
      return done;
    }
    if (!WaitFor(fd, what, stop)) {
      return -1;
    }
  }
}

// The datagrams beside a connection, which last until that or the server ends.
class Datagrams {
 public:
  Datagrams(int fd, int connection, int stop)
      : fd_(fd), files_{{{fd, POLLIN, 0}, {connection, POLLIN, 0}, {stop, POLLIN, 0}}} {}

  std::uint64_t Count() {
    std::uint64_t total = 0;
    while (Wait(-1)) {
      while (recv(fd_, datagram_.data(), datagram_.size(), MSG_DONTWAIT) >= 0) {
        ++total;
      }
    }
    return total;
  }
  // To whoever sends the first.
  void Send() {
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    auto* const any = reinterpret_cast<sockaddr*>(&peer);
    if (!Wait(-1) ||
        recvfrom(fd_, datagram_.data(), datagram_.size(), MSG_DONTWAIT, any, &length) < 0) {
      return;
    }
    files_[0].fd = -1;  // what else comes is of no interest
    while (Wait(0)) {
      constexpr int kAtOnce = 64;
      for (int i = 0; i < kAtOnce; ++i) {
        static_cast<void>(
            sendto(fd_, datagram_.data(), datagram_.size(), MSG_DONTWAIT, any, length));
      }
      // On a host with few processors those who are to receive them must get one.
      sched_yield();
    }
    // That the next load's count begins with none of them.
    while (recv(fd_, datagram_.data(), datagram_.size(), MSG_DONTWAIT) >= 0) {
    }
  }

 private:
  // Waits for datagrams for so long; false at the end.
  bool Wait(int timeout_ms) {
    while (poll(files_.data(), files_.size(), timeout_ms) < 0) {
    }
    return files_[1].revents == 0 && files_[2].revents == 0;
  }

  const int fd_;
  std::array<pollfd, 3> files_;
  std::array<char, kDatagramBytes> datagram_{};
};

void Serve(int fd, int datagrams, int stop) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::vector<char> block(kBlock, 'v');
  const auto receive = [&](std::size_t most) {
    return Repeat(fd, POLLIN, stop, [&] { return recv(fd, block.data(), most, MSG_DONTWAIT); });
  };
  const auto transmit = [&](const void* data, std::size_t bytes) {
    return Repeat(fd, POLLOUT, stop,
                  [&] { return send(fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL); });
  };
  if (receive(1) != 1) {
    return;
  }
  switch (static_cast<NetKind>(block[0])) {
    case NetKind::kSend: {
      std::uint64_t total = 0;
      for (ssize_t got = 0; (got = receive(kBlock)) > 0;) {
        total += static_cast<std::uint64_t>(got);
      }
      transmit(&total, sizeof total);
      break;
    }
    case NetKind::kReceive:
      while (transmit(block.data(), block.size()) > 0) {
      }
      break;
    case NetKind::kEcho:
      while (receive(1) == 1 && transmit(block.data(), 1) == 1) {
      }
      break;
    case NetKind::kSendDatagrams: {
      const std::uint64_t total = Datagrams(datagrams, fd, stop).Count();
      transmit(&total, sizeof total);
      break;
    }
    case NetKind::kReceiveDatagrams:
      Datagrams(datagrams, fd, stop).Send();
      break;
  }
}

}  // namespace

Result<std::unique_ptr<LoadServer>> LoadServer::Start() {
  std::unique_ptr<LoadServer> server(new LoadServer());
  server->stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
  server->listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t length = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (!server->stop_.valid() || !server->listener_.valid() ||
      bind(server->listener_.get(), any, length) != 0 || listen(server->listener_.get(), 4) != 0 ||
      getsockname(server->listener_.get(), any, &length) != 0) {
    return ErrnoError(errno, "cannot listen for the network's load");
  }
  server->port_ = ntohs(address.sin_port);
  server->datagrams_ = UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!server->datagrams_.valid() || bind(server->datagrams_.get(), any, length) != 0) {
    return ErrnoError(errno, "cannot take datagrams for the network's load");
  }
  VENEER_TRY_ASSIGN(server->thread_,
                    StartThread(ThreadKind::kHelper, "load", [raw = server.get()] { raw->Run(); }));
  return server;
}

LoadServer::~LoadServer() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    static_cast<void>(!write(stop_.get(), &one, sizeof one));
    thread_.join();
  }
}

void LoadServer::Run() {
  while (WaitFor(listener_.get(), POLLIN, stop_.get())) {
    const UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (peer.valid()) {
      Serve(peer.get(), datagrams_.get(), stop_.get());
    }
  }
}

}  // namespace veneer::bench
