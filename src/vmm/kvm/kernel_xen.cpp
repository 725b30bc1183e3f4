// Vm's side of KVM's Xen support.
#include "veneer/vmm/kvm/kernel_xen.h"

#include "veneer/vmm/kvm/vm.h"
#include "xen_attributes.h"

namespace veneer {
namespace {

// <xen/event_channel.h>, as KVM's attribute wants them.
constexpr std::uint32_t kStatusInterdomain = 2;  // EVTCHNSTAT_interdomain
constexpr std::uint32_t kStatusIpi = 5;          // EVTCHNSTAT_ipi

Result<void> Set(int vm_fd, kvm_xen_hvm_attr attribute, const char* what) {
  const int result = kvm::Ioctl(vm_fd, KVM_XEN_HVM_SET_ATTR, &attribute);
  if (result < 0) {
    return ErrnoError(-result, fmt::format("KVM's Xen support does not take {}", what));
  }
  return {};
}

kvm_xen_hvm_attr Attribute(std::uint16_t type) {
  kvm_xen_hvm_attr attribute{};
  attribute.type = type;
  return attribute;
}

}  // namespace

Result<void> Vm::EnableXen(std::uint32_t hypercall_msr, std::uint32_t version) {
  kvm_xen_hvm_config config{};
  config.flags = kXenFlagIntercept | kXenFlagEventSend;
  // KVM takes part only if there is an MSR.
  config.msr = hypercall_msr;
  const int result = kvm::Ioctl(fd(), KVM_XEN_HVM_CONFIG, &config);
  if (result < 0) {
    return ErrnoError(-result, "KVM does not switch its Xen support on");
  }
  kvm_xen_hvm_attr attribute = Attribute(KVM_XEN_ATTR_TYPE_XEN_VERSION);
  attribute.u.xen_version = version;
  return Set(fd(), attribute, "the version");
}

Result<void> Vm::SetXenWidth(bool wide) {
  kvm_xen_hvm_attr attribute = Attribute(KVM_XEN_ATTR_TYPE_LONG_MODE);
  attribute.u.long_mode = wide ? 1 : 0;
  return Set(fd(), attribute, "the guest's width");
}

Result<void> Vm::SetXenSharedInfo(std::span<std::byte> page) {
  kvm_xen_hvm_attr attribute = Attribute(kvm::kXenAttrSharedInfoHva);
  // KVM takes addresses of this process as numbers, in the place of the frame's number.
  attribute.u.shared_info.gfn = reinterpret_cast<std::uint64_t>(page.data());
  return Set(fd(), attribute, "the shared_info page");
}

Result<void> Vm::SetXenCallbackVector(std::uint8_t vector) {
  kvm_xen_hvm_attr attribute = Attribute(KVM_XEN_ATTR_TYPE_UPCALL_VECTOR);
  attribute.u.vector = vector;
  return Set(fd(), attribute, "the callback vector");
}

Result<void> Vm::SetXenRunstateUpdateFlag(bool on) {
  kvm_xen_hvm_attr attribute = Attribute(kvm::kXenAttrRunstateUpdateFlag);
  attribute.u.long_mode = on ? 1 : 0;  // the union's first byte, whatever its name
  return Set(fd(), attribute, "the runstate update flag");
}

Result<void> Vm::RouteXenPortToEventFd(std::uint32_t port, int event_fd) {
  kvm_xen_hvm_attr attribute = Attribute(KVM_XEN_ATTR_TYPE_EVTCHN);
  attribute.u.evtchn.send_port = port;
  attribute.u.evtchn.type = kStatusInterdomain;
  attribute.u.evtchn.deliver.eventfd.port = 0;
  attribute.u.evtchn.deliver.eventfd.fd = event_fd;
  return Set(fd(), attribute, "an eventfd for an event channel");
}

Result<void> Vm::RouteXenPortToVcpu(std::uint32_t port, std::uint32_t vcpu) {
  kvm_xen_hvm_attr attribute = Attribute(KVM_XEN_ATTR_TYPE_EVTCHN);
  attribute.u.evtchn.send_port = port;
  attribute.u.evtchn.type = kStatusIpi;
  attribute.u.evtchn.deliver.port.port = port;
  attribute.u.evtchn.deliver.port.vcpu = vcpu;
  attribute.u.evtchn.deliver.port.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
  return Set(fd(), attribute, "an event channel between vCPUs");
}

Result<void> Vm::UnrouteXenPort(std::uint32_t port) {
  kvm_xen_hvm_attr attribute = Attribute(KVM_XEN_ATTR_TYPE_EVTCHN);
  attribute.u.evtchn.send_port = port;
  attribute.u.evtchn.flags = KVM_XEN_EVTCHN_DEASSIGN;
  return Set(fd(), attribute, "the end of an event channel");
}

Result<void> Vm::SendXenEvent(std::uint32_t port, std::uint32_t vcpu) {
  kvm_irq_routing_xen_evtchn event{};
  event.port = port;
  event.vcpu = vcpu;
  event.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
  const int result = kvm::Ioctl(fd(), KVM_XEN_HVM_EVTCHN_SEND, &event);
  if (result < 0) {
    return ErrnoError(-result, "KVM does not send an event");
  }
  return {};
}

}  // namespace veneer
