#include "vmm_plan.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <fmt/core.h>

#include "veneer/vmm/base/child_process.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::bench {
namespace {

using Words = std::vector<std::string>;

// quiet: what a kernel prints costs an exit a byte, in all of them alike.
constexpr const char* kCommandLine = "console=ttyS0 quiet net.ifnames=0 veneer.run=veneer-load";

bool HostHasXenSupport() {
  const UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  return kvm.valid() && ioctl(kvm.get(), KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM) > 0;
}

Words VeneerWords(const GuestPlan& guest, const Words& more) {
  Words words{"run",
              "--kernel",
              guest.kernel,
              "--initrd",
              guest.initrd,
              "--memory",
              fmt::format("{}M", guest.memory_mib),
              "--cpus",
              std::to_string(guest.cpus),
              "--control-socket",
              "off",
              "--log-level",
              "warning",
              "--cmdline",
              kCommandLine,
              "--disk",
              fmt::format("path={},vdev=xvda,format=raw", guest.disk),
              "--net",
              fmt::format("tap={},mac={}", guest.tap, guest.mac)};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// Its best: io_uring for the disk, which has a thread of its own.
Words QemuWords(const GuestPlan& guest, const Words& more) {
  Words words{"-nodefaults",
              "-no-user-config",
              "-no-reboot",
              "-display",
              "none",
              "-serial",
              "stdio",
              "-m",
              fmt::format("{}M", guest.memory_mib),
              "-smp",
              std::to_string(guest.cpus),
              "-kernel",
              guest.kernel,
              "-initrd",
              guest.initrd,
              "-append",
              kCommandLine,
              "-object",
              "iothread,id=worker",
              "-drive",
              fmt::format("if=none,id=disk,format=raw,aio=io_uring,file={}", guest.disk),
              "-netdev",
              fmt::format("tap,id=net,ifname={},script=no,downscript=no", guest.tap)};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

std::vector<Vmm> PlanVmms(const GuestPlan& guest, std::vector<std::string>& missing) {
  const bool xen = HostHasXenSupport();
  std::vector<Vmm> vmms{{"Veneer", VENEER_PROGRAM, VeneerWords(guest, {}), "/dev/xvda"}};
  if (xen) {
    vmms.push_back({"Veneer, --kvm-xen off", VENEER_PROGRAM,
                    VeneerWords(guest, {"--kvm-xen", "off"}), "/dev/xvda"});
  } else {
    missing.emplace_back("this host's KVM has no Xen support, which QEMU's Xen mode needs");
  }
  const Result<std::string> qemu = FindProgram("qemu-system-x86_64", "qemu-system-x86");
  if (!qemu) {
    missing.push_back(qemu.error().message);
    return vmms;
  }
  const std::string mac = ",mac=" + guest.mac;
  if (xen) {
    vmms.push_back(
        {"QEMU, Xen", *qemu,
         QemuWords(guest, {"-accel", "kvm,xen-version=0x40011,kernel-irqchip=split", "-cpu",
                           "host,+xen-vapic", "-device", "xen-disk,drive=disk,vdev=xvda", "-device",
                           "xen-net-device,netdev=net" + mac}),
         "/dev/xvda"});
  }
  vmms.push_back({"QEMU, virtio", *qemu,
                  QemuWords(guest, {"-M", "q35", "-accel", "kvm", "-cpu", "host", "-device",
                                    "virtio-blk-pci,drive=disk,iothread=worker", "-device",
                                    "virtio-net-pci,netdev=net" + mac}),
                  "/dev/vda"});
  vmms.push_back({"QEMU microvm", *qemu,
                  QemuWords(guest, {"-M", "microvm", "-accel", "kvm", "-cpu", "host", "-device",
                                    "virtio-blk-device,drive=disk,iothread=worker", "-device",
                                    "virtio-net-device,netdev=net" + mac}),
                  "/dev/vda"});
  return vmms;
}

}  // namespace veneer::bench
