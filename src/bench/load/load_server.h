// The peer of RunNetLoad(), on the host.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::bench {

// Serves one connection after the other, on a thread of its own, until it is destroyed.
class LoadServer {
 public:
  // Listens on all addresses of this network namespace.
  static Result<std::unique_ptr<LoadServer>> Start();
  LoadServer(const LoadServer&) = delete;
  LoadServer& operator=(const LoadServer&) = delete;
  ~LoadServer();

  std::uint16_t port() const { return port_; }

 private:
  LoadServer() = default;
  void Run();

  UniqueFd listener_;
  UniqueFd datagrams_;  // UDP, on the same port
  UniqueFd stop_;       // an eventfd
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace veneer::bench
