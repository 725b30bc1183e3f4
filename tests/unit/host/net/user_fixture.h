// A guest's NIC on a user-mode network.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "support/channel_pump.h"
#include "support/guest_frames.h"
#include "support/host_sockets.h"
#include "support/tiny_tcp.h"
#include "veneer/host/net/net_link.h"

namespace veneer::testing {

class UserNic {
 public:
  explicit UserNic(const std::string& options = "")
      : link(OpenNetLink(ParseNet("user" + options).value()).value()),
        channel(link->OpenChannel(0).value()),
        pump(*channel) {}

  std::unique_ptr<NetLink> link;
  std::unique_ptr<NetChannel> channel;
  ChannelPump pump;
};

// Writes the pattern to a socket, or compares what comes from it.
inline bool WritePattern(int fd, std::uint64_t bytes) {
  for (std::uint64_t done = 0; done < bytes;) {
    const auto piece =
        Pattern().At(done, std::min<std::uint64_t>(bytes - done, TcpPattern::kLongest));
    const ssize_t count = send(fd, piece.data(), piece.size(), MSG_NOSIGNAL);
    if (count <= 0) {
      return false;
    }
    done += static_cast<std::uint64_t>(count);
  }
  return true;
}
inline bool ReadPattern(int fd, std::uint64_t bytes) {
  std::vector<std::byte> buffer(TcpPattern::kLongest);
  for (std::uint64_t done = 0; done < bytes;) {
    const ssize_t count =
        read(fd, buffer.data(), std::min<std::uint64_t>(bytes - done, buffer.size()));
    if (count <= 0 ||
        std::memcmp(buffer.data(), Pattern().At(done, static_cast<std::size_t>(count)).data(),
                    static_cast<std::size_t>(count)) != 0) {
      return false;
    }
    done += static_cast<std::uint64_t>(count);
  }
  return true;
}

}  // namespace veneer::testing
