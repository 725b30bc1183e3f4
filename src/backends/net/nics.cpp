#include "veneer/backends/net/nics.h"

#include <utility>
#include <vector>

#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

constexpr unsigned kMaxNics = 16;

}  // namespace

Nics::~Nics() = default;

Result<NetConfig> Nics::Identify(NetConfig config) const {
  if (nics_.size() >= kMaxNics) {
    return UsageError("a guest can have {} NICs, and no more", kMaxNics);
  }
  std::vector<NetConfig> all;
  for (const auto& [number, nic] : nics_) {
    all.push_back(nic.backend->config());
  }
  all.push_back(std::move(config));
  VENEER_TRY(IdentifyNics(guest_, all));
  VENEER_CHECK(!nics_.contains(*all.back().number));
  return std::move(all.back());
}

Result<unsigned> Nics::Add(NetConfig config) {
  VENEER_TRY_ASSIGN(config, Identify(std::move(config)));
  VENEER_TRY_ASSIGN(std::unique_ptr<NetLink> link, OpenNetLink(config));
  return Add(std::move(config), std::move(link));
}

Result<unsigned> Nics::Add(NetConfig config, std::unique_ptr<NetLink> link) {
  VENEER_TRY_ASSIGN(config, Identify(std::move(config)));
  const std::string name = link->facts().name;
  Nic nic;
  VENEER_TRY_ASSIGN(nic.backend,
                    NetBackend::Create(parts_, *config.number, config, std::move(link)));
  LogInfo("NIC {}: {} on {}", *config.number, ToString(*config.mac), name);
  nics_.emplace(*config.number, std::move(nic));
  return *config.number;
}

Result<void> Nics::Remove(unsigned number, std::function<void()> removed) {
  const auto it = nics_.find(number);
  if (it == nics_.end()) {
    return UsageError("there is no NIC {}", number);
  }
  Nic& nic = it->second;
  if (nic.removing) {
    return UsageError("NIC {} is being removed already; the guest has not let go of it", number);
  }
  nic.removing = true;
  nic.backend->Remove([this, number, removed = std::move(removed)] {
    LogInfo("NIC {}: removed", number);
    const std::function<void()> tell = removed;  // what follows destroys this function
    nics_.erase(unsigned{number});
    tell();
  });
  return {};
}

void Nics::Report(Inquiry& inquiry) {
  for (const auto& [name, nic] : nics_) {
    nic.backend->Report(inquiry);
  }
}

void Nics::StartOver(const std::function<void()>& done) {
  if (nics_.empty()) {
    done();
    return;
  }
  const auto left = std::make_shared<std::size_t>(nics_.size());
  for (const auto& [name, entry] : nics_) {
    entry.backend->StartOver([left, done] {
      if (--*left == 0) {
        done();
      }
    });
  }
}

std::map<unsigned, Nics::Entry> Nics::List() const {
  std::map<unsigned, Entry> list;
  for (const auto& [number, nic] : nics_) {
    list.emplace(number, Entry{nic.backend->config(), nic.backend->link(), nic.backend->state(),
                               nic.removing});
  }
  return list;
}

}  // namespace veneer
