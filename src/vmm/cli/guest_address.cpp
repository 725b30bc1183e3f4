#include "guest_address.h"

#include "veneer/vmm/control/control_socket.h"

namespace veneer {

Result<std::string> SocketOf(const GuestAddress& guest) {
  if (!guest.socket.empty()) {
    return guest.socket;
  }
  if (!IsGuestName(guest.name)) {
    return UsageError("'{}' cannot be a guest's name", guest.name);
  }
  return DefaultControlSocket(guest.name);
}

tl::unexpected<Error> NoSuchGuest(const GuestAddress& guest, const std::string& path) {
  return HostError("no guest '{}' is running (nobody listens at '{}')", guest.name, path);
}

bool HasEnded(const GuestAddress& guest) { return !ConnectTo(guest); }

Result<std::unique_ptr<ControlClient>> ConnectTo(const GuestAddress& guest) {
  VENEER_TRY_ASSIGN(const std::string path, SocketOf(guest));
  VENEER_TRY_ASSIGN(std::unique_ptr<ControlClient> client, ControlClient::Connect(path));
  if (client == nullptr) {
    return NoSuchGuest(guest, path);
  }
  return client;
}

}  // namespace veneer
