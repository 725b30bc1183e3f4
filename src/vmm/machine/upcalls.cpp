#include "upcalls.h"

#include <sys/epoll.h>

#include <utility>

#include "veneer/devices/pci/pci_host.h"
#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

// How soon to look again at a vCPU that could not take its upcall: one that is not up yet, or that
// runs with interrupts off. Short beside a tick, long beside an exit.
constexpr std::uint64_t kRetryNs = 1'000'000;

// Fixed delivery, physical destination, edge (Intel SDM vol. 3, 10.11).
MsiMessage UpcallMessage(unsigned apic_id, std::uint8_t vector) {
  return MsiMessage{0xfee00000U | (std::uint64_t{apic_id} << 12U), vector};
}

}  // namespace

Upcalls::Upcalls(Parts parts, unsigned vcpus)
    : parts_(std::move(parts)),
      raised_(parts_.metrics.Get("xen.upcalls")),
      retries_(parts_.metrics.Get("xen.upcall_retries")) {
  for (unsigned i = 0; i < vcpus; ++i) {
    vcpus_.push_back(std::make_unique<PerVcpu>());
  }
}

Upcalls::~Upcalls() {
  if (acknowledged_.valid()) {
    parts_.loop.RemoveFd(acknowledged_.get());
  }
}

Result<void> Upcalls::Prepare() {
  VENEER_TRY_ASSIGN(assert_, EventFd::Create());
  VENEER_TRY_ASSIGN(acknowledged_, EventFd::Create());
  return parts_.loop.AddFd(acknowledged_.get(), EPOLLIN, [this](std::uint32_t) {
    acknowledged_.Drain();
    // The line is level-triggered: it stays up for as long as something is pending.
    if (line_attached_ && vcpus_[0]->vector == 0 && parts_.pending(0)) {
      assert_.Signal();
    }
  });
}

void Upcalls::SetVector(unsigned vcpu, std::uint8_t vector) { vcpus_[vcpu]->vector = vector; }

void Upcalls::SetMethod(const CallbackMethod& method) {
  struct Visitor {
    Upcalls& self;
    void operator()(CallbackNone) const {}
    void operator()(const CallbackGsi& gsi) const {
      // Linux writes 1 here once every vCPU has a vector of its own, as a sign for toolstacks.
      if (self.vcpus_[0]->vector == 0) {
        self.line_mutex_.AssertHeld();
        self.AttachLine(gsi.gsi);
      }
    }
    void operator()(const CallbackPciIntx& intx) const {
      self.line_mutex_.AssertHeld();
      self.AttachLine(PciHost::IntxGsi(intx.device));
    }
    void operator()(const CallbackVector& vector) const { self.callback_vector_ = vector.vector; }
  };
  // All of it at once: of two vCPUs that do this at the same time the second finds a line to
  // detach.
  const MutexLock lock(line_mutex_);
  DetachLine();
  callback_vector_ = 0;
  std::visit(Visitor{*this}, method);
}

void Upcalls::StartOver() {
  SetMethod(CallbackNone{});
  for (const auto& vcpu : vcpus_) {
    vcpu->vector = 0;
    vcpu->inject = false;
  }
}

void Upcalls::AttachLine(Gsi gsi) {
  if (const Result<void> attached =
          parts_.lines.AttachResampledLine(gsi, assert_.get(), acknowledged_.get());
      !attached) {
    LogGuest(limiter_, "event channels cannot use GSI {}: {}", gsi.value, attached.error().message);
    return;
  }
  line_gsi_ = gsi;
  line_attached_ = true;
}

void Upcalls::DetachLine() {
  if (line_gsi_) {
    line_attached_ = false;
    static_cast<void>(parts_.lines.DetachResampledLine(*line_gsi_, assert_.get()));
    line_gsi_.reset();
  }
}

void Upcalls::Raise(std::uint32_t vcpu) {
  raised_.Add();
  const std::uint8_t vector = vcpus_[vcpu]->vector;
  if (vector == 0) {
    RaiseByMethod(vcpu);
  } else if (!parts_.msi.Deliver(UpcallMessage(vcpu, vector))) {
    Retry(vcpu);
  }
}

void Upcalls::RaiseByMethod(unsigned vcpu) {
  if (callback_vector_ != 0) {
    vcpus_[vcpu]->inject = !kernel_injects_;
    VcpuThread& thread = *parts_.vcpus[vcpu];
    if (!thread.IsCurrentThread()) {
      thread.Kick();
    }
  } else if (line_attached_ && vcpu == 0) {
    assert_.Signal();
  }
  // Else the guest has not said how yet; it is told when it does (EventChannels::RaiseIfPending).
}

void Upcalls::OnKernelSend(std::uint32_t vcpu) {
  const bool by_line = vcpu == 0 && line_attached_ && vcpus_[0]->vector == 0;
  if (by_line && callback_vector_ == 0 && parts_.pending(0)) {
    assert_.Signal();
  }
}

void Upcalls::BeforeRun(unsigned vcpu, Vcpu& target) {
  PerVcpu& state = *vcpus_[vcpu];
  if (!state.inject.load(std::memory_order_relaxed)) {
    return;
  }
  state.inject = false;
  const std::uint8_t vector = callback_vector_;
  if (vector == 0 || !parts_.pending(vcpu)) {
    return;
  }
  if (!target.InjectInterrupt(vector)) {
    state.inject = true;
    Retry(vcpu);
  }
}

void Upcalls::Retry(unsigned vcpu) {
  if (vcpus_[vcpu]->retrying.exchange(true)) {
    return;
  }
  retries_.Add();
  parts_.loop.Post([this, vcpu] {
    parts_.loop.AddTimer(HostClock().MonotonicNs() + kRetryNs, [this, vcpu] {
      vcpus_[vcpu]->retrying = false;
      // One that has been taken from the guest is asked again when the guest sets it up anew.
      if (parts_.pending(vcpu) && !parts_.vcpus[vcpu]->taken()) {
        Raise(vcpu);
      }
    });
  });
}

std::vector<std::string> Upcalls::Report() {
  std::string method = "none that the guest has asked for";
  {
    const MutexLock lock(line_mutex_);
    if (line_gsi_) {
      method = fmt::format("GSI {}", line_gsi_->value);
    } else if (callback_vector_ != 0) {
      method = fmt::format("vector {:#x} on all vCPUs", callback_vector_.load());
    }
  }
  std::vector<std::string> lines{"upcalls: " + method};
  for (std::size_t vcpu = 0; vcpu < vcpus_.size(); ++vcpu) {
    const PerVcpu& state = *vcpus_[vcpu];
    if (state.vector != 0 || state.inject || state.retrying) {
      lines.push_back(fmt::format("vCPU {} upcalls: vector {:#x} of its own{}{}", vcpu,
                                  state.vector.load(), state.inject ? ", waits for injection" : "",
                                  state.retrying ? ", will be tried again" : ""));
    }
  }
  return lines;
}

}  // namespace veneer
