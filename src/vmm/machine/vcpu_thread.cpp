#include "vcpu_thread.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/thread.h"
#include "veneer/vmm/pvm/pvm_assists.h"

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

VcpuThread::VcpuThread(std::unique_ptr<Vcpu> vcpu, VcpuContext context)
    : vcpu_(std::move(vcpu)), context_(std::move(context)), counters_(context_.metrics) {}

VcpuThread::~VcpuThread() {
  Join();
  if (schedstat_ >= 0) {
    close(schedstat_);
  }
}

Result<void> VcpuThread::Start() {
  VENEER_TRY_ASSIGN(thread_,
                    StartThreadWithSignals(fmt::format("vcpu{}", vcpu_->id()), [this] { Loop(); }));
  return {};
}

void VcpuThread::Join() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

void VcpuThread::Loop() {
  id_ = std::this_thread::get_id();
  // Linux, Documentation/scheduler/sched-stats.rst: run time, wait time, time slices.
  schedstat_ = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  ConfineThread(context_.kind);
  for (;;) {
    const bool held = !context_.gate.open();
    if (!context_.gate.Pass()) {
      return;
    }
    if (held) {
      vcpu_->NoteStopped();
      for (const auto& handler : exit_handlers_) {
        handler->AfterPause(*vcpu_);
      }
    }
    if (tasks_waiting_.load(std::memory_order_acquire)) {
      RunTasks();
    }
    if (taken()) {
      WaitWhileTaken();
      continue;
    }
    for (const auto& handler : exit_handlers_) {
      handler->BeforeRun(*vcpu_);
    }
    may_run_guest_.store(true);
    if (tasks_waiting_.load()) {
      may_run_guest_.store(false);
      continue;
    }
    const VcpuExit exit = vcpu_->Run();
    may_run_guest_.store(false, std::memory_order_release);
    if (!std::holds_alternative<InterruptedExit>(exit)) {
      has_run_.store(true, std::memory_order_relaxed);
    }
    if (HandlerTakes(exit)) {
      counters_.assist.Add();
    } else {
      Handle(exit);
    }
  }
}

bool VcpuThread::HandlerTakes(const VcpuExit& exit) {
  return std::any_of(exit_handlers_.begin(), exit_handlers_.end(), [&](const auto& handler) {
    return handler->OnExit(*vcpu_, exit) == ExitHandler::Outcome::kHandled;
  });
}

void VcpuThread::Kick() {
  vcpu_->Kick();
  const MutexLock lock(tasks_mutex_);
  kicked_.NotifyAll();
}

void VcpuThread::LookWhetherItRuns() {
  Post(VcpuTask::kLook, [this](Vcpu& vcpu) {
    if (!vcpu.AwaitsStartup()) {
      has_run_ = true;
    }
  });
}

void VcpuThread::Take() {
  if (taken_.exchange(true)) {
    return;
  }
  Post(VcpuTask::kTake, [this](Vcpu& vcpu) {
    if (!vcpu.AwaitStartup()) {
      LogError("KVM does not let vCPU {} start anew", vcpu.id());
    }
    ForgetRun();
    for (const auto& handler : exit_handlers_) {
      handler->OnTaken(vcpu);
    }
  });
}

void VcpuThread::GiveBack() {
  taken_ = false;
  Kick();
}

void VcpuThread::WaitWhileTaken() {
  const MutexLock lock(tasks_mutex_);
  while (taken() && tasks_.empty() && context_.gate.open()) {
    kicked_.Wait(tasks_mutex_);
  }
}

void VcpuThread::Post(VcpuTask kind, Task task, unsigned which) {
  const std::pair about(kind, which);
  const bool now = IsCurrentThread();
  {
    const MutexLock lock(tasks_mutex_);
    std::erase_if(tasks_, [&](const Posted& posted) { return posted.about == about; });
    if (!now) {
      tasks_.push_back({about, std::move(task)});
      tasks_waiting_.store(true);
    }
  }
  if (now) {
    task(*vcpu_);
  } else {
    Kick();
  }
}

void VcpuThread::RunTasks() {
  std::vector<Posted> tasks;
  {
    const MutexLock lock(tasks_mutex_);
    tasks.swap(tasks_);
    tasks_waiting_.store(false, std::memory_order_release);
  }
  for (const Posted& posted : tasks) {
    posted.task(*vcpu_);
  }
}

VcpuUsage VcpuThread::Usage() const {
  std::array<char, 96> text{};
  if (pread(schedstat_, text.data(), text.size() - 1, 0) <= 0) {
    return {};
  }
  char* second = nullptr;
  const std::uint64_t run_ns = std::strtoull(text.data(), &second, 10);
  return {.run_ns = run_ns, .stolen_ns = std::strtoull(second, nullptr, 10)};
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
  // Only for a machine without Xen on a KVM that was told to intercept: nobody is there to answer.
  constexpr std::uint64_t kNoSuchCall = static_cast<std::uint64_t>(-38);  // -ENOSYS, xen/errno.h
  *exit.result = kNoSuchCall;
}

void VcpuThread::On(const FatalExit& exit) {
  context_.request_stop({StopReason::kHostError, exit.reason});
}

}  // namespace veneer
