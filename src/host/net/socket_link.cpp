#include "socket_link.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>

#include "plain_frame.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/unix_socket.h"

namespace veneer {
namespace {

// What passt announces.
constexpr std::uint32_t kDefaultMtu = 65520;
constexpr std::size_t kLength = sizeof(std::uint32_t);
// How much is received at a time: several frames, if there are.
constexpr std::size_t kInput = 2 * (kLength + kMaxFrame);

}  // namespace

// One thread at a time.
class SocketLink::Stream {
 public:
  Stream(std::string path, UniqueFd socket, UniqueFd epoll)
      : path_(std::move(path)), socket_(std::move(socket)), epoll_(std::move(epoll)) {}

  NetSent Send(const virtio_net_hdr& header, std::span<const iovec> frame);
  std::optional<std::size_t> Receive(std::span<const iovec> room);
  bool Arm();
  // Sends what is left of a frame; false if there still is something.
  bool Flush();
  int ready_fd() const { return epoll_.get(); }

 private:
  // Nothing: no whole frame is there.
  std::optional<std::span<const std::byte>> NextFrame();
  // False if nothing has come.
  bool Fill();
  // The link is dead from now on: frames go nowhere.
  void Break(const std::string& why);
  void Watch(std::uint32_t events);

  const std::string path_;
  UniqueFd socket_;
  const UniqueFd epoll_;  // holds the socket
  std::uint32_t watched_ = 0;
  bool broken_ = false;
  bool drained_ = false;  // Receive() had nothing when last asked

