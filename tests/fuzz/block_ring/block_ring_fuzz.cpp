// The input is a program of writes to a block ring, to segment lists, to grants and to the ring's
// indices, with kicks in between. Whatever the guest does, transfers stay within pages that it has
// granted and within the disk, no grant stays mapped, and the queue never has more under way than
// its ring.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "src/backends/block/block_queue.h"
#include "support/block_front_end.h"
#include "support/fuzz_ring_guest.h"
#include "support/fuzz_target.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

using testing::FuzzInput;
using testing::FuzzRingGuest;

constexpr std::uint64_t kDiskBytes = 64 * 1024;

// Ends what it is given when told to, and checks that it is allowed.
class CheckingChannel final : public DiskChannel {
 public:
  explicit CheckingChannel(std::span<std::byte> allowed) : allowed_(allowed) {}

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
  explicit Harness(BlockProtocol protocol) : protocol_(protocol) { Connect(); }
  ~Harness() { Disconnect(); }

  void Step(FuzzInput& input) {
    const std::uint64_t code = input.Take(1);
    switch (code & 7U) {
      case 0:
      case 1:
        PutRequest(input, (code & 8U) != 0);
        break;
      case 2:
        Index(code >> 3U & 3U).store(static_cast<std::uint32_t>(input.Take(4)));
        break;
      case 3:
        guest_.ChangeByte(code >> 3U, input);
        break;
      case 4:
        guest_.ChangeGrant(code >> 3U, input, static_cast<std::uint16_t>(code >> 6U));
        break;
      case 5:
        channel_.LetGo(code >> 3U, static_cast<int>(input.Take(1) % 3) * 5);
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
  // The two pages are one ring.
  std::atomic_ref<std::uint32_t> Index(std::uint64_t which) {
    return guest_.Index(guest_.rings[0], which);
  }
  void PutRequest(FuzzInput& input, bool sensible) {
    std::array<std::byte, 112> entry{};
    if (sensible) {
      const auto operation = static_cast<std::uint8_t>(input.Take(1) % 4);
      std::vector<testing::TestSegment> segments;
      for (std::uint64_t left = input.Take(1) % 12; left > 0; --left) {
        const std::uint64_t bits = input.Take(1);
        segments.push_back({guest_.Data(bits).ref, static_cast<std::uint8_t>(bits >> 2U & 7U),
                            static_cast<std::uint8_t>(bits >> 5U)});
      }
      entry = testing::AsEntry(testing::Transfer(operation, 1, input.Take(1), segments));
    } else {
      input.Fill(entry);
    }
    const std::size_t entry_size = protocol_ == BlockProtocol::k64 ? 112 : 108;
    const std::uint32_t index = Index(0).load();
    std::size_t offset = 64 + (index & 63U) * entry_size;
    for (const std::byte value : std::span(entry).first(entry_size)) {
      guest_.Page(guest_.rings[offset / kPageSize].page)[offset % kPageSize] = value;
      ++offset;
    }
    Index(0).store(index + 1);
  }
  void Serve() {
    queue_->Serve();
    VENEER_CHECK(channel_.under_way() <= 64);
  }
  void Connect() {
    guest_.ResetIndices(guest_.rings[0]);
    const std::array refs{guest_.rings[0].ref, guest_.rings[1].ref};
    std::vector<PinnedGrant> ring;
    VENEER_CHECK(guest_.grants->MapMany(refs, GrantAccess::kReadWrite, ring) == GrantStatus::kOkay);
    queue_ = std::make_unique<BlockQueue>(disk_, *guest_.grants, *guest_.loop, channel_,
                                          BlockConnection{.protocol = protocol_,
                                                          .ring = std::move(ring),
                                                          .port = guest_.BindPort(),
                                                          .on_broken = [] {}});
  }
  void Disconnect() {
    bool stopped = false;
    queue_->Stop([&stopped] { stopped = true; });
    while (!stopped) {
      channel_.LetGo(100, 0);
      queue_->Serve();
    }
    queue_.reset();
    VENEER_CHECK(guest_.grants->mappings() == 0);
  }

  const BlockProtocol protocol_;
  FuzzRingGuest guest_;
  FixedImage image_;
  DiskState disk_{Config(), image_, guest_.metrics, [](const DiskFailure&) {}};
  CheckingChannel channel_{guest_.DataMemory()};
  std::unique_ptr<BlockQueue> queue_;
};

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  veneer::testing::SilenceLog();
  veneer::testing::FuzzInput input(data, size);
  veneer::Harness harness((input.Take(1) & 1U) != 0 ? veneer::BlockProtocol::k32
                                                    : veneer::BlockProtocol::k64);
  veneer::testing::RunSteps(harness, input, 1000);
  return 0;
}
