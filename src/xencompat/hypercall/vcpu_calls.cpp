// HYPERVISOR_vcpu_op (xen/vcpu.h). Arguments: operation, vCPU, structure.
#include <limits>
#include <optional>

#include "arguments.h"
#include "table.h"
#include "vcpu_context.h"

namespace veneer {
namespace {

constexpr std::size_t kVcpuArg = 1;
constexpr std::size_t kStructArg = 2;

unsigned Target(const Call& call) { return call.Arg32(kVcpuArg); }

// Every operation first looks whether the vCPU exists.
template <Handler kNext>
CallResult OnVcpu(Call& call) {
  return Target(call) < call.domain.options().vcpus ? kNext(call) : Errno(XEN_ENOENT);
}

// Some are allowed for the calling vCPU only, which Xen checks before it reads the argument.
template <Handler kNext>
CallResult OnSelf(Call& call) {
  return Target(call) == call.vcpu ? kNext(call) : Errno(XEN_EINVAL);
}

// And some are not there for a guest that shall keep time by other means.
template <Handler kNext>
CallResult OfTime(Call& call) {
  return call.domain.options().time ? kNext(call) : Errno(XEN_ENOSYS);
}

CallResult Initialise(Call& call, const vcpu_hvm_context_t& context) {
  if (call.domain.hooks().IsOnline(Target(call))) {
    return Errno(XEN_EEXIST);
  }
  if (!IsValidContext(context)) {
    return Errno(XEN_EINVAL);
  }
  return call.domain.starts().Prepare(Target(call), context) ? 0 : Errno(XEN_EEXIST);
}

CallResult Up(Call& call) {
  if (call.domain.hooks().IsOnline(Target(call))) {
    return 0;
  }
  const std::optional<vcpu_hvm_context_t> context = call.domain.starts().Take(Target(call));
  if (!context) {
    return Errno(XEN_EINVAL);
  }
  return call.domain.hooks().StartVcpu(Target(call), *context) ? 0 : Errno(XEN_ENOENT);
}

CallResult Down(Call& call) {
  for (unsigned vcpu = 0; vcpu < call.domain.options().vcpus; ++vcpu) {
    if (vcpu != Target(call) && call.domain.hooks().IsOnline(vcpu)) {
      return Errno(XEN_EOPNOTSUPP);
    }
  }
  // The last one going down switches the machine off.
  return call.domain.shutdown().Request(static_cast<std::uint8_t>(ShutdownReason::kPoweroff));
}

CallResult IsUp(Call& call) { return call.domain.hooks().IsOnline(Target(call)) ? 1 : 0; }

CallResult GetRunstate(Call& call, vcpu_runstate_info_t& out) {
  out = call.domain.ReadRunstate(Target(call));
  return 0;
}

std::optional<GuestArea> ResolveArea(Call& call, std::uint64_t address, std::size_t size) {
  return GuestArea::Resolve(
      call.domain.memory(), [&](std::uint64_t linear) { return call.memory.Translate(linear); },
      address, size);
}

std::size_t RunstateSize(const Call& call) {
  return call.domain.width() == GuestWidth::k32 ? sizeof(RunstateInfo32)
                                                : sizeof(vcpu_runstate_info_t);
}

CallResult RegisterRunstate(Call& call, const RegisteredArea& area) {
  if (area.address == 0) {
    call.domain.SetRunstateArea(Target(call), std::nullopt);
    return 0;
  }
  const std::optional<GuestArea> resolved = ResolveArea(call, area.address, RunstateSize(call));
  if (!resolved) {
    return Errno(XEN_EFAULT);
  }
  call.domain.SetRunstateArea(Target(call), resolved);
  return 0;
}

CallResult RegisterTime(Call& call, const RegisteredArea& area) {
  if (area.address == 0) {
    call.domain.SetSecondaryTimeArea(Target(call), std::nullopt);
    return 0;
  }
  const std::optional<GuestArea> resolved =
      ResolveArea(call, area.address, sizeof(vcpu_time_info_t));
  if (!resolved) {
    return Errno(XEN_EFAULT);
  }
  call.domain.SetSecondaryTimeArea(Target(call), resolved);
  return 0;
}

// The same two by guest-physical address, whatever the code's width. Xen keeps an area registered
// so beside one registered by a virtual address; here the later takes the earlier's place, since no
// guest has both.
struct PhysicalArea {
  std::uint64_t address;
};
constexpr std::uint64_t kNoArea = std::numeric_limits<std::uint64_t>::max();

// Of `size` bytes at `address`; nothing for kNoArea. ENXIO for one that is misaligned or leaves its
// page, EINVAL for one that is not in RAM.
XenResult<std::optional<GuestArea>> PhysicalAreaAt(Call& call, std::uint64_t address,
                                                   std::size_t size) {
  if (address == kNoArea) {
    return std::optional<GuestArea>();
  }
  const std::uint64_t alignment = call.domain.width() == GuestWidth::k32 ? 4 : 8;
  if (Gpa{address}.PageOffset() > kPageSize - size || address % alignment != 0) {
    return XenError(XEN_ENXIO);
  }
  const std::optional<GuestArea> area = GuestArea::Resolve(
      call.domain.memory(), [](std::uint64_t physical) { return Gpa{physical}; }, address, size);
  if (!area) {
    return XenError(XEN_EINVAL);
  }
  return area;
}

CallResult RegisterRunstatePhysical(Call& call, const PhysicalArea& area) {
  const auto resolved = PhysicalAreaAt(call, area.address, RunstateSize(call));
  if (!resolved) {
    return Errno(resolved.error());
  }
  if (*resolved) {
    // As if the guest had asked for it.
    call.domain.FlagRunstateUpdates(true);
  }
  call.domain.SetRunstateArea(Target(call), *resolved);
  return 0;
}

CallResult RegisterTimePhysical(Call& call, const PhysicalArea& area) {
  const auto resolved = PhysicalAreaAt(call, area.address, sizeof(vcpu_time_info_t));
  if (!resolved) {
    return Errno(resolved.error());
  }
  call.domain.SetSecondaryTimeArea(Target(call), *resolved);
  return 0;
}

CallResult SetPeriodic(Call& call, const vcpu_set_periodic_timer_t& op) {
  return call.domain.timers().SetPeriodic(Target(call), op.period_ns);
}

CallResult StopPeriodic(Call& call) {
  call.domain.timers().StopPeriodic(Target(call));
  return 0;
}

CallResult SetSingleshot(Call& call, const vcpu_set_singleshot_timer_t& op) {
  return call.domain.timers().SetSingleshot(Target(call), op.timeout_abs_ns,
                                            (op.flags & VCPU_SSHOTTMR_future) != 0);
}

CallResult StopSingleshot(Call& call) {
  call.domain.timers().StopSingleshot(Target(call));
  return 0;
}

CallResult RegisterInfo(Call& call, const vcpu_register_vcpu_info_t& op) {
  return call.domain.RegisterVcpuInfo(call.vcpu, Target(call), Gfn{op.mfn}, op.offset);
}

CallResult SendNmi(Call& call) {
  if (call.frame.args[kStructArg] != 0) {
    return Errno(XEN_EINVAL);
  }
  call.domain.hooks().InjectNmi(Target(call));
  return 0;
}

// For vCPUs pinned to processors, which a guest's are not.
CallResult GetPhysid(Call&) { return Errno(XEN_EINVAL); }

constexpr std::uint32_t kNumber = __HYPERVISOR_vcpu_op;
// Since Xen 4.18, whose headers Debian 12 does not have.
constexpr std::uint64_t kRegisterRunstatePhysArea = 14;
constexpr std::uint64_t kRegisterVcpuTimePhysArea = 15;
constexpr HypercallRow kRows[] = {
    {kNumber, VCPUOP_initialise, "vcpu_op.initialise", OnVcpu<In<Initialise, kStructArg>>},
    {kNumber, VCPUOP_up, "vcpu_op.up", OnVcpu<Up>},
    {kNumber, VCPUOP_down, "vcpu_op.down", OnVcpu<Down>},
    {kNumber, VCPUOP_is_up, "vcpu_op.is_up", OnVcpu<IsUp>},
    {kNumber, VCPUOP_get_runstate_info, "vcpu_op.get_runstate_info",
     OnVcpu<Out<GetRunstate, kStructArg>>},
    {kNumber, VCPUOP_register_runstate_memory_area, "vcpu_op.register_runstate_memory_area",
     OnVcpu<In<RegisterRunstate, kStructArg>>},
    {kNumber, VCPUOP_set_periodic_timer, "vcpu_op.set_periodic_timer",
     OfTime<OnVcpu<In<SetPeriodic, kStructArg>>>},
    {kNumber, VCPUOP_stop_periodic_timer, "vcpu_op.stop_periodic_timer",
     OfTime<OnVcpu<StopPeriodic>>},
    {kNumber, VCPUOP_set_singleshot_timer, "vcpu_op.set_singleshot_timer",
     OfTime<OnVcpu<OnSelf<In<SetSingleshot, kStructArg>>>>},
    {kNumber, VCPUOP_stop_singleshot_timer, "vcpu_op.stop_singleshot_timer",
     OfTime<OnVcpu<OnSelf<StopSingleshot>>>},
    {kNumber, VCPUOP_register_vcpu_info, "vcpu_op.register_vcpu_info",
     OnVcpu<In<RegisterInfo, kStructArg>>},
    {kNumber, VCPUOP_send_nmi, "vcpu_op.send_nmi", OnVcpu<SendNmi>},
    {kNumber, VCPUOP_get_physid, "vcpu_op.get_physid", OnVcpu<GetPhysid>},
    {kNumber, VCPUOP_register_vcpu_time_memory_area, "vcpu_op.register_vcpu_time_memory_area",
     OfTime<OnVcpu<In<RegisterTime, kStructArg>>>},
    {kNumber, kRegisterRunstatePhysArea, "vcpu_op.register_runstate_phys_area",
     OnVcpu<In<RegisterRunstatePhysical, kStructArg>>},
    {kNumber, kRegisterVcpuTimePhysArea, "vcpu_op.register_vcpu_time_phys_area",
     OfTime<OnVcpu<In<RegisterTimePhysical, kStructArg>>>},
};

}  // namespace

std::span<const HypercallRow> VcpuRows() { return kRows; }

}  // namespace veneer
