// The input is a program of writes to a block ring, to segment lists, to grants and to the ring's
// indices, with kicks in between. Whatever the guest does, transfers stay within pages that it has
// granted and within the disk, no grant stays mapped, and the queue never has more under way than
// its ring.

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "block_queue.h"
#include "support/block_front_end.h"
#include "support/fuzz_input.h"
#include "support/pv_guest.h"
#include "veneer/base/check.h"
#include "veneer/base/log.h"

namespace veneer {
namespace {

using testing::FuzzInput;
using testing::PvGuest;

constexpr std::uint64_t kDiskBytes = 64 * 1024;
constexpr std::size_t kDataPages = 4;

// Ends what it is given when told to, and checks that it is allowed.
class CheckingChannel final : public DiskChannel {
 public:
  CheckingChannel(std::span<std::byte> allowed) : allowed_(allowed) {}

  void Queue(DiskOperation& operation) override {
    Check(operation);
    under_way_.push_back(&operation);
  }
  void Submit() override {}
  std::span<DiskOperation* const> Collect() override {
    ended_.clear();
    for (; let_go_ > 0 && !under_way_.empty(); --let_go_) {
      ended_.push_back(under_way_.front());
      ended_.back()->error = error_;
      under_way_.erase(under_way_.begin());
    }
    return ended_;
  }
  bool Arm() override { return false; }
  void Disarm() override {}
  int ready_fd() const override { return -1; }

  void LetGo(std::size_t count, int error) {
    let_go_ = count;
    error_ = error;
  }
  std::size_t under_way() const { return under_way_.size(); }

 private:
  void Check(const DiskOperation& operation) {
    if (operation.action == DiskAction::kFlush) {
      return;
    }
    VENEER_CHECK(operation.length > 0 && operation.offset <= kDiskBytes &&
                 operation.length <= kDiskBytes - operation.offset);
    if (operation.action == DiskAction::kDiscard) {
      return;
    }
    std::uint64_t total = 0;
    for (const iovec& part : operation.buffers) {
      const auto* const start = static_cast<const std::byte*>(part.iov_base);
      VENEER_CHECK(part.iov_len > 0 && start >= allowed_.data() &&
                   start + part.iov_len <= allowed_.data() + allowed_.size());
      total += part.iov_len;
      if (operation.action == DiskAction::kRead) {
        std::memset(part.iov_base, 0x77, part.iov_len);
      }
    }
    VENEER_CHECK(total == operation.length);
  }

  const std::span<std::byte> allowed_;
  std::vector<DiskOperation*> under_way_;
  std::vector<DiskOperation*> ended_;
  std::size_t let_go_ = 0;
  int error_ = 0;
};

class FixedImage final : public DiskImage {
 public:
  Facts facts() const override {
    return {
        .bytes = kDiskBytes, .physical_sector = 512, .discard_granularity = 512, .readonly = false};
  }
  Result<void> Refresh() override { return {}; }
  Result<std::unique_ptr<DiskChannel>> OpenChannel() override { return HostError("not here"); }
};

DiskConfig Config() {
  DiskConfig config;
  config.vdev = "xvda";
  config.poll_us = 0;
  return config;
}

class Harness {
 public:
  explicit Harness(BlockProtocol protocol) : protocol_(protocol) {
    for (int i = 0; i < 2; ++i) {
      ring_pages_.push_back(guest_.NewPage());
      ring_refs_.push_back(guest_.Grant(ring_pages_.back()));
    }
    // The fence before and behind is never granted.
    static_cast<void>(guest_.NewPage());
    const Gfn first = guest_.NewPage();
    data_pages_.push_back(first);
    for (std::size_t i = 1; i < kDataPages; ++i) {
      data_pages_.push_back(guest_.NewPage());
    }
    for (const Gfn page : data_pages_) {
      data_refs_.push_back(guest_.Grant(page));
    }
    static_cast<void>(guest_.NewPage());
    channel_ = std::make_unique<CheckingChannel>(
        guest_.memory->Pin(first.Address(), kDataPages * kPageSize));
    guest_port_ = *guest_.events->AllocUnbound(DOMID_SELF, kHostDomId.value);
    Connect();
  }
  ~Harness() { Disconnect(); }

