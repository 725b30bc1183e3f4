#include "tap_peer.h"

#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <sched.h>

#include "bench/support/cpu_time.h"
#include "support/net_frames.h"
#include "veneer/network/virtio_net.h"

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
                                                    const TapWorkload& workload, bool paced) {
  std::unique_ptr<TapSource> source(new TapSource());
  source->socket_ = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!source->socket_.valid()) {
    return ErrnoError(errno, "cannot make a packet socket");
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
  source->paced_ = paced;
  source->frame_ = WorkloadFrame(workload);
  source->thread_ = std::thread([raw = source.get()] { raw->Run(); });
  return source;
}

TapSource::~TapSource() {
  stop_ = true;
  thread_.join();
}

void TapSource::Run() {
  std::uint64_t sent = 0;
  while (!stop_) {
    if (paced_ && sent >= received_.load(std::memory_order_relaxed) + kAhead) {
      cpu_seconds_ = ThreadCpuSeconds();
      sched_yield();
      continue;
    }
    if (send(socket_.get(), frame_.data(), frame_.size(), 0) > 0) {
      ++sent;
    }
  }
  cpu_seconds_ = ThreadCpuSeconds();
}

}  // namespace veneer::bench
