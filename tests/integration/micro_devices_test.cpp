// Emulated devices driven from a micro guest's ring 3 (guests/micro), and taken away from under it.
// Needs /dev/kvm and nothing else.
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/micro_guest.h"
#include "support/net_frames.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::test {
namespace {

void MakeDisk(const std::string& path, std::uint64_t bytes) {
  std::ofstream(path).close();
  std::filesystem::resize_file(path, bytes);
}

nlohmann::json Counters(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file)["counters"];
}

// The host's end of --net socket=: frames, each behind its length.
class FrameSocket {
 public:
  explicit FrameSocket(const std::string& path)
      : listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    VENEER_CHECK(path.size() < sizeof address.sun_path);
    const timeval patience{60, 0};
    VENEER_CHECK(setsockopt(listener_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) ==
                 0);
    path.copy(address.sun_path, path.size());
    VENEER_CHECK(
        bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        listen(listener_.get(), 1) == 0);
  }

  // Of nobody if the program does not come.
  void Accept() {
    stream_ = UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(stream_.valid());
  }
  // Empty at the end.
  std::vector<std::byte> Receive() {
    std::uint32_t length = 0;
    if (!ReceiveAll(&length, sizeof length)) {
      return {};
    }
    std::vector<std::byte> frame(ntohl(length));
    return ReceiveAll(frame.data(), frame.size()) ? frame : std::vector<std::byte>();
  }
  // False at the end.
  bool Send(const std::vector<std::byte>& frame) {
    const std::uint32_t length = htonl(static_cast<std::uint32_t>(frame.size()));
    return SendAll(&length, sizeof length) && SendAll(frame.data(), frame.size());
  }

 private:
  bool ReceiveAll(void* to, std::size_t bytes) {
    return recv(stream_.get(), to, bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes);
  }
  bool SendAll(const void* from, std::size_t bytes) {
    return send(stream_.get(), from, bytes, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes);
  }

  UniqueFd listener_;
  UniqueFd stream_;
};

TEST(MicroDevices, AnIdeDriverFindsItsDataOnTheDisk) {
  constexpr std::uint64_t kBytes = 8U << 20U;
  constexpr long long kRequests = 32;
  const ScratchDirectory scratch;
  const std::string disk = scratch.File("disk.img");
  const std::string metrics = scratch.File("metrics.json");
  MakeDisk(disk, kBytes);
  const MicroOutcome outcome =
      RunMicro(kMicro64, "tests=none idebench compare block=256",
               {"--disk", "path=" + disk + ",bus=ide", "--metrics", metrics});
  ExpectAllPassed(outcome, 30);
  EXPECT_TRUE(HoldsPattern(disk, kBytes));
  const nlohmann::json counters = Counters(metrics);
  EXPECT_EQ(counters["ide.0.writes"], kRequests);
  EXPECT_EQ(counters["ide.0.read_bytes"], kBytes);
  EXPECT_EQ(counters["ide.0.errors"], 0);
  for (const char* name : {"write", "read"}) {
    const auto [requests, ns, exits, none] =
        MicroFigures(outcome.out, std::string("idebench ") + name);
    EXPECT_EQ(requests, kRequests);
    // Eight for the address and the length, the command, start, status and stop.
    EXPECT_GE(exits, 12 * kRequests);
  }
}

// Whether a frame is one that the NIC has cut: not too long, and with right checksums.
bool IsSegment(const std::vector<std::byte>& frame) {
  constexpr std::size_t kIp = 14;
  constexpr std::size_t kTcp = kIp + 20;
  constexpr unsigned kTcpProtocol = 6;
  const std::size_t tcp_bytes = frame.size() - kTcp;
  return frame.size() > kTcp + 20 && frame.size() <= kTcp + 20 + 1448 &&
         testing::Get16(frame, kIp + 2) == frame.size() - kIp &&
         testing::Sum(frame, kIp, kTcp) == 0xffff &&
         testing::Sum(frame, kTcp, frame.size(),
                      testing::Sum(frame, kIp + 12, kTcp,
                                   kTcpProtocol + static_cast<unsigned>(tcp_bytes))) == 0xffff;
}

TEST(MicroDevices, AnE1000DriverSendsWhatTheNicCuts) {
  const ScratchDirectory scratch;
  const std::string metrics = scratch.File("metrics.json");
  FrameSocket host(scratch.File("net"));
  ChildProcess veneer(MicroCommand(
      kMicro64, "tests=none e1000bench send segmented bytes=65226 ms=100",
      {"--net", "socket=" + scratch.File("net") + ",model=e1000", "--metrics", metrics}));
  veneer.CloseInput();
  host.Accept();
  std::uint64_t segments = 0;
  std::uint64_t wrong = 0;
  std::thread reader([&] {
    for (std::vector<std::byte> frame = host.Receive(); !frame.empty(); frame = host.Receive()) {
      ++segments;
      wrong += IsSegment(frame) ? 0 : 1;
    }
  });
  const MicroOutcome outcome = FinishMicro(veneer);
  reader.join();
  ExpectAllPassed(outcome, 30);
  const auto [frames, ns, exits, bytes] = MicroFigures(outcome.out, "e1000bench send");
  EXPECT_GT(frames, 0);
  EXPECT_EQ(bytes, frames * 65226);
  EXPECT_GE(segments, static_cast<std::uint64_t>(frames) * 45);
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(Counters(metrics)["e1000.0.tx_dropped"], 0);
}

TEST(MicroDevices, AnE1000DriverReceives) {
  const ScratchDirectory scratch;
  FrameSocket host(scratch.File("net"));
  ChildProcess veneer(MicroCommand(kMicro64, "tests=none e1000bench ms=200",
                                   {"--net", "socket=" + scratch.File("net") + ",model=e1000"}));
  veneer.CloseInput();
  host.Accept();
  EXPECT_TRUE(veneer.WaitForOutput("e1000bench ready", std::chrono::seconds(60)));
  const std::vector<std::byte> frame = testing::MakeFrame({.payload = 1000});
  std::thread writer([&] {
    while (host.Send(frame)) {
    }
  });
  const MicroOutcome outcome = FinishMicro(veneer);
  writer.join();
  ExpectAllPassed(outcome, 30);
  const auto [frames, ns, exits, bytes] = MicroFigures(outcome.out, "e1000bench receive");
  EXPECT_GT(frames, 256) << "more than the ring holds";
  EXPECT_EQ(bytes, frames * static_cast<long long>(frame.size()));
}

// The limits make sure that the devices are still at it.
TEST(MicroDevices, TwinsAreUnpluggedInTheMiddleOfTheirWork) {
  const ScratchDirectory scratch;
  const std::string metrics = scratch.File("metrics.json");
  MakeDisk(scratch.File("twin"), 64U << 20U);
  MakeDisk(scratch.File("other"), 1U << 20U);
  const MicroOutcome outcome =
      RunMicro(kMicro64, "tests=none unplugrace",
               {"--disk", "path=" + scratch.File("twin") + ",bus=both,bps=64M", "--disk",
                "path=" + scratch.File("other") + ",bus=ide", "--net",
                "user,restrict=on,model=both,bps=8M", "--metrics", metrics});
  ExpectAllPassed(outcome, 38);
  const nlohmann::json counters = Counters(metrics);
  EXPECT_EQ(counters["xenplatform.unplugs"], 2);
  EXPECT_LT(counters["ide.0.read_bytes"], 32U << 20U);
  EXPECT_EQ(counters["ide.1.reads"], 1);
}

}  // namespace
}  // namespace veneer::test
