#include "tap_peer.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <arpa/inet.h>
#include <sched.h>

#include "bench/support/cpu_time.h"
#include "support/net_frames.h"
#include "veneer/host/net/virtio_net.h"

namespace veneer::bench {
namespace {

// A tap's queue takes 500 frames at least.
constexpr std::uint64_t kAhead = 256;

}  // namespace

std::vector<std::byte> WorkloadFrame(const TapWorkload& workload) {
  testing::FrameShape shape;
  shape.transport = workload.segmented ? testing::Transport::kTcp : testing::Transport::kUdp;
  shape.payload = workload.frame_bytes - shape.headers();
  const std::vector<std::byte> frame = testing::MakeFrame(shape);
  virtio_net_hdr header{};
  if (workload.segmented) {
    header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    header.csum_start = static_cast<std::uint16_t>(shape.transport_offset());
    header.csum_offset = 16;
    header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
    header.gso_size = 1448;
    header.hdr_len = static_cast<std::uint16_t>(shape.headers());
  }
  std::vector<std::byte> all(sizeof header + frame.size());
  std::memcpy(all.data(), &header, sizeof header);
  std::copy(frame.begin(), frame.end(), all.begin() + sizeof header);
  return all;
}

Result<std::unique_ptr<TapSource>> TapSource::Start(const std::string& tap,
                                                    const TapWorkload& workload) {
  std::unique_ptr<TapSource> source(new TapSource());
  source->socket_ = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  source->counters_ = UniqueFd(open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC));
  if (!source->socket_.valid() || !source->counters_.valid()) {
    return ErrnoError(errno, "cannot make a packet socket, or watch what becomes of its frames");
  }
  const int on = 1;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_IP);
  address.sll_ifindex = static_cast<int>(if_nametoindex(tap.c_str()));
  if (setsockopt(source->socket_.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0 ||
      bind(source->socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
          0) {
    return ErrnoError(errno, "cannot set up a packet socket");
  }
  source->tap_ = tap;
  source->frame_ = WorkloadFrame(workload);
  source->thread_ = std::thread([raw = source.get()] { raw->Run(); });
  return source;
}

TapSource::~TapSource() {
  stop_ = true;
  thread_.join();
}

// Frames read from the tap so far, or dropped by it.
std::uint64_t TapSource::Gone() const {
  std::array<char, 4096> text;
  const ssize_t size = pread(counters_.get(), text.data(), text.size() - 1, 0);
  text[static_cast<std::size_t>(std::max<ssize_t>(size, 0))] = 0;
  const char* const line = std::strstr(text.data(), (tap_ + ":").c_str());
  unsigned long long read = 0;
  unsigned long long dropped = 0;
  // Behind eight numbers about what it has received: bytes, packets, errors, drops.
  if (line == nullptr || std::sscanf(line, "%*s %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu %*u %llu",
                                     &read, &dropped) != 2) {
    return 0;
  }
  return read + dropped;
}

void TapSource::Run() {
  std::uint64_t gone = Gone();
  std::uint64_t sent = gone;
  while (!stop_) {
    if (sent >= gone + kAhead) {
      gone = Gone();
    }
    if (sent >= gone + kAhead) {
      cpu_seconds_ = ThreadCpuSeconds();
      sched_yield();
    } else if (send(socket_.get(), frame_.data(), frame_.size(), 0) > 0) {
      ++sent;
    }
  }
  cpu_seconds_ = ThreadCpuSeconds();
}

}  // namespace veneer::bench