  void Step(FuzzInput& input) {
    const std::uint64_t code = input.Take(1);
    switch (code & 7U) {
      case 0:
      case 1:
        PutRequest(input, (code & 8U) != 0);
        break;
      case 2:
        Word(code >> 3U & 3U).store(static_cast<std::uint32_t>(input.Take(4)));
        break;
      case 3:
        guest_.Page(data_pages_[(code >> 3U) % kDataPages])[input.Take(2) % kPageSize] =
            static_cast<std::byte>(input.Take(1));
        break;
      case 4: {
        const std::size_t which = (code >> 3U) % kDataPages;
        guest_.SetGrant(data_refs_[which], data_pages_[which],
                        static_cast<std::uint32_t>(input.Take(2)),
                        static_cast<std::uint16_t>(code >> 6U));
        break;
      }
      case 5:
        channel_->LetGo(code >> 3U, static_cast<int>(input.Take(1) % 3) * 5);
        Serve();
        break;
      case 6:
        if ((code & 0xf8U) == 0) {
          Disconnect();
          Connect();
          break;
        }
        [[fallthrough]];
      default:
        Serve();
        break;
    }
  }

 private:
  std::atomic_ref<std::uint32_t> Word(std::uint64_t which) {
    return SharedWord<std::uint32_t>(guest_.Page(ring_pages_[0]).data() + which * 4);
  }
  void PutRequest(FuzzInput& input, bool sensible) {
    std::array<std::byte, 112> entry{};
    if (sensible) {
      const auto operation = static_cast<std::uint8_t>(input.Take(1) % 4);
      std::vector<testing::TestSegment> segments;
      for (std::uint64_t left = input.Take(1) % 12; left > 0; --left) {
        const std::uint64_t bits = input.Take(1);
        segments.push_back({data_refs_[bits % kDataPages],
                            static_cast<std::uint8_t>(bits >> 2U & 7U),
                            static_cast<std::uint8_t>(bits >> 5U)});
      }
      entry = testing::AsEntry(testing::Transfer(operation, 1, input.Take(1), segments));
    } else {
      input.Fill(entry);
    }
    const std::size_t entry_size = protocol_ == BlockProtocol::k64 ? 112 : 108;
    const std::uint32_t index = Word(0).load();
    std::size_t offset = 64 + (index & 63U) * entry_size;
    for (const std::byte value : std::span(entry).first(entry_size)) {
      guest_.Page(ring_pages_[offset / kPageSize])[offset % kPageSize] = value;
      ++offset;
    }
    Word(0).store(index + 1);
  }
  void Serve() {
    queue_->Serve();
    VENEER_CHECK(channel_->under_way() <= 64);
  }
  void Connect() {
    for (std::uint64_t i = 0; i < 4; ++i) {
      Word(i).store(static_cast<std::uint32_t>(i % 2));
    }
    std::vector<PinnedGrant> ring;
    VENEER_CHECK(guest_.grants->MapMany(ring_refs_, GrantAccess::kReadWrite, ring) ==
                 GrantStatus::kOkay);
    const auto port = guest_.events->BindHost(guest_port_, [] {});
    VENEER_CHECK(port.has_value());
    queue_ = std::make_unique<BlockQueue>(disk_, *guest_.grants, *guest_.loop, *channel_,
                                          BlockConnection{.protocol = protocol_,
                                                          .ring = std::move(ring),
                                                          .port = BoundPort(*guest_.events, *port),
                                                          .on_broken = [] {}});
  }
  void Disconnect() {
    bool stopped = false;
    queue_->Stop([&stopped] { stopped = true; });
    while (!stopped) {
      channel_->LetGo(100, 0);
      queue_->Serve();
    }
    queue_.reset();
    VENEER_CHECK(guest_.grants->mappings() == 0);
  }

  const BlockProtocol protocol_;
  PvGuest guest_{64, 1};
  FixedImage image_;
  DiskState disk_{Config(), image_, guest_.metrics};
  std::vector<Gfn> ring_pages_;
  std::vector<GrantRef> ring_refs_;
  std::vector<Gfn> data_pages_;
  std::vector<GrantRef> data_refs_;
  std::unique_ptr<CheckingChannel> channel_;
  EvtchnPort guest_port_;
  std::unique_ptr<BlockQueue> queue_;
};

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = veneer::ConfigureLog(veneer::LogLevel::kOff, "").has_value();
  VENEER_CHECK(quiet);
  if (size == 0) {
    return 0;
  }
  veneer::Harness harness((data[0] & 1U) != 0 ? veneer::BlockProtocol::k32
                                              : veneer::BlockProtocol::k64);
  veneer::testing::FuzzInput input(std::span(data, size).subspan(1));
  // Bounds the time for one input, not what it can reach.
  for (int steps = 0; steps < 1000 && !input.empty(); ++steps) {
    harness.Step(input);
  }
  return 0;
}
