#include "claim_name.h"

#include <utility>

#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

constexpr unsigned kMostUnnamed = 1000;

// The first of NAME, NAME-2, NAME-3, … that is free becomes the name.
Result<std::unique_ptr<ControlSocket>> ClaimFreeName(RunOptions& options,
                                                     const std::string& folder) {
  const std::string wish = options.machine.name;
  for (unsigned i = 1; i <= kMostUnnamed; ++i) {
    const std::string name = i == 1 ? wish : fmt::format("{}-{}", wish, i);
    VENEER_TRY_ASSIGN(std::unique_ptr<ControlSocket> socket,
                      ControlSocket::Claim(ControlSocketIn(folder, name)));
    if (socket != nullptr) {
      options.machine.name = name;
      return socket;
    }
  }
  return UsageError("--name: {} guests run without a name; give this one a name", kMostUnnamed);
}

Result<std::unique_ptr<ControlSocket>> ClaimAtUsualPlace(RunOptions& options,
                                                         const Result<std::string>& folder) {
  if (!folder) {
    return tl::unexpected(folder.error());
  }
  return options.name_chosen ? ControlSocket::Claim(ControlSocketIn(*folder, options.machine.name))
                             : ClaimFreeName(options, *folder);
}

}  // namespace

Result<std::unique_ptr<ControlSocket>> ClaimName(RunOptions& options,
                                                 const Result<std::string>& folder) {
  if (options.control_socket == kNoControlSocket) {
    return std::unique_ptr<ControlSocket>();
  }
  if (!options.control_socket.empty()) {
    auto socket = ControlSocket::Claim(options.control_socket);
    if (!socket) {
      return WithContext(std::move(socket).error(), "--control-socket");
    }
    if (*socket == nullptr) {
      return UsageError("--control-socket: another guest that runs listens at '{}'",
                        options.control_socket);
    }
    return socket;
  }
  auto socket = ClaimAtUsualPlace(options, folder);
  if (!socket) {
    // Nobody has asked for it yet.
    LogInfo("'veneer ctl' will not reach this guest: {}", socket.error().message);
    return std::unique_ptr<ControlSocket>();
  }
  if (*socket == nullptr) {
    return UsageError("--name: a guest '{}' is running already; choose another name",
                      options.machine.name);
  }
  return socket;
}

}  // namespace veneer
