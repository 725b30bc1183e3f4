// All PV NICs of one guest.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "veneer/backends/net/net_backend.h"

namespace veneer {

// Belongs to the control thread of NetBackend.
class Nics {
 public:
  // `guest`: its name, from which addresses are made.
  Nics(NetBackend::Parts parts, std::string guest)
      : parts_(std::move(parts)), guest_(std::move(guest)) {}
  Nics(const Nics&) = delete;
  Nics& operator=(const Nics&) = delete;
  ~Nics();

  // Makes or opens the link and shows the NIC to the guest, at once if that runs. Returns the
  // number it got. UsageError for a number or an address in use, and what opening says.
  Result<unsigned> Add(NetConfig config);
  // The same with a link that is open already.
  Result<unsigned> Add(NetConfig config, std::unique_ptr<NetLink> link);
  // Asks the guest to let go, and closes the link when it has; `removed` is called then. UsageError
  // if there is no such NIC, or it is being removed already.
  Result<void> Remove(unsigned number, std::function<void()> removed);

  // Asks each queue of each for how its rings stand.
  void Report(Inquiry& inquiry);

  // The guest has been replaced by another: all back-ends start over, and `done` is called once
  // they have. The guest must not run meanwhile.
  void StartOver(const std::function<void()>& done);

  struct Entry {
    NetConfig config;  // with number and address
    NetLink::Facts link;
    XenbusState state = XenbusState::kUnknown;
    bool removing = false;
  };
  std::map<unsigned, Entry> List() const;
  const std::string& guest() const { return guest_; }

 private:
  struct Nic {
    std::unique_ptr<NetBackend> backend;
    bool removing = false;
  };
  // With number and address.
  Result<NetConfig> Identify(NetConfig config) const;

  NetBackend::Parts parts_;
  const std::string guest_;
  std::map<unsigned, Nic> nics_;
};

}  // namespace veneer
