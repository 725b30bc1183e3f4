// The input is a program of register accesses to an e1000, of descriptors and data in guest memory,
// and of frames that arrive, against a link that checks what it is sent. Whatever the guest does,
// frames have the length and the headers that a link is promised.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "support/fuzz_target.h"
#include "support/pci_root.h"
#include "veneer/devices/e1000/e1000.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/event_fd.h"
#include "veneer/vmm/base/metrics.h"

namespace veneer {
namespace {

using testing::FuzzInput;

constexpr std::uint64_t kMemoryBytes = 256 * 1024;
constexpr std::size_t kMinFrame = 14;

class CheckingLink final : public NetLink {
 public:
  explicit CheckingLink(bool offloads) : offloads_(offloads) { ready_ = EventFd::Create().value(); }
  Facts facts() const override { return {.name = "fuzz", .offloads = offloads_}; }
  Result<void> SetReceiverOffloads(const NetOffloads& offloads) override {
    VENEER_CHECK(offloads == NetOffloads{});
    return {};
  }
  Result<std::unique_ptr<NetChannel>> OpenChannel(unsigned queue) override {
    VENEER_CHECK(queue == 0);
    return std::make_unique<Channel>(*this);
  }
  void Arrive(std::size_t bytes, std::uint8_t seed) {
    {
      const std::scoped_lock lock(mutex_);
      constexpr std::size_t kMostWaiting = 100;
      if (arrived_.size() < kMostWaiting) {
        arrived_.emplace_back(bytes, std::byte{seed});
      }
    }
    ready_.Signal();
  }
  void SetFull(bool full) {
    {
      const std::scoped_lock lock(mutex_);
      full_ = full;
    }
    ready_.Signal();
  }

 private:
  class Channel final : public NetChannel {
   public:
    explicit Channel(CheckingLink& link) : link_(link) {
      VENEER_CHECK(!std::exchange(link_.open_, true));
    }
    ~Channel() override { link_.open_ = false; }
    NetSent Send(const virtio_net_hdr& header, std::span<const iovec> frame) override {
      std::size_t bytes = 0;
      std::uint8_t sum = 0;
      for (const iovec& piece : frame) {
        bytes += piece.iov_len;
        for (const std::byte b :
             std::span(static_cast<const std::byte*>(piece.iov_base), piece.iov_len)) {
          sum = static_cast<std::uint8_t>(sum + std::to_integer<unsigned>(b));
        }
      }
      VENEER_CHECK(bytes >= kMinFrame && bytes <= kMaxFrame);
      if (header.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        VENEER_CHECK(std::size_t{header.csum_start} + header.csum_offset + 2 <= bytes);
      }
      if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        VENEER_CHECK(link_.offloads_ && header.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM &&
                     header.gso_size > 0 && header.hdr_len <= bytes);
      }
      const std::scoped_lock lock(link_.mutex_);
      return link_.full_ ? NetSent::kFull : (sum % 16 == 0 ? NetSent::kRefused : NetSent::kSent);
    }
    std::optional<std::size_t> Receive(virtio_net_hdr& header,
                                       std::span<const iovec> room) override {
      const std::scoped_lock lock(link_.mutex_);
      if (link_.arrived_.empty()) {
        return std::nullopt;
      }
      header = {};
      const std::vector<std::byte> frame = std::move(link_.arrived_.back());
      link_.arrived_.pop_back();
      const std::size_t bytes = std::min(frame.size(), room.front().iov_len);
      std::copy_n(frame.begin(), bytes, static_cast<std::byte*>(room.front().iov_base));
      return bytes;
    }
    bool Arm() override {
      const std::scoped_lock lock(link_.mutex_);
      return !link_.arrived_.empty();
    }
    void OnReady() override { link_.ready_.Drain(); }
    int ready_fd() const override { return link_.ready_.get(); }

   private:
    CheckingLink& link_;
  };

  const bool offloads_;
  EventFd ready_;
  std::mutex mutex_;
  std::vector<std::vector<std::byte>> arrived_;
  bool full_ = false;
  bool open_ = false;  // on the NIC's thread
};

// Registers that matter, so that the fuzzer need not find them by chance.
constexpr std::array<std::uint32_t, 24> kRegisters{
    0x0000, 0x0010, 0x0014, 0x0020, 0x00c0, 0x00c4, 0x00c8, 0x00d0, 0x00d8, 0x0100, 0x0400, 0x2800,
    0x2808, 0x2810, 0x2818, 0x3800, 0x3804, 0x3808, 0x3810, 0x3818, 0x5000, 0x5200, 0x5400, 0x5600};

class Harness {
 public:
  explicit Harness(bool offloads) : link_(std::make_shared<CheckingLink>(offloads)) {
    nic_ = E1000::Create(*memory_, metrics_,
                         {.number = 0, .mac = MacAddress{{0x52, 0x54, 0, 1, 2, 3}}}, link_)
               .value();
    VENEER_CHECK(root_.Plug(3, 0, *nic_));
    base_ = nic_->BarBase(E1000::kMemoryBar).value();
    // Rings at known places, switched on; the input may think of others.
    Set(0x2800, 0x1000);
    Set(0x2808, 0x100);
    Set(0x3800, 0x2000);
    Set(0x3808, 0x100);
    Set(0x0100, 0x0000801a);
    Set(0x0400, 2);
  }

  void Step(FuzzInput& input) {
    const auto code = static_cast<unsigned>(input.Take(1));
    switch (code & 7U) {
      case 0:
        mmio_.Read(base_ + input.Take(3) % 0x20000, 1U << (code >> 3U & 3U));
        break;
      case 1:
        Set(kRegisters[(code >> 3U) % kRegisters.size()] + 4 * ((code >> 7U) & 1U),
            static_cast<std::uint32_t>(input.Take(4)));
        break;
      case 2:
        // A transmit descriptor, and on with the tail.
        PutDescriptor(0x2000 + (code >> 3U) % 16 * 16, input);
        Set(0x3818, ((code >> 3U) + 1) % 16);
        break;
      case 3:
        PutDescriptor(0x1000 + (code >> 3U) % 16 * 16, input);
        Set(0x2818, ((code >> 3U) + 1) % 16);
        break;
      case 4: {
        const std::uint64_t at = input.Take(2);
        static_cast<void>(memory_->Write(Gpa{at}, input.Take(8)));
        break;
      }
      case 5:
        link_->Arrive(input.Take(2), static_cast<std::uint8_t>(code >> 3U));
        break;
      case 6:
        link_->SetFull((code & 8U) != 0);
        break;
      default:
        if (code == 0xff) {
          nic_->Unplug();
        }
        std::this_thread::yield();
        break;
    }
  }

 private:
  void Set(std::uint64_t offset, std::uint32_t value) { mmio_.Write(base_ + offset, 4, value); }
  void PutDescriptor(std::uint64_t at, FuzzInput& input) {
    const std::array<std::uint64_t, 2> descriptor{input.Take(3), input.Take(8)};
    static_cast<void>(memory_->Write(Gpa{at}, descriptor));
  }

  Metrics metrics_;
  testing::PciRoot root_;
  Bus& mmio_ = root_.mmio;
  std::shared_ptr<CheckingLink> link_;
  std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(kMemoryBytes).value();
  std::unique_ptr<E1000> nic_;
  std::uint64_t base_ = 0;
};

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  veneer::testing::SilenceLog();
  veneer::testing::FuzzInput input(data, size);
  veneer::Harness harness((input.Take(1) & 1U) != 0);
  veneer::testing::RunSteps(harness, input, 500);
  return 0;
}
