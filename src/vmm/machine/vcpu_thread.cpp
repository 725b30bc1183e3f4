#include "vcpu_thread.h"

#include <pthread.h>

#include <cstring>

#include "veneer/base/log.h"
#include "veneer/kvm/assist.h"

namespace veneer {
namespace {

// Items of port and memory accesses are little-endian, like the host.
std::uint64_t LoadItem(std::span<const std::byte> item) {
  std::uint64_t value = 0;
  std::memcpy(&value, item.data(), item.size());
  return value;
}

void StoreItem(std::span<std::byte> item, std::uint64_t value) {
  std::memcpy(item.data(), &value, item.size());
}

}  // namespace

VcpuThread::Counters::Counters(Metrics& metrics)
    : pio(metrics.Get("exits.pio")),
      mmio(metrics.Get("exits.mmio")),
      msr(metrics.Get("exits.msr")),
      assist(metrics.Get("exits.assist")),
      interrupted(metrics.Get("exits.interrupted")) {}

VcpuThread::VcpuThread(std::unique_ptr<Vcpu> vcpu, std::unique_ptr<VcpuAssist> assist,
                       VcpuContext context)
    : vcpu_(std::move(vcpu)),
      assist_(std::move(assist)),
      context_(std::move(context)),
      counters_(context_.metrics) {}

VcpuThread::~VcpuThread() { Join(); }

void VcpuThread::Start() {
  thread_ = std::thread([this] { Loop(); });
  pthread_setname_np(thread_.native_handle(), fmt::format("vcpu{}", vcpu_->id()).c_str());
}

void VcpuThread::Join() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

void VcpuThread::Loop() {
  while (context_.gate.Pass()) {
    const VcpuExit exit = vcpu_->Run();
    if (assist_ != nullptr && assist_->OnExit(*vcpu_, exit) == VcpuAssist::Outcome::kHandled) {
      counters_.assist.Add();
      continue;
    }
    Handle(exit);
  }
}

void VcpuThread::Handle(const VcpuExit& exit) {
  std::visit([this](const auto& kind) { On(kind); }, exit);
}

void VcpuThread::On(const PioExit& exit) {
  counters_.pio.Add();
  for (std::uint32_t i = 0; i < exit.count; ++i) {
    const std::span<std::byte> item = exit.data.subspan(std::size_t{i} * exit.size, exit.size);
    if (exit.write) {
      context_.ports.Write(exit.port, exit.size, LoadItem(item));
    } else {
      StoreItem(item, context_.ports.Read(exit.port, exit.size));
    }
  }
}

void VcpuThread::On(const MmioExit& exit) {
  counters_.mmio.Add();
  const unsigned size = static_cast<unsigned>(exit.data.size());
  if (exit.write) {
    context_.mmio.Write(exit.address.value, size, LoadItem(exit.data));
  } else {
    StoreItem(exit.data, context_.mmio.Read(exit.address.value, size));
  }
}

void VcpuThread::On(const MsrExit& exit) {
  counters_.msr.Add();
  // The filter hands over only what somebody asked for; nobody wants this one.
  *exit.fault = 1;
}

void VcpuThread::On(const EmulationFailureExit& exit) {
  context_.request_stop(
      {StopReason::kEmulationFailure, DescribeFailure(*vcpu_, context_.memory, exit)});
}

void VcpuThread::On(const DebugExit& exit) {
  // Left over from a breakpoint that has been taken away meanwhile.
  LogDebug("vCPU {}: debug exit at {:#x} that nobody asked for", vcpu_->id(), exit.rip);
}

void VcpuThread::On(const HaltExit& exit) {
  static_cast<void>(exit);
  context_.request_stop({StopReason::kHostError,
                         "a vCPU halted outside KVM, although KVM has its interrupt controller"});
}

void VcpuThread::On(const ShutdownExit& exit) {
  static_cast<void>(exit);
  const Registers registers = vcpu_->GetRegisters();
  context_.request_stop(
      {StopReason::kTripleFault, fmt::format("vCPU {} at RIP {:#x}", vcpu_->id(), registers.rip)});
}

void VcpuThread::On(const InterruptedExit& exit) {
  static_cast<void>(exit);
  counters_.interrupted.Add();
}

void VcpuThread::On(const XenHypercallExit& exit) {
  constexpr std::uint64_t kNoSuchCall = static_cast<std::uint64_t>(-38);  // -ENOSYS, xen/errno.h
  *exit.result = kNoSuchCall;
}

void VcpuThread::On(const FatalExit& exit) {
  context_.request_stop({StopReason::kHostError, exit.reason});
}

}  // namespace veneer
