// The other end of a guest's control socket.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// One thread.
class ControlClient {
 public:
  // Null if nobody listens at `path`.
  static Result<std::unique_ptr<ControlClient>> Connect(const std::string& path);

  // Sends one request, a line without its end, and returns the line that answers it. Waits at most
  // `limit` for each piece of the answer.
  Result<std::string> Ask(std::string_view request, std::chrono::milliseconds limit);
  // Sends a request that makes the connection a stream, and returns the line that answers it. If
  // that says so, stream() has what comes after it.
  Result<std::string> Begin(std::string_view request, std::chrono::milliseconds limit);
  int stream() const { return fd_.get(); }
  // Waits until the other end closes the connection; false if it has not after `limit`.
  bool WaitForEnd(std::chrono::milliseconds limit);

 private:
  explicit ControlClient(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<void> SendLine(std::string_view request);

  UniqueFd fd_;
};

}  // namespace veneer
