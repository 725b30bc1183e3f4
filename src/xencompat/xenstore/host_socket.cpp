#include "veneer/xencompat/xenstore/host_socket.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <map>
#include <utility>

#include "service_state.h"
#include "socket_file.h"
#include "veneer/vmm/base/listener.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

// One tool on the host. All but the connection's notices happen on the loop's thread.
class SocketClient : public std::enable_shared_from_this<SocketClient> {
 public:
  SocketClient(XenstoreService& service, EventLoop& loop, UniqueFd fd,
               std::function<void(int fd)> gone)
      : service_(service), loop_(loop), fd_(std::move(fd)), gone_(std::move(gone)) {}

  Result<void> Open() {
    {
      StoreLock lock(service_.state());
      connection_ = std::make_unique<Connection>(
          service_.state().store, service_.state().counters, kHostDomId,
          Connection::Kind::kHostSocket, [this] {
            service_.state().mutex.AssertHeld();
            service_.state().deliveries.push_back([weak = weak_from_this(), &loop = loop_] {
              loop.Post([weak] {
                if (const auto self = weak.lock()) {
                  self->Serve();
                }
              });
            });
          });
    }
    return Listen(EPOLLIN);
  }

  // Also once it is closed.
  void Close() {
    if (!fd_.valid()) {
      return;
    }
    loop_.RemoveFd(fd_.get());
    StoreLock lock(service_.state());
    connection_.reset();
    fd_.Reset();
  }

  // Receives, handles and sends as far as that goes without waiting.
  void Serve() {
    if (!fd_.valid()) {
      return;
    }
    do {
      if (!Send() || !Receive() || !Send()) {
        Drop();
        return;
      }
    } while (!input_.empty() && !sending_);
    // While the tool does not read its replies, its requests wait too.
    const std::uint32_t events = (input_.empty() ? EPOLLIN : 0U) | (sending_ ? EPOLLOUT : 0U);
    if (events != events_ && !Listen(events)) {
      Drop();
    }
  }

 private:
  Result<void> Listen(std::uint32_t events) {
    loop_.RemoveFd(fd_.get());
    events_ = events;
    return loop_.AddFd(fd_.get(), events, [weak = weak_from_this()](std::uint32_t) {
      if (const auto self = weak.lock()) {
        self->Serve();
      }
    });
  }

  void Drop() {
    // The owner forgets this object, which is still in use here.
    const auto self = shared_from_this();
    const int fd = fd_.get();
    Close();
    gone_(fd);
  }

  // False when the client is to be dropped.
  bool Receive() {
    if (input_.empty()) {
      std::array<std::byte, 16384> buffer;
      const ssize_t count = recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        return false;
      }
      if (count > 0) {
        input_.assign(buffer.begin(), buffer.begin() + count);
      }
    }
    StoreLock lock(service_.state());
    const std::size_t taken = connection_->Feed(input_);
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(taken));
    return !connection_->broken();
  }

  bool Send() {
    StoreLock lock(service_.state());
    sending_ = false;
    while (!connection_->Output().empty()) {
      const auto output = connection_->Output();
      const ssize_t count = send(fd_.get(), output.data(), output.size(), MSG_NOSIGNAL);
      if (count < 0) {
        sending_ = errno == EAGAIN || errno == EINTR;
        return sending_;
      }
      connection_->ConsumeOutput(static_cast<std::size_t>(count));
    }
    return !connection_->broken();
  }

  XenstoreService& service_;
  EventLoop& loop_;
  UniqueFd fd_;
  const std::function<void(int)> gone_;
  std::unique_ptr<Connection> connection_;  // used under the lock of the store
  std::vector<std::byte> input_;            // received and not handled yet
  bool sending_ = false;                    // the socket's buffer is full
  std::uint32_t events_ = 0;
};

}  // namespace

class XenstoreHostSocket::Impl {
 public:
  Impl(XenstoreService& service, EventLoop& loop, SocketFile file)
      : service_(service),
        loop_(loop),
        file_(std::move(file)),
        listener_(loop, file_.fd(), "xenstore socket",
                  [this](UniqueFd fd) { Accept(std::move(fd)); }) {}

  ~Impl() {
    for (const auto& [fd, client] : clients_) {
      client->Close();
    }
  }

  Result<void> Open() { return listener_.Start(); }

 private:
  void Accept(UniqueFd fd) {
    if (clients_.size() >= kMaxClients) {
      LogGuest(limiter_, "xenstore socket: turned a client away, {} are connected", kMaxClients);
      return;
    }
    const int number = fd.get();
    auto client = std::make_shared<SocketClient>(service_, loop_, std::move(fd),
                                                 [this](int gone) { clients_.erase(gone); });
    if (const auto opened = client->Open(); !opened) {
      LogWarning("xenstore socket: {}", opened.error().message);
      client->Close();
      return;
    }
    clients_.emplace(number, std::move(client));
  }

  XenstoreService& service_;
  EventLoop& loop_;
  SocketFile file_;
  std::map<int, std::shared_ptr<SocketClient>> clients_;
  LogLimiter limiter_;
  Listener listener_;
};

XenstoreHostSocket::XenstoreHostSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

XenstoreHostSocket::~XenstoreHostSocket() = default;

Result<std::unique_ptr<XenstoreHostSocket>> XenstoreHostSocket::Create(XenstoreService& service,
                                                                       EventLoop& loop,
                                                                       const std::string& path) {
  Result<SocketFile> file = SocketFile::Listen(path);
  if (!file) {
    return WithContext(std::move(file).error(), "xenstore socket");
  }
  auto impl = std::make_unique<Impl>(service, loop, std::move(file).value());
  VENEER_TRY(impl->Open());
  return std::unique_ptr<XenstoreHostSocket>(new XenstoreHostSocket(std::move(impl)));
}

}  // namespace veneer
