#include "veneer/xencompat/domain/xen_domain.h"

#include <cstring>
#include <utility>

#include "veneer/vmm/base/check.h"
#include "wall_clock.h"

namespace veneer {
namespace {

// The same for both widths.
constexpr std::uint64_t kVcpuInfoSize = sizeof(vcpu_info_t);
constexpr std::uint64_t kTimeOffset = offsetof(vcpu_info_t, time);
static_assert(sizeof(vcpu_info_x86_32_t) == kVcpuInfoSize);
static_assert(offsetof(vcpu_info_x86_32_t, time) == kTimeOffset);

}  // namespace

XenDomain::XenDomain(GuestMemory& memory, const Clock& clock, const SystemTime& time,
                     XenMachineHooks& hooks, XenDomainOptions options, SharedPages shared_info)
    : memory_(memory),
      clock_(clock),
      time_(time),
      hooks_(hooks),
      options_(std::move(options)),
      shared_info_(std::move(shared_info)),
      deadlines_(clock),
      starts_(options_.vcpus) {}

Result<std::unique_ptr<XenDomain>> XenDomain::Create(GuestMemory& memory, const Clock& clock,
                                                     const SystemTime& time, XenMachineHooks& hooks,
                                                     UpcallSink& upcalls, Metrics& metrics,
                                                     XenDomainOptions options) {
  VENEER_TRY_ASSIGN(SharedPages shared_info, SharedPages::Create(1));
  std::unique_ptr<XenDomain> domain(
      new XenDomain(memory, clock, time, hooks, std::move(options), std::move(shared_info)));
  VENEER_TRY(domain->Build(upcalls, metrics));
  return domain;
}

Result<void> XenDomain::Build(UpcallSink& upcalls, Metrics& metrics) {
  options_.events.vcpus = options_.vcpus;
  VENEER_TRY_ASSIGN(events_, EventChannels::Create(memory_, shared_info_.bytes(), upcalls, metrics,
                                                   options_.events));
  VENEER_TRY_ASSIGN(grants_, GrantTable::Create(memory_, metrics, options_.grants));
  physmap_ = std::make_unique<Physmap>(memory_, shared_info_, *grants_, options_.ram);
  if (options_.most_pages != 0) {
    physmap_->SetMaximum(options_.most_pages);
  }
  timers_ = std::make_unique<VcpuTimers>(
      time_, deadlines_, options_.vcpus,
      [this](unsigned vcpu) { events_->RaiseVirq(vcpu, VIRQ_TIMER); }, options_.timer_load_limit);
  shutdown_ = std::make_unique<Shutdown>(clock_, deadlines_, hooks_);
  for (unsigned vcpu = 0; vcpu < options_.vcpus; ++vcpu) {
    vcpus_.push_back(std::make_unique<VcpuState>(time_));
  }
  UpdateWallClock();
  return {};
}

XenDomain::TimeRecords XenDomain::ReadTimeRecords() const {
  TimeRecords records{};
  for (unsigned vcpu = 0; vcpu < options_.vcpus && vcpu < records.size(); ++vcpu) {
    if (const std::span<const std::byte> info = events_->VcpuInfo(vcpu); !info.empty()) {
      std::memcpy(&records[vcpu], info.data() + kTimeOffset, sizeof(vcpu_time_info_t));
      records[vcpu].version &= ~1U;  // nobody is changing it any more
    }
  }
  return records;
}

void XenDomain::WriteTimeRecords(const TimeRecords& records) {
  for (std::size_t vcpu = 0; vcpu < records.size(); ++vcpu) {
    std::memcpy(shared_info_.data() + (vcpu * kVcpuInfoSize) + kTimeOffset, &records[vcpu],
                sizeof(vcpu_time_info_t));
  }
}

void XenDomain::StartOver(unsigned boot_vcpu) {
  timers_->StartOver();
  shutdown_->StartOver();
  for (const auto& vcpu : vcpus_) {
    vcpu->runstate.SetArea(std::nullopt);
    vcpu->secondary_time.SetArea(std::nullopt);
    vcpu->own_vcpu_info = false;
  }
  flag_runstate_updates_ = false;
  params_.StartOver();
  starts_.StartOver();
  // Linux learns the TSC's frequency from vCPU 0's record, whichever vCPU it boots on.
  const TimeRecords time_records = ReadTimeRecords();
  // The pages of ours go from the guest's memory before they are cleared.
  physmap_->StartOver();
  events_->StartOver(boot_vcpu);
  grants_->StartOver();
  std::memset(shared_info_.data(), 0, kPageSize);
  WriteTimeRecords(time_records);
  width_ = GuestWidth::k64;
  UpdateWallClock();
}

void XenDomain::UpdateWallClock() {
  const MutexLock lock(wall_clock_mutex_);
  WriteWallClock(shared_info_.bytes().first<kPageSize>(), width_,
                 clock_.RealtimeNs() - time_.GuestNs());
}

void XenDomain::LatchWidth(GuestWidth width) {
  if (width_.exchange(width) == width) {
    return;
  }
  events_->SetGuestWidth(width);
  if (options_.kernel != nullptr) {
    options_.kernel->SetWidth(width);
  }
  UpdateWallClock();
}

XenResult<void> XenDomain::SetParam(std::uint32_t index, std::uint64_t value, GuestWidth caller) {
  const XenResult<void> set = params_.Set(index, value);
  if (!set || index != HVM_PARAM_CALLBACK_IRQ) {
    return set;
  }
  LatchWidth(caller);
  hooks_.SetCallback(DecodeCallback(value));
  for (unsigned vcpu = 0; vcpu < options_.vcpus; ++vcpu) {
    events_->RaiseIfPending(vcpu);
  }
  return {};
}

XenResult<void> XenDomain::SetUpcallVector(std::uint32_t vcpu, std::uint8_t vector) {
  constexpr std::uint8_t kLowestVector = 0x10;  // the local APIC delivers none below
  if (vector < kLowestVector) {
    return XenError(XEN_EINVAL);
  }
  if (vcpu >= options_.vcpus) {
    return XenError(XEN_ENOENT);
  }
  hooks_.SetUpcallVector(vcpu, vector);
  events_->RaiseIfPending(vcpu);
  return {};
}

XenResult<void> XenDomain::MapSharedInfo(std::uint64_t index, Gfn gfn) {
  if (const XenResult<void> mapped = physmap_->MapSharedInfo(index, gfn); !mapped) {
    return mapped;
  }
  UpdateWallClock();
  for (unsigned vcpu = 0; vcpu < options_.vcpus && vcpu < XEN_LEGACY_MAX_VCPUS; ++vcpu) {
    if (!vcpus_[vcpu]->own_vcpu_info && options_.kernel == nullptr) {
      hooks_.EnableVcpuTime(vcpu, gfn.Address() + (vcpu * kVcpuInfoSize + kTimeOffset));
    }
  }
  return {};
}

XenResult<void> XenDomain::RegisterVcpuInfo(unsigned caller, unsigned vcpu, Gfn gfn,
                                            std::uint32_t offset) {
  VENEER_CHECK(vcpu < options_.vcpus);
  const std::uint64_t alignment =
      width_ == GuestWidth::k32 ? alignof(vcpu_info_x86_32_t) : alignof(vcpu_info_t);
  if (offset > kPageSize - kVcpuInfoSize || offset % alignment != 0) {
    return XenError(XEN_ENXIO);
  }
  if (vcpu != caller && hooks_.IsOnline(vcpu)) {
    return XenError(XEN_EINVAL);
  }
  if (!gfn.Addressable()) {
    return XenError(XEN_EINVAL);
  }
  const Gpa address = gfn.Address() + offset;
  const std::span<std::byte> bytes = memory_.Pin(address, kVcpuInfoSize);
  if (bytes.empty()) {
    return XenError(XEN_EINVAL);
  }
  if (const XenResult<void> set = events_->SetVcpuInfo(vcpu, bytes); !set) {
    return set;
  }
  vcpus_[vcpu]->own_vcpu_info = true;
  if (options_.kernel != nullptr) {
    options_.kernel->MoveVcpuInfo(vcpu, address);
  } else {
    hooks_.EnableVcpuTime(vcpu, address + kTimeOffset);
  }
  return {};
}

void XenDomain::SetRunstateArea(unsigned vcpu, const std::optional<GuestArea>& area) {
  VENEER_CHECK(vcpu < options_.vcpus);
  const std::optional<Gpa> place = area ? area->Contiguous() : std::nullopt;
  const bool kept =
      options_.kernel != nullptr && options_.kernel->KeepRunstate(vcpu, place) && place;
  vcpus_[vcpu]->runstate.SetArea(kept ? std::nullopt : area);
  if (area && !kept) {
    RefreshVcpu(vcpu);
  }
}

void XenDomain::SetSecondaryTimeArea(unsigned vcpu, const std::optional<GuestArea>& area) {
  VENEER_CHECK(vcpu < options_.vcpus);
  std::optional<Gpa> place = area ? area->Contiguous() : std::nullopt;
  if (place && place->PageOffset() > kPageSize - sizeof(vcpu_time_info_t)) {
    place.reset();
  }
  const bool kept =
      options_.kernel != nullptr && options_.kernel->KeepSecondaryTime(vcpu, place) && place;
  vcpus_[vcpu]->secondary_time.SetArea(kept ? std::nullopt : area);
  if (area && !kept) {
    RefreshVcpu(vcpu);
  }
}

void XenDomain::FlagRunstateUpdates(bool on) {
  flag_runstate_updates_ = on;
  if (options_.kernel != nullptr) {
    options_.kernel->FlagRunstateUpdates(on);
  }
}

void XenDomain::NoteStopped(unsigned vcpu) {
  VENEER_CHECK(vcpu < options_.vcpus);
  // Linux, arch/x86/include/asm/pvclock-abi.h: KVM leaves the bit alone, the guest clears it.
  constexpr std::uint8_t kGuestStopped = 1U << 1U;
  const std::span<std::byte> info = events_->VcpuInfo(vcpu);
  if (!info.empty()) {
    SharedWord<std::uint8_t>(info.data() + kTimeOffset + offsetof(vcpu_time_info_t, flags))
        .fetch_or(kGuestStopped);
  }
}

void XenDomain::RefreshVcpu(unsigned vcpu) {
  VENEER_CHECK(vcpu < options_.vcpus);
  VcpuState& state = *vcpus_[vcpu];
  if (state.runstate.HasArea()) {
    state.runstate.SetStolen(hooks_.StolenNs(vcpu));
    state.runstate.Publish(memory_, width_, flag_runstate_updates_);
  }
  const std::span<const std::byte> info = events_->VcpuInfo(vcpu);
  if (!info.empty()) {
    state.secondary_time.Refresh(memory_, info.subspan(kTimeOffset));
  }
}

vcpu_runstate_info_t XenDomain::ReadRunstate(unsigned vcpu) {
  VENEER_CHECK(vcpu < options_.vcpus);
  if (options_.kernel != nullptr) {
    if (const auto kept = options_.kernel->ReadRunstate(vcpu)) {
      return *kept;
    }
  }
  vcpus_[vcpu]->runstate.SetStolen(hooks_.StolenNs(vcpu));
  return vcpus_[vcpu]->runstate.Read();
}

void XenDomain::SetRunState(unsigned vcpu, RunState state) {
  VENEER_CHECK(vcpu < options_.vcpus);
  vcpus_[vcpu]->runstate.Enter(state);
}

}  // namespace veneer
