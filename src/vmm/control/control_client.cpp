#include "veneer/vmm/control/control_client.h"

#include <poll.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <span>

#include "veneer/vmm/base/unix_socket.h"

namespace veneer {
namespace {

// The longest answer a client takes; a listing of xenstore is the longest there is.
constexpr std::size_t kMaxReply = std::size_t{16} << 20U;
constexpr time_t kConnectSeconds = 10;

// Whether `fd` became readable within `limit`.
bool WaitReadable(int fd, std::chrono::milliseconds limit) {
  pollfd readable{fd, POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&readable, 1, static_cast<int>(limit.count()));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

ssize_t ReceiveSome(int fd, std::span<char> buffer) {
  ssize_t count = 0;
  do {
    count = recv(fd, buffer.data(), buffer.size(), 0);
  } while (count < 0 && errno == EINTR);
  return count;
}

}  // namespace

Result<std::unique_ptr<ControlClient>> ControlClient::Connect(const std::string& path) {
  VENEER_TRY_ASSIGN(const UnixAddress address, UnixAddress::Of(path));
  UniqueFd fd = MakeUnixSocket(0);
  if (!fd.valid()) {
    return ErrnoError(errno, "cannot make a socket");
  }
  // Applies to connect() too, which would wait for ever for a process that does not accept.
  const timeval limit{kConnectSeconds, 0};
  static_cast<void>(setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
  if (connect(fd.get(), address.generic(), sizeof address.value) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) {
      return std::unique_ptr<ControlClient>();
    }
    return ErrnoError(errno, fmt::format("cannot connect to '{}'", path));
  }
  return std::unique_ptr<ControlClient>(new ControlClient(std::move(fd)));
}

Result<void> ControlClient::SendLine(std::string_view request) {
  std::string line(request);
  line += '\n';
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t count = send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0 && errno == EPIPE) {
      break;  // turned away; the answer may say why
    }
    if (count < 0) {
      return ErrnoError(errno, "cannot send the request");
    }
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Result<std::string> ControlClient::Begin(std::string_view request,
                                         std::chrono::milliseconds limit) {
  VENEER_TRY(SendLine(request));
  std::string reply;
  // One by one: what follows the line is the stream's.
  for (std::array<char, 1> next{};;) {
    if (!WaitReadable(fd_.get(), limit)) {
      return HostError("no answer within {} seconds", limit.count() / 1000);
    }
    if (ReceiveSome(fd_.get(), next) <= 0 || reply.size() == kMaxReply) {
      return HostError("the connection ended before the answer");
    }
    if (next[0] == '\n') {
      return reply;
    }
    reply += next[0];
  }
}

Result<std::string> ControlClient::Ask(std::string_view request, std::chrono::milliseconds limit) {
  VENEER_TRY(SendLine(request));
  std::string reply;
  std::array<char, 65536> buffer{};
  while (reply.empty() || reply.back() != '\n') {
    if (!WaitReadable(fd_.get(), limit)) {
      return HostError("no answer within {} seconds", limit.count() / 1000);
    }
    const ssize_t count = ReceiveSome(fd_.get(), buffer);
    if (count <= 0) {
      return HostError("the connection ended before the answer");
    }
    if (reply.size() + static_cast<std::size_t>(count) > kMaxReply) {
      return HostError("the answer is longer than {} MiB", kMaxReply >> 20U);
    }
    reply.append(buffer.data(), static_cast<std::size_t>(count));
  }
  reply.pop_back();
  return reply;
}

bool ControlClient::WaitForEnd(std::chrono::milliseconds limit) {
  std::array<char, 256> rest{};
  while (WaitReadable(fd_.get(), limit)) {
    if (ReceiveSome(fd_.get(), rest) <= 0) {
      return true;
    }
  }
  return false;
}

}  // namespace veneer
