#include "machine_summary.h"

#include <vector>

#include <fmt/core.h>

namespace veneer {
namespace {

constexpr unsigned kMiBShift = 20;

std::string Target(const CharacterTarget& target) {
  switch (target.kind) {
    case CharacterTarget::Kind::kStdio:
      return "stdio";
    case CharacterTarget::Kind::kFile:
      return "file " + target.path;
    case CharacterTarget::Kind::kOff:
      break;
  }
  return "off";
}

const char* Shown(bool pv, bool emulated, const char* twin) {
  return pv && emulated ? "PV and emulated, until the guest unplugs that" : pv ? "PV" : twin;
}

std::string Line(std::string_view key, std::string_view value) {
  return fmt::format("{:<12}{}\n", key, value);
}

std::string BootLines(const MachineConfig& machine) {
  if (machine.boot != BootKind::kKernel) {
    std::string text = (machine.boot == BootKind::kPvhLoader ? "its disks, by the loader "
                                                             : "its disks, by the BIOS ") +
                       machine.boot_file;
    for (const BootDevice device : machine.boot_order) {
      text += fmt::format(", {} {}", device == machine.boot_order.front() ? "first a" : "then a",
                          device == BootDevice::kDisk ? "disk" : "CD-ROM");
    }
    return Line("boots", text);
  }
  std::string initrds;
  for (const std::string& path : machine.initrds) {
    initrds += (initrds.empty() ? "" : ", ") + path;
  }
  return Line("kernel", machine.kernel) + Line("initrd", initrds.empty() ? "none" : initrds) +
         Line("cmdline", machine.cmdline.empty() ? "none" : machine.cmdline);
}

std::string DiskExtras(const DiskConfig& disk) {
  std::string text = disk.readonly ? ", read-only" : "";
  text += disk.overlay ? ", what is written to it is gone at the end" : "";
  text += disk.on_error == DiskOnError::kPause  ? ", pauses the guest when the host fails it"
          : disk.on_error == DiskOnError::kStop ? ", ends the guest when the host fails it"
                                                : "";
  return text;
}

std::string DiskLines(const MachineConfig& machine) {
  std::vector<DiskConfig> disks = machine.disks;
  NamePvDisks(disks);
  std::string lines;
  for (const DiskConfig& disk : disks) {
    const bool pv = ShownAsPv(machine, disk);
    const std::string format = disk.format == DiskFormat::kAuto
                                   ? "format found out at start"
                                   : std::string(FormatName(disk.format));
    lines += Line("disk", fmt::format("{}, {}{}, {}{}", disk.path,
                                      Shown(pv, ShownAsIde(disk), "emulated (IDE)"),
                                      pv ? " as " + disk.vdev : "", disk.cdrom ? "CD-ROM" : format,
                                      DiskExtras(disk)));
  }
  return lines;
}

std::string SeedLine(const RunOptions& options) {
  const SeedConfig& seed = options.seed;
  if (!seed.wanted()) {
    return {};
  }
  std::string text = "the last disk, read-only, with";
  const auto add = [&text](const char* what, const std::string& value) {
    if (!value.empty()) {
      text += fmt::format("{} {} {}", text.ends_with("with") ? "" : ",", what, value);
    }
  };
  add("user-data", seed.user_data);
  add("meta-data", seed.meta_data);
  add("network", seed.network);
  add("the key", seed.ssh_key);
  if (seed.meta_data.empty()) {
    add("the host name", seed.hostname.empty() ? options.machine.name : seed.hostname);
  }
  return Line("cloud-init", text);
}

std::string LinkText(const NetConfig& nic) {
  if (const auto* tap = std::get_if<TapNet>(&nic.link)) {
    return fmt::format("tap {}{}", tap->name.empty() ? "that is made" : tap->name,
                       tap->bridge.empty() ? "" : ", in bridge " + tap->bridge);
  }
  if (const auto* socket = std::get_if<SocketNet>(&nic.link)) {
    return "socket " + socket->path;
  }
  const UserNet& user = std::get<UserNet>(nic.link);
  std::string text = user.restricted ? "user network without a way out" : "user network";
  text += user.restricted || user.host_loopback ? "" : ", without the host's loopback";
  for (const HostForward& forward : user.forwards) {
    text += fmt::format(", {} {}:{} to port {}", forward.udp ? "UDP" : "TCP", forward.host_address,
                        forward.host_port, forward.guest_port);
  }
  return text;
}

std::string NicLines(const MachineConfig& machine) {
  std::vector<NetConfig> nics = machine.nics;
  static_cast<void>(IdentifyNics(machine.name, nics));
  std::string lines;
  for (const NetConfig& nic : nics) {
    lines += Line("NIC",
                  fmt::format("{}, {}, {}", nic.mac ? ToString(*nic.mac) : "no address",
                              Shown(ShownAsPv(machine, nic), ShownAsE1000(nic), "emulated (e1000)"),
                              LinkText(nic)));
  }
  return lines;
}

}  // namespace

std::string MachineSummary(const RunOptions& options) {
  const MachineConfig& machine = options.machine;
  const std::uint64_t most = MaxMemoryBytes(machine);
  std::string text =
      Line("name", machine.name + (options.name_chosen ? "" : ", or the next that is free"));
  text += BootLines(machine);
  text += Line("memory",
               fmt::format("{} MiB{}", machine.memory_bytes >> kMiBShift,
                           most > machine.memory_bytes
                               ? fmt::format(", up to {} MiB while it runs", most >> kMiBShift)
                               : ""));
  text += Line("vCPUs", fmt::format("{}{}", machine.vcpus,
                                    machine.vcpus_max != 0
                                        ? fmt::format(", 1 to {} by ACPI", machine.vcpus_max)
                                        : ""));
  text += Line("Xen", machine.xen.enabled ? fmt::format("{}.{}", machine.xen.version.major,
                                                        machine.xen.version.minor)
                                          : "off");
  text += DiskLines(machine);
  text += SeedLine(options);
  text += NicLines(machine);
  text += Line("ttyS0", Target(machine.serial));
  text += Line("hvc0", machine.xen.enabled ? Target(machine.xen.console) : "none without Xen");
  text += Line("control",
               options.control_socket.empty() ? "at the usual place" : options.control_socket);
  text += Line("on reboot", machine.on_reboot == OnReboot::kRestart ? "starts anew" : "ends");
  text += Line("on crash", machine.on_crash == OnCrash::kExit ? "ends" : "stays, paused");
  if (options.timeout_seconds > 0) {
    text += Line("time limit", fmt::format("{} s", options.timeout_seconds));
  }
  return text;
}

}  // namespace veneer
