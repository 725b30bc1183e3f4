#include "nbd_connection.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

constexpr std::uint64_t kConnectNs = 10'000'000'000;

// A TCP server that has vanished without a word is noticed after half a minute, and not never.
void NoticeSilence(int fd) {
  const auto set = [fd](int level, int option, int value) {
    // Fails for sockets other than TCP, which need none of it.
    static_cast<void>(setsockopt(fd, level, option, &value, sizeof value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 15);          // s
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);          // s
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);            // probes
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);  // ms
}

}  // namespace

Result<std::unique_ptr<NbdConnection>> NbdConnection::Open(const std::string& uri,
                                                           const std::string& disk) {
  VENEER_TRY_ASSIGN(const NbdApi* api, LoadNbdApi());
  std::unique_ptr<NbdConnection> connection(new NbdConnection(*api));
  VENEER_TRY(connection->Connect(uri, disk));
  VENEER_TRY(connection->LearnFacts(disk));
  return connection;
}

NbdConnection::~NbdConnection() {
  if (handle_ != nullptr) {
    if (api_.aio_is_ready(handle_) > 0) {
      // A goodbye, so that the server need not take the end for an accident.
      static_cast<void>(api_.aio_disconnect(handle_, 0));
    }
    api_.close(handle_);
  }
}

Result<void> NbdConnection::Connect(const std::string& uri, const std::string& disk) {
  handle_ = api_.create();
  if (handle_ == nullptr) {
    return HostError("cannot make an NBD client: {}", api_.get_error());
  }
  // Else each read starts by clearing the guest's pages, which the data then overwrites.
  static_cast<void>(api_.set_pread_initialize(handle_, false));
  const std::uint64_t deadline = HostClock().MonotonicNs() + kConnectNs;
  bool going_on = api_.aio_connect_uri(handle_, uri.c_str()) == 0;
  while (going_on && api_.aio_is_ready(handle_) == 0) {
    const std::uint64_t now = HostClock().MonotonicNs();
    if (now >= deadline) {
      return UsageError(
          "the NBD server of disk '{}' does not answer (does it take one more connection?)", disk);
    }
    const auto wait_ms = static_cast<int>((deadline - now) / 1'000'000 + 1);
    going_on = api_.poll(handle_, wait_ms) >= 0 && !broken();
  }
  if (!going_on) {
    return UsageError("cannot connect disk '{}': {}", disk, api_.get_error());
  }
  NoticeSilence(fd());
  return {};
}

std::uint64_t NbdConnection::BlockSize(int type, std::uint64_t otherwise) const {
  const std::int64_t bytes = api_.get_block_size(handle_, type);
  return bytes > 0 ? static_cast<std::uint64_t>(bytes) : otherwise;
}

Result<void> NbdConnection::LearnFacts(const std::string& disk) {
  const std::int64_t bytes = api_.get_size(handle_);
  if (bytes < 0) {
    return UsageError("the NBD server of disk '{}' does not tell its size: {}", disk,
                      api_.get_error());
  }
  facts_.bytes = static_cast<std::uint64_t>(bytes);
  facts_.least_block = BlockSize(LIBNBD_SIZE_MINIMUM, facts_.least_block);
  facts_.preferred_block = BlockSize(LIBNBD_SIZE_PREFERRED, facts_.preferred_block);
  facts_.largest_block = BlockSize(LIBNBD_SIZE_MAXIMUM, facts_.largest_block);
  facts_.readonly = api_.is_read_only(handle_) > 0;
  facts_.flush = api_.can_flush(handle_) > 0;
  facts_.trim = api_.can_trim(handle_) > 0;
  facts_.several_connections = api_.can_multi_conn(handle_) > 0;
  return {};
}

std::uint32_t NbdConnection::wanted_events() const {
  const unsigned direction = api_.aio_get_direction(handle_);
  return ((direction & LIBNBD_AIO_DIRECTION_READ) != 0 ? EPOLLIN : 0U) |
         ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0 ? EPOLLOUT : 0U);
}

bool NbdConnection::Advance() {
  // Never on trial: told to read when there is nothing, libnbd waits for an answer before it sends
  // on, and the server may be waiting for the rest of a write.
  pollfd socket{fd(), 0, 0};
  static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT);
  socket.events = static_cast<short>(wanted_events());
  if (poll(&socket, 1, 0) <= 0) {
    return false;
  }
  // What fails here shows in broken(). One of the two, since either changes what is wanted.
  if ((socket.revents & ~POLLOUT) != 0) {
    static_cast<void>(api_.aio_notify_read(handle_));
  } else {
    static_cast<void>(api_.aio_notify_write(handle_));
  }
  return true;
}

bool NbdConnection::broken() const {
  return api_.aio_is_dead(handle_) > 0 || api_.aio_is_closed(handle_) > 0;
}

}  // namespace veneer
