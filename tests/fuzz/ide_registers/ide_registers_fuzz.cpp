// The input is a program of port accesses to an IDE controller with three drives, of writes to
// guest memory (tables of regions, packets' data), of held-back and failing transfers, and of
// unplugging. Whatever the guest does, transfers stay within its memory or the controller's buffer
// and within the disk, there is one of them at a time for each channel, and the controller comes to
// rest.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "support/fuzz_target.h"
#include "support/pci_root.h"
#include "veneer/devices/ide/ide_controller.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/event_fd.h"
#include "veneer/vmm/base/metrics.h"

namespace veneer {
namespace {

using testing::FuzzInput;

constexpr std::uint64_t kMemoryBytes = 256 * 1024;
constexpr std::uint64_t kDiskBytes = 512 * 1024;
constexpr unsigned kDrives = 3;

// Checks every transfer, and can hold them back and fail them.
class CheckingImage final : public DiskImage {
 public:
  explicit CheckingImage(const GuestMemory& memory) : memory_(memory) {
    ready_ = EventFd::Create().value();
  }
  Facts facts() const override {
    return {.bytes = kDiskBytes,
            .physical_sector = 4096,
            .discard_granularity = 4096,
            .readonly = false};
  }
  Result<void> Refresh() override { return {}; }
  Result<std::unique_ptr<DiskChannel>> OpenChannel() override {
    return std::make_unique<Channel>(*this);
  }
  void Hold(bool hold) {
    {
      const std::scoped_lock lock(mutex_);
      held_ = hold;
    }
    ready_.Signal();
  }
  void SetError(int error) {
    const std::scoped_lock lock(mutex_);
    error_ = error;
  }

 private:
  class Channel final : public DiskChannel {
   public:
    explicit Channel(CheckingImage& image) : image_(image) {}
    void Queue(DiskOperation& operation) override {
      VENEER_CHECK(operation_ == nullptr);
      image_.Check(operation);
      operation_ = &operation;
    }
    void Submit() override {}
    std::span<DiskOperation* const> Collect() override {
      image_.ready_.Drain();
      const std::scoped_lock lock(image_.mutex_);
      ended_.clear();
      if (operation_ != nullptr && !image_.held_) {
        operation_->error = image_.error_;
        ended_.push_back(operation_);
        operation_ = nullptr;
      }
      return ended_;
    }
    bool Arm() override {
      const std::scoped_lock lock(image_.mutex_);
      return operation_ != nullptr && !image_.held_;
    }
    void Disarm() override {}
    int ready_fd() const override { return image_.ready_.get(); }

   private:
    CheckingImage& image_;
    DiskOperation* operation_ = nullptr;
    std::vector<DiskOperation*> ended_;
  };

  void Check(const DiskOperation& operation) const {
    if (operation.action == DiskAction::kFlush) {
      return;
    }
    VENEER_CHECK(operation.length > 0 && operation.length % 512 == 0 &&
                 operation.offset <= kDiskBytes &&
                 operation.length <= kDiskBytes - operation.offset);
    if (operation.action == DiskAction::kDiscard) {
      return;
    }
    const std::span<std::byte> all = memory_.Pin(Gpa{0}, kMemoryBytes);
    std::uint64_t total = 0;
    for (const iovec& part : operation.buffers) {
      auto* const start = static_cast<std::byte*>(part.iov_base);
      const bool inside = start >= all.data() && start + part.iov_len <= all.data() + all.size();
      // What is not the guest's is the controller's one buffer; the sanitizer knows its size.
      VENEER_CHECK(part.iov_len > 0 && (inside || operation.buffers.size() == 1));
      if (operation.action == DiskAction::kRead) {
        std::memset(start, 0x77, part.iov_len);
      }
      total += part.iov_len;
    }
    VENEER_CHECK(total == operation.length);
  }

  const GuestMemory& memory_;
  EventFd ready_;
  std::mutex mutex_;
  bool held_ = false;
  int error_ = 0;
};

class Harness {
 public:
  Harness() {
    std::vector<IdeDriveConfig> drives(kDrives);
    for (unsigned i = 0; i < kDrives; ++i) {
      auto image = std::make_unique<CheckingImage>(*memory_);
      images_[i] = image.get();
      drives[i].image = std::move(image);
    }
    drives[1].cdrom = true;
    drives[2].twin = true;
    controller_ =
        IdeController::Create({*memory_, metrics_, {&line_, &line_}}, std::move(drives)).value();
    VENEER_CHECK(controller_->Attach(ports_) && root_.Plug(1, 1, *controller_));
    bus_master_ = controller_->BarBase(IdeController::kBusMasterBar).value();
  }
  ~Harness() { LetGo(); }

