#include "veneer/vmm/control/control_server.h"

#include <sys/socket.h>

#include <map>
#include <utility>

#include "control_connection.h"
#include "protocol.h"
#include "veneer/vmm/base/listener.h"
#include "veneer/vmm/base/log.h"

namespace veneer {

class ControlServer::Impl {
 public:
  Impl(ControlSocket& socket, GuestControl& guest, EventLoop& loop, const Options& options)
      : socket_(socket),
        guest_(guest),
        loop_(loop),
        options_(options),
        listener_(loop, socket.fd(), "control socket",
                  [this](UniqueFd fd) { Accept(std::move(fd)); }) {}

  ~Impl() {
    for (const auto& [number, client] : clients_) {
      if (UniqueFd fd = client->Close(); fd.valid()) {
        socket_.CloseAfterRelease(std::move(fd));
      }
    }
  }

  Result<void> Open() { return listener_.Start(); }

 private:
  void Accept(UniqueFd fd) {
    if (clients_.size() >= options_.max_clients) {
      const std::string refusal = ErrorReply("too many clients are connected") + "\n";
      static_cast<void>(send(fd.get(), refusal.data(), refusal.size(), MSG_NOSIGNAL));
      return;
    }
    const int number = fd.get();
    auto client = std::make_shared<ControlConnection>(guest_, options_.streams, loop_,
                                                      std::move(fd), options_.stall_ns,
                                                      [this](int gone) { clients_.erase(gone); });
    if (const Result<void> opened = client->Open(); !opened) {
      LogWarning("control socket: {}", opened.error().message);
      return;
    }
    clients_.emplace(number, std::move(client));
  }

  ControlSocket& socket_;
  GuestControl& guest_;
  EventLoop& loop_;
  const Options options_;
  std::map<int, std::shared_ptr<ControlConnection>> clients_;  // by descriptor
  Listener listener_;
};

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ControlServer::~ControlServer() = default;

Result<std::unique_ptr<ControlServer>> ControlServer::Create(ControlSocket& socket,
                                                             GuestControl& guest, EventLoop& loop,
                                                             const Options& options) {
  auto impl = std::make_unique<Impl>(socket, guest, loop, options);
  VENEER_TRY(impl->Open());
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

}  // namespace veneer
