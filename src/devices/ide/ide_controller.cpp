#include "veneer/devices/ide/ide_controller.h"

#include <utility>

#include "ata_disk.h"
#include "atapi_cdrom.h"
#include "ide_cable.h"
#include "ide_worker.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr std::uint16_t kIntel = 0x8086;
constexpr std::uint16_t kPiix3Ide = 0x7010;
// Both channels at their legacy places, for good; a bus master.
constexpr std::uint32_t kIdeClass = 0x010180;
constexpr std::uint64_t kBusMasterSize = IdeController::kChannels * bmide::kSize;
// IDETIM, one for each channel: whether the channel decodes its ports, and timings, which mean
// nothing here.
constexpr std::uint8_t kTimings = 0x40;
constexpr std::uint16_t kDecodes = 0x8000;

}  // namespace

// A cable and its windows on the port bus.
class IdeController::Channel {
 public:
  Channel(const Parts& parts, unsigned index, IdeWorker& worker)
      : cable_(parts.memory, *parts.lines[index], worker),
        commands_([this](std::uint64_t offset,
                         unsigned size) { return cable_.ReadCommandBlock(offset, size); },
                  [this](std::uint64_t offset, unsigned size, std::uint64_t value) {
                    cable_.WriteCommandBlock(offset, size, value);
                  }),
        control_([this](std::uint64_t,
                        unsigned) -> std::uint64_t { return cable_.ReadAlternateStatus(); },
                 [this](std::uint64_t, unsigned, std::uint64_t value) {
                   cable_.WriteControl(static_cast<std::uint8_t>(value));
                 }) {}

  IdeCable& cable() { return cable_; }
  BusDevice& commands() { return commands_; }
  BusDevice& control() { return control_; }

 private:
  IdeCable cable_;
  PortWindow commands_;
  PortWindow control_;
};

IdeController::IdeController()
    : PciDevice(Identity{kIntel, kPiix3Ide, 0x00, kIdeClass, 0, 0}),
      bus_master_window_(
          [this](std::uint64_t offset, unsigned size) { return ReadBusMaster(offset, size); },
          [this](std::uint64_t offset, unsigned size, std::uint64_t value) {
            WriteBusMaster(offset, size, value);
          }) {
  AddBar(kBusMasterBar, BarKind::kIo, kBusMasterSize, &bus_master_window_);
  for (unsigned i = 0; i < kChannels; ++i) {
    const auto offset = static_cast<std::uint8_t>(kTimings + 2 * i);
    SetConfig(offset, 2, kDecodes);
    SetWritable(offset, 2, 0xffff & ~unsigned{kDecodes});
  }
}

IdeController::~IdeController() = default;

Result<std::unique_ptr<IdeController>> IdeController::Create(const Parts& parts,
                                                             std::vector<IdeDriveConfig> drives) {
  VENEER_CHECK(drives.size() <= kDrives);
  std::unique_ptr<IdeController> controller(new IdeController());
  VENEER_TRY_ASSIGN(controller->worker_, IdeWorker::Create(drives));
  IdeWorker& worker = *controller->worker_;
  for (unsigned i = 0; i < kChannels; ++i) {
    controller->channels_[i] = std::make_unique<Channel>(parts, i, worker);
  }
  for (unsigned i = 0; i < drives.size(); ++i) {
    IdeCable& cable = controller->channels_[i / IdeCable::kDrives]->cable();
    std::string serial =
        drives[i].serial.empty() ? fmt::format("VN{:05}", i + 1) : std::move(drives[i].serial);
    std::unique_ptr<IdeDrive> drive;
    if (drives[i].cdrom) {
      drive = std::make_unique<AtapiCdrom>(cable, worker.image(i), std::move(serial));
    } else {
      drive = std::make_unique<AtaDisk>(
          cable, worker.image(i),
          AtaDisk::Options{.serial = std::move(serial), .flush = drives[i].flush});
    }
    cable.AddDrive(i % IdeCable::kDrives, std::move(drive), i, parts.metrics);
    controller->twins_.push_back(drives[i].twin);
  }
  return controller;
}

Result<void> IdeController::Attach(Bus& ports) {
  constexpr std::uint64_t kCommandBlock = 8;
  for (unsigned i = 0; i < kChannels; ++i) {
    VENEER_TRY(ports.Attach(kCommandPorts[i], kCommandBlock, channels_[i]->commands()));
    VENEER_TRY(ports.Attach(kControlPorts[i], 1, channels_[i]->control()));
  }
  return {};
}

void IdeController::Retry() { worker_->Retry(); }

void IdeController::UnplugTwins(bool keep_primary_master) {
  for (unsigned i = keep_primary_master ? 1 : 0; i < twins_.size(); ++i) {
    if (twins_[i]) {
      channels_[i / IdeCable::kDrives]->cable().Unplug(i % IdeCable::kDrives);
    }
  }
}

std::uint64_t IdeController::ReadBusMaster(std::uint64_t offset, unsigned size) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    const std::uint64_t at = offset + i;
    value |= std::uint64_t{channels_[at / bmide::kSize]->cable().ReadBusMaster(at % bmide::kSize)}
             << (8 * i);
  }
  return value;
}

void IdeController::WriteBusMaster(std::uint64_t offset, unsigned size, std::uint64_t value) {
  for (unsigned i = 0; i < size; ++i) {
    const std::uint64_t at = offset + i;
    channels_[at / bmide::kSize]->cable().WriteBusMaster(at % bmide::kSize,
                                                         static_cast<std::uint8_t>(value >> 8 * i));
  }
}

}  // namespace veneer
