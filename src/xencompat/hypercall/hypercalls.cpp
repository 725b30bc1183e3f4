#include "veneer/xencompat/hypercall/hypercalls.h"

#include "call.h"
#include "guest_console.h"
#include "table.h"
#include "veneer/vmm/base/check.h"

namespace veneer {

class Hypercalls::Impl {
 public:
  Impl(XenDomain& domain, Metrics& metrics)
      : domain_(domain),
        table_(metrics),
        refused_(metrics.Get("hypercall.refused_by_privilege")),
        slow_sends_(metrics.Get("hypercall.sends_without_ioeventfd")) {}

  CallResult Dispatch(unsigned vcpu, HypercallFrame& frame, GuestVirtualMemory& memory) {
    VENEER_CHECK(vcpu < domain_.options().vcpus);
    if (frame.cpl > 0) {
      refused_.Add();
      return Errno(XEN_EPERM);
    }
    Call call{.domain = domain_,
              .table = table_,
              .console = console_,
              .memory = memory,
              .vcpu = vcpu,
              .frame = frame};
    return table_.Run(call);
  }

  CallResult Send(std::uint32_t port) {
    slow_sends_.Add();
    return domain_.events().Send(EvtchnPort{port});
  }

 private:
  XenDomain& domain_;
  const HypercallTable table_;
  GuestConsole console_;
  Counter& refused_;
  Counter& slow_sends_;
};

Hypercalls::Hypercalls(XenDomain& domain, Metrics& metrics)
    : impl_(std::make_unique<Impl>(domain, metrics)) {}
Hypercalls::~Hypercalls() = default;

CallResult Hypercalls::Dispatch(unsigned vcpu, HypercallFrame& frame, GuestVirtualMemory& memory) {
  return impl_->Dispatch(vcpu, frame, memory);
}

CallResult Hypercalls::Send(std::uint32_t port) { return impl_->Send(port); }

}  // namespace veneer
