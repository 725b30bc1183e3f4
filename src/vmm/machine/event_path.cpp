#include "event_path.h"

namespace veneer {
namespace {

EventPath Own(const XenConfig& config, std::string reason) {
  return {.in_kernel = false,
          .fifo = config.event_abi != EventAbi::k2Level,
          .reason = std::move(reason)};
}

}  // namespace

EventPath ChooseEventPath(const XenConfig& config, bool kernel_xen, bool emulated_kernel) {
  if (config.kvm_xen == KvmXen::kOff) {
    return Own(config, "--kvm-xen off");
  }
  if (!kernel_xen) {
    return Own(config, "this host's KVM has no Xen support that does");
  }
  if (emulated_kernel) {
    return Own(config, "this host interprets guest kernels");
  }
  if (config.event_abi == EventAbi::kFifo) {
    return Own(config, "--event-abi fifo, and KVM knows the 2-level ABI only");
  }
  if (!config.pv.callback || config.callback == CallbackChoice::kIntx) {
    return Own(config, "events interrupt by INTx, which KVM's Xen support cannot raise");
  }
  return {.in_kernel = true, .fifo = false, .reason = "this host's KVM has Xen support"};
}

std::string TransportName(const EventPath& path) {
  return path.in_kernel ? "KVM interception" : "rewritten call sites and port page";
}

std::string EventsName(const EventPath& path) {
  if (path.in_kernel) {
    return "2-level, delivered by KVM";
  }
  return path.fifo ? "FIFO or 2-level, delivered by Veneer" : "2-level, delivered by Veneer";
}

}  // namespace veneer
