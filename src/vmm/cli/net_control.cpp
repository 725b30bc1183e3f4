#include "net_control.h"

#include <utility>

namespace veneer {

NetControl::NetControl(Nics& nics, EventLoop& loop, std::vector<NetConfig>& configs,
                       std::uint64_t removal_limit_ns)
    : nics_(nics), loop_(loop), configs_(configs), removal_limit_ns_(removal_limit_ns) {
  Learn();
}

void NetControl::Learn() {
  configs_.clear();
  for (const auto& [number, nic] : nics_.List()) {
    configs_.push_back(nic.config);
  }
}

Result<unsigned> NetControl::Add(std::string_view text) {
  VENEER_TRY_ASSIGN(NetConfig config, ParseNet(text));
  VENEER_TRY_ASSIGN(const unsigned number, nics_.Add(std::move(config)));
  Learn();
  return number;
}

void NetControl::Remove(unsigned number, GuestControl::Done done) {
  AwaitRemoval(
      loop_, removal_limit_ns_,
      HostError("the guest still uses NIC {}; it goes when the guest lets go of it", number)
          .value(),
      [this, number](std::function<void()> removed) {
        return nics_.Remove(number, [this, told = std::move(removed)] {
          Learn();
          told();
        });
      },
      std::move(done));
}

std::vector<GuestInfo::Nic> NetControl::List() const {
  std::vector<GuestInfo::Nic> list;
  for (const auto& [number, nic] : nics_.List()) {
    list.push_back({.number = number,
                    .mac = ToString(nic.config.mac.value_or(MacAddress{})),
                    .link = nic.link.name,
                    .connected = nic.state == XenbusState::kConnected,
                    .removing = nic.removing});
  }
  return list;
}

}  // namespace veneer
