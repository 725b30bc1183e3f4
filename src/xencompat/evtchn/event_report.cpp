// The state of event channels in words, for people who look at a guest that stands still.
#include <fmt/core.h>

#include "event_channel_state.h"
#include "veneer/xencompat/evtchn/event_channels.h"

namespace veneer {
namespace {

std::string Partner(const Port& port) {
  const std::string domain = port.remote_dom == kHostDomId
                                 ? std::string("domain 0")
                                 : fmt::format("domain {}", port.remote_dom.value);
  return port.state == PortState::kUnbound
             ? "unbound, for " + domain
             : fmt::format("bound to port {} of {}", port.remote_port, domain);
}

std::string Use(const Port& port) {
  switch (port.state) {
    case PortState::kFree:
    case PortState::kReserved:
      break;
    case PortState::kUnbound:
    case PortState::kInterdomain:
      return Partner(port);
    case PortState::kVirq:
      return fmt::format("VIRQ {}", port.virq);
    case PortState::kIpi:
      return "IPI";
  }
  return "free";
}

}  // namespace

std::vector<std::string> EventChannels::Report() const {
  const MutexLock lock(state_->lock);
  const Fifo* const fifo = state_->fifo.get();
  std::vector<std::string> lines{fmt::format("events: {} ABI, {}-bit guest",
                                             fifo != nullptr ? "FIFO" : "2-level",
                                             state_->infos.width() == GuestWidth::k64 ? 64 : 32)};
  for (std::uint32_t vcpu = 0; vcpu < state_->infos.vcpus(); ++vcpu) {
    const auto flags = state_->infos.Look(vcpu);
    if (!flags) {
      lines.push_back(fmt::format("vCPU {} events: no vcpu_info", vcpu));
      continue;
    }
    lines.push_back(fmt::format("vCPU {} events: upcall_pending={} upcall_mask={} {}", vcpu,
                                flags->pending ? 1 : 0, flags->masked ? 1 : 0,
                                fifo != nullptr
                                    ? fmt::format("ready={:#x}", fifo->Ready(vcpu))
                                    : fmt::format("pending_sel={:#x}", flags->selector)));
  }
  for (std::uint32_t number = 1; number < state_->guest.size(); ++number) {
    const Port& port = state_->guest.at(number);
    if (!port.InUse()) {
      continue;
    }
    const bool masked =
        fifo != nullptr ? fifo->IsMasked(number) : state_->two_level.IsMasked(number);
    lines.push_back(fmt::format("port {}: {}, vCPU {}{}{}{}", number, Use(port), port.vcpu,
                                state_->IsPending(number) ? ", pending" : "",
                                masked ? ", masked" : "",
                                fifo != nullptr && fifo->IsBusy(number) ? ", linked" : ""));
  }
  return lines;
}

}  // namespace veneer
