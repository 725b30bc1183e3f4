#include "net_control.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "veneer/vmm/base/output_file.h"

namespace veneer {

NetControl::NetControl(Nics& nics, EventLoop& loop, std::vector<NetConfig>& configs,
                       std::uint64_t removal_limit_ns, const SandboxRefusals& refusals)
    : nics_(nics),
      loop_(loop),
      configs_(configs),
      refusals_(refusals),
      removal_limit_ns_(removal_limit_ns) {
  // As they were when the machine was made, which refuses what this would.
  static_cast<void>(IdentifyNics(nics_.guest(), configs_));
  Learn();
}

void NetControl::Learn() {
  for (const auto& [number, nic] : nics_.List()) {
    const auto known = std::ranges::find(configs_, std::optional(number), &NetConfig::number);
    if (known != configs_.end()) {
      *known = nic.config;
    } else {
      configs_.push_back(nic.config);
    }
  }
  std::ranges::sort(configs_, {}, &NetConfig::number);
}

Result<void> NetControl::CheckPossible(const NetConfig& config) const {
  const auto* const tap = std::get_if<TapNet>(&config.link);
  if (tap != nullptr && refusals_.tap != nullptr) {
    return UsageError("{}", refusals_.tap);
  }
  if (tap != nullptr && !tap->script.empty() && refusals_.script != nullptr) {
    return UsageError("{}", refusals_.script);
  }
  if (config.pcap_max_bytes != 0 && refusals_.files) {
    return UsageError(
        "max-size= has files made anew, which the sandbox does not leave to a NIC that is added; "
        "begin with the NIC, or with --sandbox off");
  }
  if (!config.pcap.empty() && refusals_.files) {
    if (const auto file = OpenOutput(config.pcap, O_APPEND); !file) {
      return WithContext(file.error(),
                         "the sandbox leaves a file that is there, in a folder of --disk-dir, to "
                         "the capture of a NIC that is added");
    }
  }
  return {};
}

Result<unsigned> NetControl::Add(std::string_view text) {
  VENEER_TRY_ASSIGN(NetConfig config, ParseNet(text));
  if (IsE1000Nic(config)) {
    return UsageError("an emulated NIC cannot be added while the guest runs; only PV NICs can");
  }
  VENEER_TRY(CheckPossible(config));
  // With a number and an address that no emulated NIC has either.
  std::vector<NetConfig> all = configs_;
  all.push_back(std::move(config));
  VENEER_TRY(IdentifyNics(nics_.guest(), all));
  VENEER_TRY_ASSIGN(const unsigned number, nics_.Add(std::move(all.back())));
  Learn();
  return number;
}

void NetControl::Remove(unsigned number, GuestControl::Done done) {
  AwaitRemoval(
      loop_, removal_limit_ns_,
      HostError("the guest still uses NIC {}; it goes when the guest lets go of it", number)
          .value(),
      [this, number](std::function<void()> removed) {
        return nics_.Remove(number, [this, number, told = std::move(removed)] {
          std::erase_if(configs_,
                        [number](const NetConfig& config) { return config.number == number; });
          Learn();
          if (removed_) {
            removed_(number);
          }
          told();
        });
      },
      std::move(done));
}

std::vector<GuestInfo::Nic> NetControl::List() const {
  std::vector<GuestInfo::Nic> list;
  for (const auto& [number, nic] : nics_.List()) {
    list.push_back({.number = number,
                    .model = "pv",
                    .mac = ToString(nic.config.mac.value_or(MacAddress{})),
                    .link = nic.link.name,
                    .connected = nic.state == XenbusState::kConnected,
                    .removing = nic.removing});
  }
  return list;
}

}  // namespace veneer
