#include "veneer/xencompat/xenstore/host_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "host_socket_server.h"
#include "must.h"
#include "support/scratch_directory.h"
#include "veneer/xencompat/xenstore/client.h"
#include "wire_client.h"

namespace veneer::test {
namespace {

class HostSocket : public ::testing::Test {
 protected:
  static UniqueFd Connect(const std::string& path) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    // The socket calls take every kind of address through this type.
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(connect(fd.get(), generic, sizeof address), 0);
    return fd;
  }
  static void Send(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(count, 0);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  // Waits for `count` messages; fewer if the server closes the connection.
  static std::vector<WireMessage> Receive(int fd, std::size_t count) {
    std::vector<WireMessage> messages;
    std::string bytes;
    std::array<char, 4096> buffer;
    while (messages.size() < count) {
      const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        break;
      }
      bytes.append(buffer.data(), static_cast<std::size_t>(got));
      for (WireMessage& message : TakeMessages(&bytes)) {
        messages.push_back(std::move(message));
      }
    }
    return messages;
  }

  const ScratchDirectory scratch;
  XenstoreService service;
};

TEST_F(HostSocket, IsPrivateAndGoneAfterwards) {
  const std::string path = scratch.File("xs");
  {
    const SocketServer server(service, path);
    struct stat status {};
    ASSERT_EQ(lstat(path.c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(HostSocket, AnswersSeveralClientsAtOnce) {
  const SocketServer server(service, scratch.File("xs"));
  const UniqueFd one = Connect(server.path());
  const UniqueFd two = Connect(server.path());
  Send(one.get(), MakeRequest(XS_WATCH, Nuls("/a|t|")));
  EXPECT_EQ(Receive(one.get(), 2).size(), 2u);
  Send(two.get(), MakeRequest(XS_WRITE, Nuls("/a|from two")));
  EXPECT_EQ(Bars(Receive(two.get(), 1).at(0).payload), "OK|");
  EXPECT_EQ(Bars(Receive(one.get(), 1).at(0).payload), "/a|t|");
  Send(one.get(), MakeRequest(XS_READ, Nuls("/a|")));
  EXPECT_EQ(Receive(one.get(), 1).at(0).payload, "from two");
}

TEST_F(HostSocket, ChangesFromOtherThreadsReachItsClients) {
  const SocketServer server(service, scratch.File("xs"));
  const UniqueFd fd = Connect(server.path());
  Send(fd.get(), MakeRequest(XS_WATCH, Nuls("/a|t|")));
  EXPECT_EQ(Receive(fd.get(), 2).size(), 2u);
  XenstoreClient client(service);
  Must(client.Write("/a/b", "v"));
  const auto messages = Receive(fd.get(), 2);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(Bars(messages[1].payload), "/a/b|t|");
}

TEST_F(HostSocket, PipelinedRequestsGetAllTheirRepliesInOrder) {
  const SocketServer server(service, scratch.File("xs"));
  const UniqueFd fd = Connect(server.path());
  constexpr std::uint32_t kRequests = 3000;
  Must(XenstoreClient(service).Write("/big", std::string(4000, 'x')));
  // Far more than the buffers on the way hold, so that the server has to wait for the reader.
  std::thread sender([&] {
    for (std::uint32_t i = 0; i < kRequests; ++i) {
      Send(fd.get(), MakeRequest(XS_READ, Nuls("/big|"), 0, i));
    }
  });
  const auto messages = Receive(fd.get(), kRequests);
  sender.join();
  ASSERT_EQ(messages.size(), kRequests);
  for (std::uint32_t i = 0; i < kRequests; ++i) {
    ASSERT_EQ(messages[i].header.req_id, i);
    ASSERT_EQ(messages[i].payload.size(), 4000u);
  }
}

TEST_F(HostSocket, ABrokenClientIsDroppedAndTheOthersStay) {
  const SocketServer server(service, scratch.File("xs"));
  const UniqueFd good = Connect(server.path());
  const UniqueFd bad = Connect(server.path());
  Send(bad.get(), MakeRequest(XS_WATCH, Nuls("/a|t|")));
  Receive(bad.get(), 2);
  Send(bad.get(), std::string(100, '\xff'));
  EXPECT_TRUE(Receive(bad.get(), 1).empty());
  Send(good.get(), MakeRequest(XS_WRITE, Nuls("/a|v")));
  EXPECT_EQ(Receive(good.get(), 1).size(), 1u);
  EXPECT_EQ(service.UsageOf(kHostDomId).watches, 0u);
}

TEST_F(HostSocket, ClientsBeyondTheLimitAreTurnedAway) {
  const SocketServer server(service, scratch.File("xs"));
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i < XenstoreHostSocket::kMaxClients; ++i) {
    clients.push_back(Connect(server.path()));
    Send(clients.back().get(), MakeRequest(XS_READ, Nuls("/|")));
    ASSERT_EQ(Receive(clients.back().get(), 1).size(), 1u);
  }
  const UniqueFd more = Connect(server.path());
  EXPECT_TRUE(Receive(more.get(), 1).empty());
}

TEST_F(HostSocket, ReplacesAStaleSocket) {
  const std::string path = scratch.File("xs");
  {
    const UniqueFd dead(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    // The socket calls take every kind of address through this type.
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    ASSERT_EQ(bind(dead.get(), generic, sizeof address), 0);
  }
  const SocketServer server(service, path);
  const UniqueFd fd = Connect(path);
  Send(fd.get(), MakeRequest(XS_READ, Nuls("/|")));
  EXPECT_EQ(Receive(fd.get(), 1).size(), 1u);
}

TEST_F(HostSocket, RefusesAPathThatIsInUse) {
  const std::string path = scratch.File("xs");
  const SocketServer server(service, path);
  const auto loop = EventLoop::Create().value();
  const auto second = XenstoreHostSocket::Create(service, *loop, path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kUsage);
  EXPECT_NE(second.error().message.find("another process listens"), std::string::npos);
  Connect(path);  // the first one still listens
}

TEST_F(HostSocket, NeverRemovesWhatIsNotASocket) {
  const std::string path = scratch.File("file");
  std::ofstream(path) << "precious";
  const auto loop = EventLoop::Create().value();
  const auto result = XenstoreHostSocket::Create(service, *loop, path);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("not a socket"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(HostSocket, LeavesASuccessorsSocketAlone) {
  const std::string path = scratch.File("xs");
  {
    const SocketServer server(service, path);
    std::filesystem::remove(path);
    std::ofstream(path) << "successor";
  }
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(HostSocket, NamesAPathThatCannotBe) {
  const auto loop = EventLoop::Create().value();
  EXPECT_EQ(XenstoreHostSocket::Create(service, *loop, std::string(200, 'x')).error().kind,
            ErrorKind::kUsage);
  EXPECT_EQ(XenstoreHostSocket::Create(service, *loop, "").error().kind, ErrorKind::kUsage);
  const auto missing = XenstoreHostSocket::Create(service, *loop, scratch.File("no/such/xs"));
  EXPECT_EQ(missing.error().kind, ErrorKind::kHost);
}

}  // namespace
}  // namespace veneer::test