  void Step(FuzzInput& input) {
    const auto code = static_cast<unsigned>(input.Take(1));
    const std::uint64_t channel = (code >> 3U) & 1U;
    const unsigned size = 1U << ((code >> 4U) & 3U);
    switch (code & 7U) {
      case 0:
        ports_.Read(IdeController::kCommandPorts[channel] + input.Take(1) % 8, size);
        break;
      case 1:
        ports_.Write(IdeController::kCommandPorts[channel] + input.Take(1) % 8, size,
                     input.Take(size) & AllOnes(size));
        break;
      case 2:
        ports_.Write(IdeController::kControlPorts[channel], 1, input.Take(1));
        break;
      case 3: {
        // A transfer as a driver would begin it, but for the numbers.
        const std::uint64_t port = IdeController::kCommandPorts[channel];
        for (unsigned reg = 1; reg < 7; ++reg) {
          ports_.Write(port + reg, 1, input.Take(1));
        }
        ports_.Write(port + 7, 1, kCommands[input.Take(1) % kCommands.size()]);
        break;
      }
      case 4: {
        const std::uint32_t table = static_cast<std::uint32_t>(input.Take(2)) & ~7U;
        const std::array<std::uint32_t, 2> entry{static_cast<std::uint32_t>(input.Take(3)),
                                                 static_cast<std::uint32_t>(input.Take(4))};
        static_cast<void>(memory_->Write(Gpa{table}, entry));
        BusMaster(channel * 8 + 4, 4, table);
        break;
      }
      case 5:
        BusMaster(channel * 8 + (code >> 4U) % 8, 1, input.Take(1));
        break;
      case 6:
        Data(channel, input);
        break;
      default:
        Host(code >> 3U, input);
        break;
    }
  }

 private:
  static constexpr std::array<std::uint8_t, 24> kCommands{
      0x06, 0x08, 0x20, 0x24, 0x25, 0x27, 0x29, 0x30, 0x35, 0x39, 0x42, 0x90,
      0x91, 0xa0, 0xa1, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xe7, 0xec, 0xef, 0xf8};

  void BusMaster(std::uint64_t offset, unsigned size, std::uint64_t value) {
    ports_.Write(bus_master_ + offset, size, value & AllOnes(size));
  }
  // As many accesses to the data port as would be tedious one by one.
  void Data(std::uint64_t channel, FuzzInput& input) {
    const std::uint64_t port = IdeController::kCommandPorts[channel];
    const std::uint64_t seed = input.Take(6);
    for (std::uint64_t i = 0; i < (seed & 0x3ffU); ++i) {
      (seed & 0x400U) != 0 ? static_cast<void>(ports_.Read(port, 2))
                           : ports_.Write(port, 2, i < 6 ? seed >> (8 * i) & 0xffffU : 0);
    }
  }
  void Host(unsigned code, FuzzInput& input) {
    switch (code & 7U) {
      case 0:
        images_[0]->Hold(true);
        break;
      case 1:
        images_[1]->Hold(true);
        break;
      case 2:
        LetGo();
        break;
      case 3:
        images_[input.Take(1) % 2]->SetError(static_cast<int>(input.Take(1) % 3) * 5);
        break;
      case 4:
        controller_->UnplugTwins((code & 8U) != 0);
        break;
      default:
        std::this_thread::yield();
        break;
    }
  }
  void LetGo() {
    // The third one's image may have gone with its drive.
    images_[0]->Hold(false);
    images_[1]->Hold(false);
  }

  Metrics metrics_;
  testing::PciRoot root_;
  Bus& ports_ = root_.ports;
  FakeInterruptLine line_;
  std::uint64_t bus_master_ = 0;
  std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(kMemoryBytes).value();
  std::array<CheckingImage*, kDrives> images_{};
  std::unique_ptr<IdeController> controller_;
};

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  veneer::testing::SilenceLog();
  veneer::testing::FuzzInput input(data, size);
  veneer::Harness harness;
  veneer::testing::RunSteps(harness, input, 500);
  return 0;
}
