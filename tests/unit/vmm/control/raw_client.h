// A client of a control socket that can misbehave.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "veneer/vmm/base/unique_fd.h"
#include "veneer/vmm/base/unix_socket.h"

namespace veneer::test {

// Only what hangs gets there.
inline constexpr std::chrono::seconds kLimit{30};

class RawClient {
 public:
  explicit RawClient(const std::string& path) : fd_(MakeUnixSocket(0)) {
    const UnixAddress address = UnixAddress::Of(path).value();
    EXPECT_EQ(connect(fd_.get(), address.generic(), sizeof address.value), 0);
  }
  void Send(std::string_view bytes) {
    ASSERT_EQ(send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // As far as the server takes it.
  void Flood(std::string_view bytes) {
    static_cast<void>(send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  void EndInput() { shutdown(fd_.get(), SHUT_WR); }
  void Leave() { fd_.Reset(); }
  // Everything until the server closes the connection.
  std::string Rest() {
    std::string text;
    std::array<char, 65536> buffer{};
    for (;;) {
      const ssize_t count = recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (count <= 0) {
        return text;
      }
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }
  // What comes until `end` does, at most 16 MiB.
  std::string ReadUntil(std::string_view end) {
    std::string text;
    while (!text.ends_with(end) && text.size() < std::size_t{16} << 20U) {
      char next = 0;
      pollfd readable{fd_.get(), POLLIN, 0};
      if (poll(&readable, 1, static_cast<int>(std::chrono::milliseconds(kLimit).count())) != 1 ||
          recv(fd_.get(), &next, 1, 0) != 1) {
        ADD_FAILURE() << "it ended after '" << text << "'";
        return text;
      }
      text += next;
    }
    return text;
  }
  // Waits until the server has closed the connection, without reading.
  bool WaitForHangUp() { return HungUp(kLimit); }
  // Whether it has, or does within `limit`.
  bool HungUp(std::chrono::milliseconds limit = {}) {
    pollfd end{fd_.get(), 0, 0};
    return poll(&end, 1, static_cast<int>(limit.count())) == 1 && (end.revents & POLLHUP) != 0;
  }

 private:
  UniqueFd fd_;
};

}  // namespace veneer::test
