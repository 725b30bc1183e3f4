// Sequences of event channel operations, guest and host side, between arbitrary writes to
// everything that the guest shares. Nothing may crash, and a port may never be in two hands.
#include <sys/eventfd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "support/event_guest.h"
#include "support/fuzz_target.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

using testing::EventGuest;

class Input : public testing::FuzzInput {
 public:
  using FuzzInput::FuzzInput;
  // Mostly a port that may exist, now and then any number.
  EvtchnPort Port() {
    const auto byte = Take<std::uint8_t>();
    return EvtchnPort{byte < 250 ? byte % 80U : Take<std::uint32_t>()};
  }
  std::uint32_t Vcpu() {
    const auto byte = Take<std::uint8_t>();
    return byte < 250 ? byte % 3U : Take<std::uint32_t>();
  }
};

class Session {
 public:
  Session(const std::uint8_t* data, std::size_t size)
      : input_(data, size),
        guest_(EventChannels::Options{.vcpus = 2, .max_port = 70}),
        channels_(*guest_.channels) {}

  void Run() {
    for (int step = 0; step < 400 && !input_.empty(); ++step) {
      const std::uint8_t op = input_.Take<std::uint8_t>() % 28;
      if (op < 16) {
        GuestOp(op);
      } else {
        OtherOp(op);
      }
    }
    static_cast<void>(channels_.Reset(DOMID_SELF));
    for (std::uint32_t port = 1; port <= 70; ++port) {
      VENEER_CHECK(channels_.BindIpi(0)->value == port);
    }
  }

 private:
  // A port just given out is in use and was not before.
  void Fresh(const XenResult<EvtchnPort>& port, const std::array<std::uint32_t, 71>& before) {
    if (port) {
      VENEER_CHECK(port->value >= 1 && port->value <= 70);
      VENEER_CHECK(before[port->value] == EVTCHNSTAT_closed);
      VENEER_CHECK(channels_.Status(DOMID_SELF, *port)->status != EVTCHNSTAT_closed);
    }
  }
  std::array<std::uint32_t, 71> Statuses() {
    std::array<std::uint32_t, 71> statuses{};
    for (std::uint32_t port = 0; port < statuses.size(); ++port) {
      const auto status = channels_.Status(DOMID_SELF, EvtchnPort{port});
      statuses[port] = status ? status->status : std::uint32_t{EVTCHNSTAT_closed};
    }
    return statuses;
  }

  void GuestOp(std::uint8_t op) {
    switch (op) {
      case 0: {
        const auto before = Statuses();
        Fresh(channels_.AllocUnbound(DOMID_SELF, input_.Take<std::uint8_t>() % 3), before);
        break;
      }
      case 1: {
        const auto before = Statuses();
        Fresh(channels_.BindInterdomain(input_.Take<std::uint8_t>() % 3, input_.Port()), before);
        break;
      }
      case 2: {
        const auto before = Statuses();
        Fresh(channels_.BindVirq(input_.Take<std::uint8_t>(), input_.Vcpu()), before);
        break;
      }
      case 3: {
        const auto before = Statuses();
        Fresh(channels_.BindIpi(input_.Vcpu()), before);
        break;
      }
      case 4:
        static_cast<void>(channels_.Close(input_.Port()));
        break;
      case 5:
      case 6:
        static_cast<void>(channels_.Send(input_.Port()));
        break;
      case 7:
        static_cast<void>(channels_.Unmask(input_.Port()));
        break;
      case 8:
        static_cast<void>(channels_.BindVcpu(input_.Port(), input_.Vcpu()));
        break;
      case 9:
        static_cast<void>(channels_.SetPriority(input_.Port(), input_.Take<std::uint8_t>()));
        break;
      case 10:
        static_cast<void>(channels_.InitControl(input_.Vcpu(), Gfn{input_.Take<std::uint16_t>()},
                                                input_.Take<std::uint16_t>()));
        break;
      case 11:
        static_cast<void>(channels_.ExpandArray(Gfn{input_.Take<std::uint16_t>()}));
        break;
      case 12:
        static_cast<void>(channels_.Reset(input_.Take<std::uint8_t>() % 3));
        break;
      case 13: {
        const std::array ports{input_.Port(), input_.Port()};
        static_cast<void>(channels_.Poll(input_.Vcpu(), ports, 1));
        break;
      }
      case 14:
        static_cast<void>(channels_.SetVcpuInfo(
            input_.Vcpu(), guest_.memory->Pin(Gpa{input_.Take<std::uint32_t>()}, 64)));
        break;
      default:
        static_cast<void>(guest_.UseFifo(2, 1));
    }
  }

  void OtherOp(std::uint8_t op) {
    switch (op) {
      case 16:
        Keep(channels_.AllocHostUnbound([this] { ++handled_; }));
        break;
      case 17:
        Keep(channels_.BindHost(input_.Port(), [this] { ++handled_; }));
        break;
      case 18:
        Keep(channels_.BindHost(input_.Port(), event_.get()));
        break;
      case 19:
        static_cast<void>(channels_.CloseHost(HostPort()));
        break;
      case 20:
        static_cast<void>(channels_.Notify(HostPort()));
        break;
      case 21:
        channels_.RaiseVirq(input_.Vcpu(), input_.Take<std::uint8_t>());
        break;
      case 22:
        channels_.SetGuestWidth(input_.Take<std::uint8_t>() % 2 == 0 ? GuestWidth::k64
                                                                     : GuestWidth::k32);
        break;
      case 23:
        guest_.Word(input_.Take<std::uint16_t>() % kPageSize / 4 * 4)
            .store(input_.Take<std::uint32_t>());
        break;
      case 24:
        guest_.EventWord(input_.Port().value % 1024).store(input_.Take<std::uint32_t>());
        break;
      case 25:
        SharedWord<std::uint32_t>(guest_.Control(input_.Take<std::uint8_t>() % 2) +
                                  input_.Take<std::uint8_t>() % 18 * 4)
            .store(input_.Take<std::uint32_t>());
        break;
      case 26: {
        const std::uint64_t gpa = input_.Take<std::uint32_t>() % EventGuest::kMemory;
        static_cast<void>(guest_.memory->Write(Gpa{gpa}, input_.Take<std::uint8_t>()));
        break;
      }
      default:
        channels_.RaiseIfPending(input_.Vcpu());
    }
  }

  void Keep(const XenResult<EvtchnPort>& port) {
    if (port) {
      host_ports_.push_back(*port);
    }
  }
  EvtchnPort HostPort() {
    const auto byte = input_.Take<std::uint8_t>();
    return host_ports_.empty() ? EvtchnPort{byte} : host_ports_[byte % host_ports_.size()];
  }

  Input input_;
  UniqueFd event_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  EventGuest guest_;
  EventChannels& channels_;
  std::vector<EvtchnPort> host_ports_;
  std::uint64_t handled_ = 0;
};

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  veneer::testing::SilenceLog();
  veneer::Session(data, size).Run();
  return 0;
}
