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

void Serve(int fd, int stop) {
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
      Serve(peer.get(), stop_.get());
    }
  }
}

}  // namespace veneer::bench
