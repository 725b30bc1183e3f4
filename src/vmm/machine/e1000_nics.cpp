#include "e1000_nics.h"

#include <algorithm>
#include <utility>

#include "veneer/vmm/base/log.h"
#include "veneer/xencompat/platform/platform_ports.h"

namespace veneer {
namespace {

// Slots behind those of bridges, disks and Xen's platform device, as far as the DSDT's _PRT goes.
constexpr unsigned kFirstSlot = 3;
constexpr unsigned kLastSlot = 7;
constexpr unsigned kMost = kLastSlot - kFirstSlot + 1;

}  // namespace

Result<std::unique_ptr<E1000Nics>> E1000Nics::Create(const Parts& parts) {
  const std::vector<NetConfig>& configs = parts.config.nics;
  const auto count =
      std::ranges::count_if(configs, [](const NetConfig& nic) { return ShownAsE1000(nic); });
  if (count > kMost) {
    return UsageError("{} emulated NICs are too many: there are slots for {}; give some model=pv",
                      count, kMost);
  }
  std::unique_ptr<E1000Nics> nics(new E1000Nics(parts.pci));
  nics->shared_.resize(configs.size());
  for (std::size_t i = 0; i < configs.size(); ++i) {
    if (ShownAsE1000(configs[i])) {
      VENEER_TRY(nics->Add(parts, i));
    }
  }
  return nics;
}

Result<void> E1000Nics::Add(const Parts& parts, std::size_t index) {
  const NetConfig& config = parts.config.nics[index];
  E1000Config nic;
  nic.number = config.number.value();
  nic.mac = config.mac.value();
  nic.bytes_per_second = config.bytes_per_second;
  VENEER_TRY_ASSIGN(std::unique_ptr<NetLink> link, OpenNetLink(config));
  const std::string name = link->facts().name;
  LogInfo("e1000 NIC {}: {} on {}", nic.number, ToString(nic.mac), name);
  const bool twin = ShownAsPv(parts.config, config);
  if (twin) {
    SharedNetLink shared = ShareNetLink(std::move(link));
    link = std::move(shared.first);
    shared_[index] = std::move(shared.second);
  }
  VENEER_TRY_ASSIGN(std::unique_ptr<E1000> device,
                    E1000::Create(parts.memory, parts.metrics, nic, std::move(link)));
  VENEER_TRY(pci_.AddDevice(kFirstSlot + static_cast<unsigned>(nics_.size()), 0, *device));
  nics_.push_back({std::move(device), nic.number, nic.mac, name, twin});
  return {};
}

std::unique_ptr<NetLink> E1000Nics::TakeSharedLink(std::size_t index) {
  return std::move(shared_[index]);
}

void E1000Nics::Unplug(std::uint16_t mask) {
  if ((mask & kUnplugAllNics) == 0) {
    return;
  }
  unplugged_ = true;
  for (const Nic& nic : nics_) {
    if (nic.twin) {
      pci_.RemoveDevice(*nic.device);
      nic.device->Unplug();
    }
  }
}

std::vector<EmulatedDevices::Nic> E1000Nics::List() const {
  std::vector<EmulatedDevices::Nic> list;
  for (const Nic& nic : nics_) {
    if (!nic.twin || !unplugged_) {
      list.push_back({nic.number, nic.mac, nic.link});
    }
  }
  return list;
}

}  // namespace veneer
