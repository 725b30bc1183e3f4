#include "veneer/xencompat/domain/vcpu_timers.h"

#include <algorithm>
#include <utility>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr std::uint64_t kFarAwayNs = std::uint64_t{1} << 50;  // 13 days
constexpr std::uint64_t kWrappedDelayNs = 100'000'000;

}  // namespace

VcpuTimers::VcpuTimers(const SystemTime& time, Deadlines& deadlines, unsigned vcpus, Fire fire,
                       unsigned load_limit)
    : time_(time),
      deadlines_(deadlines),
      fire_(std::move(fire)),
      load_limit_(load_limit),
      vcpus_(vcpus) {
  for (unsigned vcpu = 0; vcpu < vcpus; ++vcpu) {
    vcpus_[vcpu].singleshot = deadlines_.Add([this, vcpu] { Expire(vcpu); });
    vcpus_[vcpu].periodic = deadlines_.Add([this, vcpu] { OnPeriod(vcpu); });
  }
}

void VcpuTimers::Expire(unsigned vcpu) {
  if (load_limit_ < kNoLimit) {
    const std::lock_guard lock(mutex_);
    vcpus_[vcpu].fired_ns = time_.GuestNs();
  }
  fire_(vcpu);
}

void VcpuTimers::EndEvent(unsigned vcpu) {
  const std::lock_guard lock(mutex_);
  PerVcpu& timer = vcpus_[vcpu];
  if (timer.fired_ns) {
    const std::uint64_t now = time_.GuestNs();
    const std::uint64_t spent = std::min(now - *timer.fired_ns, kLongestDelayNs);
    const std::uint64_t delay = spent * (kNoLimit - load_limit_) / load_limit_;
    timer.earliest_ns = now + std::min(delay, kLongestDelayNs);
    timer.fired_ns.reset();
  }
}

void VcpuTimers::Set(unsigned vcpu, std::uint64_t deadline_ns) {
  if (load_limit_ < kNoLimit) {
    EndEvent(vcpu);
    const std::lock_guard lock(mutex_);
    deadline_ns = std::max(deadline_ns, vcpus_[vcpu].earliest_ns);
  }
  deadlines_.Set(vcpus_[vcpu].singleshot, time_.HostNs(deadline_ns));
}

XenResult<void> VcpuTimers::SetSingleshot(unsigned vcpu, std::uint64_t deadline_ns,
                                          bool must_be_future) {
  VENEER_CHECK(vcpu < vcpus_.size());
  if (must_be_future && deadline_ns < time_.GuestNs()) {
    return XenError(XEN_ETIME);
  }
  Set(vcpu, deadline_ns);
  return {};
}

void VcpuTimers::StopSingleshot(unsigned vcpu) {
  VENEER_CHECK(vcpu < vcpus_.size());
  EndEvent(vcpu);
  deadlines_.Set(vcpus_[vcpu].singleshot, std::nullopt);
}

void VcpuTimers::SetTimerOp(unsigned vcpu, std::int64_t deadline_ns) {
  VENEER_CHECK(vcpu < vcpus_.size());
  if (deadline_ns == 0) {
    StopSingleshot(vcpu);
    return;
  }
  const std::uint64_t now = time_.GuestNs();
  const auto deadline = static_cast<std::uint64_t>(deadline_ns);
  const bool wrapped = deadline_ns < 0 || (deadline > now && deadline - now >= kFarAwayNs);
  Set(vcpu, wrapped ? now + kWrappedDelayNs : deadline);
}

XenResult<void> VcpuTimers::SetPeriodic(unsigned vcpu, std::uint64_t period_ns) {
  VENEER_CHECK(vcpu < vcpus_.size());
  if (period_ns < kMinPeriodNs || period_ns > kMaxPeriodNs) {
    return XenError(XEN_EINVAL);
  }
  const std::lock_guard lock(mutex_);
  vcpus_[vcpu].period_ns = period_ns;
  ArmPeriodic(vcpu);
  return {};
}

void VcpuTimers::StopPeriodic(unsigned vcpu) {
  VENEER_CHECK(vcpu < vcpus_.size());
  const std::lock_guard lock(mutex_);
  vcpus_[vcpu].period_ns = 0;
  deadlines_.Arm(vcpus_[vcpu].periodic, std::nullopt);
}

void VcpuTimers::StartOver() {
  const std::lock_guard lock(mutex_);
  for (PerVcpu& timer : vcpus_) {
    timer.period_ns = 0;
    timer.fired_ns.reset();
    timer.earliest_ns = 0;
    deadlines_.Arm(timer.singleshot, std::nullopt);
    deadlines_.Arm(timer.periodic, std::nullopt);
  }
}

void VcpuTimers::ArmPeriodic(unsigned vcpu) {
  const PerVcpu& timer = vcpus_[vcpu];
  deadlines_.Arm(timer.periodic, time_.HostNs(time_.GuestNs() + timer.period_ns));
}

void VcpuTimers::OnPeriod(unsigned vcpu) {
  {
    const std::lock_guard lock(mutex_);
    if (vcpus_[vcpu].period_ns == 0) {
      return;
    }
    ArmPeriodic(vcpu);
  }
  fire_(vcpu);
}

}  // namespace veneer
