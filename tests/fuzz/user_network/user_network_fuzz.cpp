// A guest's frames on a user-mode network that leads nowhere: frames as they come, and ARP, DHCP,
// pings, UDP, TCP and fragments with some of their bytes changed. Nothing may crash, what comes
// back are frames, and what Veneer keeps for the guest stays within its limits (the sanitizer's,
// -rss_limit_mb).

#include <algorithm>
#include <cstdint>
#include <vector>

#include "support/fuzz_target.h"
#include "support/guest_frames.h"
#include "veneer/host/net/net_link.h"

namespace veneer {
namespace {

using testing::Frame;
using testing::FuzzInput;

class Harness {
 public:
  Harness()
      : link_(OpenNetLink(ParseNet("user,restrict=on,host-loopback=off").value()).value()),
        channel_(link_->OpenChannel(0).value()) {}

  void Step(FuzzInput& input) {
    Frame frame = Make(input);
    for (unsigned changes = static_cast<unsigned>(input.Take(1)) % 8; changes > 0; --changes) {
      frame[input.Take(2) % frame.size()] = static_cast<std::byte>(input.Take(1));
    }
    frame.resize(std::max(kMinFrame, frame.size() - std::min(frame.size(), input.Take(1) % 16)));
    const iovec piece{frame.data(), frame.size()};
    virtio_net_hdr header{};
    if (const auto offset = static_cast<std::uint16_t>(input.Take(1)); offset < 64) {
      header = testing::PartialChecksum(offset);
    }
    static_cast<void>(channel_->Send(header, std::span(&piece, 1)));
    Drain();
  }

 private:
  static constexpr std::size_t kMinFrame = 14;

  static Frame Make(FuzzInput& input) {
    const auto address = static_cast<std::uint32_t>(testing::kHostIp + input.Take(1) % 16);
    const auto port = static_cast<std::uint16_t>(input.Take(2));
    switch (input.Take(1) % 7) {
      case 0:
        return testing::ArpFrame(static_cast<unsigned>(input.Take(1)), testing::kGuestIp, address);
      case 1:
        return testing::DhcpFrame(static_cast<unsigned>(input.Take(1)), address);
      case 2:
        return testing::PingFrame(address);
      case 3: {
        constexpr std::size_t kTcpHeader = 20;
        return testing::Ipv4Frame(testing::kTcp, testing::kGuestIp, address, kTcpHeader)
            .U16(4000)
            .U16(port)
            .U32(static_cast<std::uint32_t>(input.Take(1)))
            .U32(0)
            .U16(0x5000U | static_cast<unsigned>(input.Take(1)))
            .U16(65535)
            .U32(0)
            .frame();
      }
      case 4: {
        const std::size_t size = input.Take(2) % 3000;
        return testing::Ipv4Frame(testing::kUdp, testing::kGuestIp, address, size)
            .Zeros(size)
            .frame();
      }
      default: {
        Frame frame(kMinFrame + input.Take(1));
        for (std::byte& byte : frame) {
          byte = static_cast<std::byte>(input.Take(1));
        }
        return frame;
      }
    }
  }

  void Drain() {
    virtio_net_hdr header{};
    std::vector<std::byte> room(kMaxFrame);
    const iovec piece{room.data(), room.size()};
    for (;;) {
      const auto size = channel_->Receive(header, std::span(&piece, 1));
      if (!size) {
        break;
      }
      VENEER_CHECK(*size == 0 || (*size >= kMinFrame && *size <= kMaxFrame));
      VENEER_CHECK(header.gso_type == VIRTIO_NET_HDR_GSO_NONE);
    }
    static_cast<void>(channel_->Arm());
    channel_->OnReady();
  }

  const std::unique_ptr<NetLink> link_;
  const std::unique_ptr<NetChannel> channel_;
};

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  veneer::testing::SilenceLog();
  veneer::testing::FuzzInput input(data, size);
  veneer::Harness harness;
  veneer::testing::RunSteps(harness, input, 200);
  return 0;
}