  std::vector<std::byte> output_ = std::vector<std::byte>(kLength + kMaxFrame);
  std::span<const std::byte> unsent_;  // in output_
  std::vector<std::byte> input_ = std::vector<std::byte>(kInput);
  std::size_t begin_ = 0;  // of what has been received and not been given out
  std::size_t end_ = 0;
};

NetSent SocketLink::Stream::Send(const virtio_net_hdr& header, std::span<const iovec> frame) {
  if (!Flush()) {
    return NetSent::kFull;
  }
  const auto plain = TakePlainFrame(header, frame, std::span(output_).subspan(kLength));
  if (!plain) {
    return NetSent::kRefused;
  }
  const std::uint32_t length = htonl(static_cast<std::uint32_t>(plain->size()));
  std::memcpy(output_.data(), &length, kLength);
  unsent_ = std::span(output_).first(kLength + plain->size());
  static_cast<void>(Flush());  // the rest goes when there is room
  return NetSent::kSent;
}

bool SocketLink::Stream::Flush() {
  while (!unsent_.empty() && !broken_) {
    const ssize_t count =
        send(socket_.get(), unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) {
      unsent_ = unsent_.subspan(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      return false;
    } else if (errno != EINTR) {
      Break(std::strerror(errno));
    }
  }
  unsent_ = {};
  return true;
}

std::optional<std::size_t> SocketLink::Stream::Receive(std::span<const iovec> room) {
  auto frame = NextFrame();
  while (!frame && Fill()) {
    frame = NextFrame();
  }
  drained_ = !frame;
  if (!frame) {
    return std::nullopt;
  }
  return frame->size() < kMinFrame ? 0 : PutFrame(*frame, room);
}

std::optional<std::span<const std::byte>> SocketLink::Stream::NextFrame() {
  std::uint32_t length = 0;
  if (end_ - begin_ < kLength) {
    return std::nullopt;
  }
  std::memcpy(&length, input_.data() + begin_, kLength);
  length = ntohl(length);
  if (length > kMaxFrame) {
    Break(fmt::format("it sends a frame of {} bytes", length));
    return std::nullopt;
  }
  if (end_ - begin_ - kLength < length) {
    return std::nullopt;
  }
  const std::span<const std::byte> frame(input_.data() + begin_ + kLength, length);
  begin_ += kLength + length;
  return frame;
}

bool SocketLink::Stream::Fill() {
  if (broken_) {
    return false;
  }
  if (begin_ > 0) {
    std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  const ssize_t count =
      recv(socket_.get(), input_.data() + end_, input_.size() - end_, MSG_DONTWAIT);
  if (count > 0) {
    end_ += static_cast<std::size_t>(count);
    return true;
  }
  if (count == 0) {
    Break("it has closed the connection");
  } else if (errno != EAGAIN && errno != EINTR) {
    Break(std::strerror(errno));
  }
  return false;
}

void SocketLink::Stream::Break(const std::string& why) {
  if (!std::exchange(broken_, true)) {
    LogWarning("the network server at '{}' is lost ({}): the NIC stays without a network", path_,
               why);
  }
  begin_ = end_ = 0;
  unsent_ = {};
  Watch(0);
}

void SocketLink::Stream::Watch(std::uint32_t events) {
  if (events == watched_) {
    return;
  }
  epoll_event event{};
  event.events = events;
  // Out of it altogether, because a hang-up is told even when nothing is asked for.
  const int operation = events == 0 ? EPOLL_CTL_DEL : watched_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  VENEER_CHECK(epoll_ctl(epoll_.get(), operation, socket_.get(), &event) == 0);
  watched_ = events;
}

bool SocketLink::Stream::Arm() {
  if (broken_) {
    return false;
  }
  // What the owner has left there must not wake it.
  Watch((drained_ ? EPOLLIN : 0U) | (unsent_.empty() ? 0U : EPOLLOUT));
  epoll_event event{};
  if (epoll_wait(epoll_.get(), &event, 1, 0) <= 0) {
    return false;
  }
  drained_ = drained_ && (event.events & ~EPOLLOUT) == 0;
  static_cast<void>(Flush());
  return true;
}

class SocketLink::Channel final : public NetChannel {
 public:
  explicit Channel(Stream& stream) : stream_(stream) {}
  NetSent Send(const virtio_net_hdr& header, std::span<const iovec> frame) override {
    return stream_.Send(header, frame);
  }
  std::optional<std::size_t> Receive(virtio_net_hdr& header, std::span<const iovec> room) override {
    header = {};
    return stream_.Receive(room);
  }
  bool Arm() override { return stream_.Arm(); }
  void OnReady() override { static_cast<void>(stream_.Flush()); }
  int ready_fd() const override { return stream_.ready_fd(); }

 private:
  Stream& stream_;
};

SocketLink::SocketLink(std::unique_ptr<Stream> stream, Facts facts)
    : stream_(std::move(stream)), facts_(std::move(facts)) {}

SocketLink::~SocketLink() = default;

Result<std::unique_ptr<NetLink>> SocketLink::Open(const SocketNet& net, const NetConfig& config) {
  VENEER_TRY_ASSIGN(const UnixAddress address, UnixAddress::Of(net.path));
  UniqueFd socket = MakeUnixSocket(0);
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!socket.valid() || !epoll.valid()) {
    return ErrnoError(errno, "cannot make a socket");
  }
  if (connect(socket.get(), address.generic(), sizeof address.value) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) {
      return UsageError("no network server listens at '{}' (passt is started before the guest)",
                        net.path);
    }
    return ErrnoError(errno, fmt::format("cannot connect to the network server at '{}'", net.path));
  }
  auto stream = std::make_unique<Stream>(net.path, std::move(socket), std::move(epoll));
  return std::unique_ptr<NetLink>(
      new SocketLink(std::move(stream), {.name = net.path,
                                         .offloads = false,
                                         .queues = 1,
                                         .mtu = config.mtu != 0 ? config.mtu : kDefaultMtu}));
}

Result<std::unique_ptr<NetChannel>> SocketLink::OpenChannel(unsigned queue) {
  VENEER_CHECK(queue == 0);
  return std::make_unique<Channel>(*stream_);
}

}  // namespace veneer
