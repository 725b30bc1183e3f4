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
    ids_.push_back({deadlines_.Add([this, vcpu] { Expire(vcpu); }),
                    deadlines_.Add([this, vcpu] { OnPeriod(vcpu); })});
  }
}

void VcpuTimers::Expire(unsigned vcpu) {
  if (load_limit_ < kNoLimit) {
    const MutexLock lock(mutex_);
    vcpus_[vcpu].fired_ns = time_.GuestNs();
  }
  fire_(vcpu);
}

void VcpuTimers::EndEvent(unsigned vcpu) {
  const MutexLock lock(mutex_);
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
    const MutexLock lock(mutex_);
    deadline_ns = std::max(deadline_ns, vcpus_[vcpu].earliest_ns);
  }
  deadlines_.Set(ids_[vcpu].singleshot, time_.HostNs(deadline_ns));
}

XenResult<void> VcpuTimers::SetSingleshot(unsigned vcpu, std::uint64_t deadline_ns,
                                          bool must_be_future) {
  VENEER_CHECK(vcpu < ids_.size());
  if (must_be_future && deadline_ns < time_.GuestNs()) {
    return XenError(XEN_ETIME);
  }
  Set(vcpu, deadline_ns);
  return {};
}

void VcpuTimers::StopSingleshot(unsigned vcpu) {
  VENEER_CHECK(vcpu < ids_.size());
  EndEvent(vcpu);
  deadlines_.Set(ids_[vcpu].singleshot, std::nullopt);
}

void VcpuTimers::SetTimerOp(unsigned vcpu, std::int64_t deadline_ns) {
  VENEER_CHECK(vcpu < ids_.size());
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
  VENEER_CHECK(vcpu < ids_.size());
  if (period_ns < kMinPeriodNs || period_ns > kMaxPeriodNs) {
    return XenError(XEN_EINVAL);
  }
  const MutexLock lock(mutex_);
  vcpus_[vcpu].period_ns = period_ns;
  ArmPeriodic(vcpu);
  return {};
}

void VcpuTimers::StopPeriodic(unsigned vcpu) {
  VENEER_CHECK(vcpu < ids_.size());
  const MutexLock lock(mutex_);
  vcpus_[vcpu].period_ns = 0;
  deadlines_.Arm(ids_[vcpu].periodic, std::nullopt);
}

void VcpuTimers::StartOver() {
  const MutexLock lock(mutex_);
  for (PerVcpu& timer : vcpus_) {
    timer.period_ns = 0;
    timer.fired_ns.reset();
    timer.earliest_ns = 0;
  }
  for (const Ids& ids : ids_) {
    deadlines_.Arm(ids.singleshot, std::nullopt);
    deadlines_.Arm(ids.periodic, std::nullopt);
  }
}

void VcpuTimers::ArmPeriodic(unsigned vcpu) {
  deadlines_.Arm(ids_[vcpu].periodic, time_.HostNs(time_.GuestNs() + vcpus_[vcpu].period_ns));
}

void VcpuTimers::OnPeriod(unsigned vcpu) {
  {
    const MutexLock lock(mutex_);
    if (vcpus_[vcpu].period_ns == 0) {
      return;
    }
    ArmPeriodic(vcpu);
  }
  fire_(vcpu);
}

}  // namespace veneer
