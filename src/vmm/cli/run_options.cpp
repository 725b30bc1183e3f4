#include "run_options.h"

#include <charconv>
#include <limits>
#include <map>
#include <span>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>

#include "boot_choice.h"
#include "config_file.h"
#include "nearest_word.h"
#include "parsed_option.h"
#include "pv_switches.h"
#include "veneer/vmm/base/option_list.h"
#include "veneer/vmm/boot/memory_layout.h"
#include "veneer/vmm/control/control_socket.h"

namespace veneer {
namespace {

// A variable of a script's that is not set is no wish for the default.
CLI::Validator NotEmpty() {
  return CLI::Validator(
      [](const std::string& text) { return std::string(text.empty() ? "it is empty" : ""); }, "");
}

template <typename T>
void AddChoice(CLI::App& command, const std::string& name, T& target,
               const std::map<std::string, T>& choices, const std::string& help,
               const std::string& default_text) {
  std::string names;
  for (const auto& [choice, value] : choices) {
    names += (names.empty() ? "" : "|") + choice;
  }
  AddParsed<T>(
      command, name, target,
      [choices, names](const std::string& text) -> Result<T> {
        const auto it = choices.find(text);
        if (it == choices.end()) {
          return UsageError("'{}' is not one of {}", text, names);
        }
        return it->second;
      },
      help, names, default_text);
}

Result<std::uint64_t> ParseMemory(const std::string& text) {
  VENEER_TRY_ASSIGN(const std::uint64_t bytes, ParseSize(text));
  VENEER_TRY(MemoryLayout(bytes));
  return bytes;
}

Result<std::string> ParseName(const std::string& text) {
  if (!IsGuestName(text)) {
    return UsageError(
        "'{}' is not a name of up to 48 letters, digits, '-', '_' and '.' that begins "
        "with a letter, a digit or '_'",
        text);
  }
  return text;
}

// Adds an option that may be given several times, each text making a member of `target`.
template <typename T>
CLI::Option* AddRepeated(CLI::App& command, const std::string& name, std::vector<T>& target,
                         Result<T> (*parse)(std::string_view text), const std::string& help,
                         const std::string& type) {
  return command
      .add_option_function<std::vector<std::string>>(
          name,
          [&target, parse, name](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              Result<T> value = parse(text);
              if (!value) {
                throw CLI::ValidationError(name, value.error().message);
              }
              target.push_back(std::move(*value));
            }
          },
          help)
      ->type_name(type)
      ->allow_extra_args(false);
}

std::string LowerCase(std::string text) {
  for (char& c : text) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return text;
}

// What a configuration file may hold: all options but --help and the file itself. Its sections are
// the groups of --help.
std::vector<ConfigOption> ConfigOptions(CLI::App& command) {
  std::vector<ConfigOption> known;
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_single_name();
    if (name != "help" && name != "config") {
      known.push_back({name, LowerCase(option->get_group()), option->get_items_expected_max() > 1});
    }
  }
  return known;
}

// Gives `command` the options of the file at `path` that the command line has not named.
void TakeConfigFile(CLI::App& command, const std::string& path) {
  const auto entries = ReadConfigFile(path, ConfigOptions(command));
  if (!entries) {
    throw CLI::ValidationError(entries.error().message);
  }
  for (const ConfigEntry& entry : *entries) {
    CLI::Option* option = command.get_option_no_throw("--" + entry.option);
    if (option == nullptr) {
      option = command.get_option(entry.option);  // IMAGE, which has no dashes
    }
    if (!option->empty()) {
      continue;
    }
    try {
      for (const std::string& value : entry.values) {
        option->add_result(value);
      }
      if (!entry.values.empty()) {
        option->run_callback();
      }
    } catch (const CLI::ParseError& error) {
      throw CLI::ValidationError(fmt::format("{}: {}", entry.place, error.what()));
    }
  }
}

// Before all others, whose values are looked at in the order of their declaration.
void DeclareConfigFile(CLI::App& command) {
  command
      .add_option_function<std::string>(
          "--config", [&command](const std::string& path) { TakeConfigFile(command, path); },
          "Read options from a TOML file: lines like memory = \"1G\", cpus = 2, disk = "
          "[\"path=a.img\", \"path=b.img\"] or a [[disk]] with its keys below it; what the command "
          "line says too counts instead of the file's")
      ->type_name("FILE")
      ->group("Guest");
}

// What only the options together show.
void CheckTogether(const CLI::App& command, RunOptions& options) {
  MachineConfig& machine = options.machine;
  options.name_chosen = command.count("--name") > 0;
  if (machine.memory_max_bytes != 0 && machine.memory_max_bytes < machine.memory_bytes) {
    throw CLI::ValidationError("--memory-max", "it is less than --memory");
  }
  if (machine.memory_max_bytes > machine.memory_bytes && !machine.xen.enabled) {
    throw CLI::ValidationError("--memory-max", "a guest without Xen (--xen off) has no balloon");
  }
  if (machine.vcpus_max != 0 && machine.vcpus_max < machine.vcpus) {
    throw CLI::ValidationError("--cpus-max", "it is less than --cpus");
  }
  if (!options.image.empty()) {
    DiskConfig disk;
    disk.path = options.image;
    machine.disks.insert(machine.disks.begin(), std::move(disk));
  }
  if (options.ephemeral) {
    for (DiskConfig& disk : machine.disks) {
      disk.overlay = !disk.readonly;
    }
  }
  options.seed.ssh_key = options.ssh_key;
  Result<std::string> boot = ChooseBoot(options.boot, options.firmware, {}, machine);
  if (!boot) {
    throw CLI::ValidationError(boot.error().message);
  }
  options.boot_reason = std::move(*boot);
  if (!machine.xen.enabled && machine.xen.console.kind != CharacterTarget::Kind::kOff) {
    throw CLI::ValidationError(
        "--console", "a guest without Xen (--xen off) has no PV console; use --serial and ttyS0");
  }
  if (!machine.xen.enabled && !machine.xen.xenstore_socket.empty()) {
    throw CLI::ValidationError("--xenstore-socket",
                               "a guest without Xen (--xen off) has no xenstore");
  }
  if (const Result<void> possible = CheckPvSwitches(machine); !possible) {
    throw CLI::ValidationError(possible.error().message);
  }
}

// The serial port has the standard streams only until the PV console is given them.
void GiveStdioToOne(const CLI::App& command, MachineConfig& machine) {
  if (machine.xen.console.kind != CharacterTarget::Kind::kStdio ||
      machine.serial.kind != CharacterTarget::Kind::kStdio) {
    return;
  }
  if (command.count("--serial") > 0) {
    throw CLI::ValidationError("--console", "only one of --serial and --console can be stdio");
  }
  machine.serial.kind = CharacterTarget::Kind::kOff;
}

// Nobody is at the standard streams of a guest in the background.
void CheckDetached(const CLI::App& command, RunOptions& options) {
  MachineConfig& machine = options.machine;
  if (!options.detach) {
    return;
  }
  const bool serial_chosen = command.count("--serial") > 0;
  if (machine.xen.console.kind == CharacterTarget::Kind::kStdio ||
      (serial_chosen && machine.serial.kind == CharacterTarget::Kind::kStdio)) {
    throw CLI::ValidationError("--detach",
                               "a guest in the background has no stdio: leave --serial and "
                               "--console out, and use 'veneer console'");
  }
  if (options.control_socket == kNoControlSocket) {
    throw CLI::ValidationError(
        "--detach", "without a control socket nobody could reach a guest in the background");
  }
  if (machine.serial.kind == CharacterTarget::Kind::kStdio) {
    machine.serial.kind = CharacterTarget::Kind::kOff;
  }
}

Result<unsigned> ParseCpus(const std::string& text) {
  const std::optional<std::uint64_t> count = ParseWhole(text);
  if (!count || *count < 1 || *count > kMaxVcpus) {
    return UsageError("'{}' is not a number of vCPUs from 1 to {}", text, kMaxVcpus);
  }
  return static_cast<unsigned>(*count);
}

Result<std::optional<unsigned>> ParseTimerLoad(const std::string& text) {
  if (text == "auto") {
    return std::optional<unsigned>();
  }
  const std::optional<std::uint64_t> percent = ParseWhole(text);
  if (!percent || *percent < 1 || *percent > 100) {
    return UsageError("'{}' is neither auto nor a percentage from 1 to 100", text);
  }
  return std::optional(static_cast<unsigned>(*percent));
}

// A file's limit must hold what a guest may print at once, many times over.
constexpr std::uint64_t kLeastFileLimit = std::uint64_t{64} << 10U;

// "4.17". Guests switch features off below 4.0.
Result<XenVersion> ParseXenVersion(const std::string& text) {
  XenVersion version;
  const char* const last = text.data() + text.size();
  const auto major = std::from_chars(text.data(), last, version.major);
  if (major.ec == std::errc() && major.ptr != last && *major.ptr == '.') {
    const auto minor = std::from_chars(major.ptr + 1, last, version.minor);
    if (minor.ec == std::errc() && minor.ptr == last && version.major >= 4) {
      return version;
    }
  }
  return UsageError("'{}' is not a Xen version from 4.0 on, such as 4.17", text);
}

// The keys behind a file's path.
struct FileTarget {
  CharacterTarget target{CharacterTarget::Kind::kFile, {}};

  Result<void> SetMaxSize(std::string_view key, std::string_view value) {
    VENEER_TRY_ASSIGN(target.max_bytes, ParseSize(value));
    if (target.max_bytes < kLeastFileLimit) {
      return UsageError("{}: '{}' is less than 64K", key, value);
    }
    return {};
  }
};
constexpr OptionKey<FileTarget> kFileKeys[] = {{"max-size", &FileTarget::SetMaxSize}};

Result<CharacterTarget> ParseFileTarget(std::string_view text) {
  const std::vector<std::string> parts = SplitOptionList(text);
  FileTarget file;
  file.target.path = parts.front();
  if (file.target.path.empty()) {
    return UsageError("'file:{}' names no file", text);
  }
  VENEER_TRY(SetOptions<FileTarget>(std::span(parts).subspan(1), kFileKeys, file));
  return file.target;
}

}  // namespace

Result<std::uint64_t> ParseSize(std::string_view text) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
  const std::optional<std::uint64_t> bytes = ParseBytes(text, kMiB);
  if (!bytes) {
    return UsageError(
        "'{}' is not a size; write for example 256M or 2G (a plain number is MiB, and B a byte)",
        text);
  }
  return *bytes;
}

Result<CharacterTarget> ParseCharacterTarget(std::string_view text) {
  constexpr std::string_view kFile = "file:";
  if (text == "stdio") {
    return CharacterTarget{CharacterTarget::Kind::kStdio, {}};
  }
  if (text == "off") {
    return CharacterTarget{CharacterTarget::Kind::kOff, {}};
  }
  if (text.starts_with(kFile) && text.size() > kFile.size()) {
    return ParseFileTarget(text.substr(kFile.size()));
  }
  return UsageError("'{}' is not stdio, off or file:PATH[,max-size=SIZE]", text);
}

void DeclareRunOptions(CLI::App& command, RunOptions& options) {
  MachineConfig& machine = options.machine;
  DeclareConfigFile(command);
  command.option_defaults()->group("Guest");
  command.add_option("image", options.image, "Disk image to boot, the first of the disks")
      ->type_name("IMAGE");
  command
      .add_option("--boot", options.boot,
                  "What boots the disks, without --kernel: grub, GRUB for PVH guests (Debian's "
                  "grub-xen-host) with a disk's own grub.cfg, through PV drivers; bios, SeaBIOS "
                  "(Debian's seabios), from IDE disks and CD-ROMs; the one of them that is faster "
                  "and possible; or another such file")
      ->type_name("auto|grub|bios|PATH");
  command
      .add_option(
          "--firmware", options.firmware,
          "Another BIOS than Debian's SeaBIOS (with its support for Xen compiled in), or an "
          "ELF firmware with a PVH entry")
      ->check(NotEmpty())
      ->type_name("PATH");
  AddParsed<std::vector<BootDevice>>(
      command, "--boot-order", machine.boot_order,
      [](const std::string& text) { return ParseBootOrder(text); },
      "What a BIOS tries first; what is not named comes last (by default what the first IDE disk "
      "is)",
      "disk,cdrom|cdrom,disk", "by the first disk");
  command.add_option("--kernel", machine.kernel, "Kernel: a bzImage or an ELF vmlinux")
      ->type_name("FILE");
  command
      .add_option("--initrd", machine.initrds,
                  "Initial RAM disk; several are given to the kernel one behind the other")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      .add_option("--cmdline", machine.cmdline,
                  "Kernel command line, for example \"console=ttyS0\"")
      ->type_name("TEXT");
  AddParsed<std::uint64_t>(command, "--memory", machine.memory_bytes, ParseMemory,
                           "Guest memory, 32M or more (K, M, G, T; a plain number is MiB)", "SIZE",
                           "256M");
  AddParsed<std::uint64_t>(command, "--memory-max", machine.memory_max_bytes, ParseMemory,
                           "What 'veneer ctl NAME balloon' can raise the memory to", "SIZE",
                           "as --memory");
  AddChoice<bool>(
      command, "--memory-hotplug", machine.memory_hotplug, {{"on", true}, {"off", false}},
      "How a guest gets more than --memory: it adds memory while it runs, as Linux with "
      "CONFIG_XEN_BALLOON_MEMORY_HOTPLUG does (on), or boots with all of --memory-max "
      "and gives back what is above --memory when its balloon driver starts (off)",
      "on");
  AddChoice<MemoryBacking>(
      command, "--memory-backing", machine.memory_backing,
      {{"auto", MemoryBacking::kAnonymous},
       {"anonymous", MemoryBacking::kAnonymous},
       {"memfd", MemoryBacking::kMemfd}},
      "What the host gives for guest memory: memory of this process, which most hosts give huge "
      "pages to (auto, anonymous), or a memory file, which gets some only if the host's "
      "transparent_hugepage/shmem_enabled says so",
      "auto");
  AddParsed<unsigned>(command, "--cpus", machine.vcpus, ParseCpus, "Number of vCPUs, 1 to 32", "N",
                      "1");
  AddParsed<unsigned>(command, "--cpus-max", machine.vcpus_max, ParseCpus,
                      "What 'veneer ctl NAME cpus' can raise the number of vCPUs to, and lower it "
                      "again; without this option it never changes",
                      "N", "as --cpus");
  AddParsed<std::string>(command, "--name", machine.name, ParseName,
                         "Name of the guest, for messages and 'veneer ctl'; no two can have the "
                         "same (by default veneer, or veneer-2 and so on)",
                         "NAME", "veneer");
  AddChoice<KernelEntry>(command, "--entry", machine.entry,
                         {{"auto", KernelEntry::kAuto},
                          {"pvh", KernelEntry::kPvh},
                          {"decompressor", KernelEntry::kDecompressor}},
                         "How to enter the kernel: its 64-bit entry after unpacking it on the host "
                         "(auto), its PVH entry, or a bzImage's own decompressor",
                         "auto");
  AddChoice<bool>(command, "--host-cmdline", machine.host_cmdline, {{"on", true}, {"off", false}},
                  "Add to the kernel command line what this kind of host needs (each addition is "
                  "logged)",
                  "on");

  command.option_defaults()->group("Output");
  AddParsed<CharacterTarget>(
      command, "--serial", machine.serial, ParseCharacterTarget,
      "Where the serial port ttyS0 goes: stdio (Ctrl-A h for help), "
      "file:PATH[,max-size=SIZE] (then what is full becomes PATH.1; a comma "
      "in PATH is written twice) or off; off if --console is stdio, or with --detach",
      "TARGET", "stdio");
  command.option_defaults()->group("Disks");
  AddRepeated<DiskConfig>(
      command, "--disk", machine.disks, &ParseDisk,
      "Disk, once for each: path=FILE (a raw or qcow2 image or a block device) or "
      "path=nbd://HOST[:PORT][/EXPORT] or path=nbd+unix:///[EXPORT]?socket=FILE, and what "
      "follows it after commas: bus=pv|ide|both media=disk|cdrom "
      "format=raw|qcow2|vmdk|vdi|vhdx|vpc|qed|qcow|parallels|bochs|cloop|dmg|auto (auto takes raw "
      "and qcow2, once, and then keeps the guest from writing a header of any to its first sector) "
      "vdev=xvda readonly=on overlay=on direct=on cache=writeback|none|unsafe queues=N discard=off "
      "on-error=report|pause|stop (no room or a failing disk: tell the guest, pause it until ctl "
      "resume, end) logical-block-size=512|4096 serial=TEXT bps=RATE iops=RATE poll=US. A "
      "comma in a value, such as a path, is written twice",
      "path=FILE[,...]");
  command.add_flag("--ephemeral", options.ephemeral,
                   "What the guest writes to its disks is gone when Veneer ends, as overlay=on for "
                   "each; nothing of the images is written. Needs qemu-utils");
  AddParsed<SeedConfig>(
      command, "--cloud-init", options.seed,
      [](const std::string& text) { return ParseSeed(text); },
      "Give the guest what cloud-init reads at the first boot of a cloud image: a small read-only "
      "disk named cidata, with your files and, without meta-data, the host name (--name, if there "
      "is no hostname). Needs libarchive13. A comma in a path is written twice",
      "user-data=FILE[,meta-data=FILE][,network=FILE][,hostname=NAME]", "none");
  command
      .add_option("--ssh-key", options.ssh_key,
                  "Public key for the user that cloud-init makes, on the same disk")
      ->check(NotEmpty())
      ->type_name("FILE");
  command.option_defaults()->group("Networks");
  AddRepeated<NetConfig>(
      command, "--net", machine.nics, &ParseNet,
      "NIC, once for each: user (a network of its own behind the host's sockets, with DHCP and "
      "DNS; the host is 10.0.2.2, with all that listens at its loopback; needs no rights), "
      "tap[=NAME] (a tap of the host's, or one made "
      "for it) or socket=PATH (passt), and what follows it after commas. user: "
      "net=ADDRESS/BITS restrict=on host-loopback=off dns=ADDRESS "
      "hostfwd=tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT (from the host's port to the guest's; "
      "repeatable; the host's is open to the host alone, at 127.0.0.1, unless its address is "
      "another, such as 0.0.0.0 for all). tap: bridge=NAME script=FILE queues=N. All: "
      "model=pv|e1000|both mac=MAC mtu=BYTES bps=BITS pcap=FILE max-size=SIZE (of it; then what is "
      "full becomes FILE.1) poll=US. A comma in a value, such "
      "as a path, is written twice",
      "user|tap|socket=PATH[,...]");
  command.option_defaults()->group("Guest");
  AddChoice<OnReboot>(command, "--on-reboot", machine.on_reboot,
                      {{"restart", OnReboot::kRestart}, {"exit", OnReboot::kExit}},
                      "When the guest reboots: start it anew, or end", "restart");
  AddChoice<OnCrash>(command, "--on-crash", machine.on_crash,
                     {{"exit", OnCrash::kExit}, {"pause", OnCrash::kPause}},
                     "When the guest crashes: end, or keep it paused", "exit");
  command.option_defaults()->group("Xen");
  AddChoice<bool>(command, "--xen", machine.xen.enabled, {{"on", true}, {"off", false}},
                  "Show the guest a Xen HVM machine, or plain KVM", "on");
  AddParsed<PvSwitches>(command, "--pv", machine.xen.pv, ParsePvSwitches,
                        "Leave out single extensions of Xen, to see what each gains: "
                        "disk=off,net=off,time=off,console=off,callback=off",
                        "SWITCH=on|off[,...]", "all on");
  AddChoice<bool>(
      command, "--unplug", machine.xen.unplug, {{"auto", true}, {"never", false}},
      "Take emulated twins (bus=both, model=both) away when the guest's PV drivers ask for "
      "it, or never",
      "auto");
  AddParsed<XenVersion>(command, "--xen-version", machine.xen.version, ParseXenVersion,
                        "Xen version to show, 4.0 or later", "MAJOR.MINOR", "4.17");
  AddChoice<CallbackChoice>(command, "--callback", machine.xen.callback,
                            {{"auto", CallbackChoice::kAuto},
                             {"vector", CallbackChoice::kVector},
                             {"intx", CallbackChoice::kIntx}},
                            "How Xen events interrupt the guest: per-vCPU vectors (auto), one "
                            "vector without EOI, or the platform device's INTx",
                            "auto");
  AddChoice<KvmXen>(command, "--kvm-xen", machine.xen.kvm_xen,
                    {{"auto", KvmXen::kAuto}, {"off", KvmXen::kOff}},
                    "Use KVM's own Xen support where this host has it (hypercalls, events, timers "
                    "and polls then stay in the kernel), or never",
                    "auto");
  AddChoice<EventAbi>(
      command, "--event-abi", machine.xen.event_abi,
      {{"auto", EventAbi::kAuto}, {"2-level", EventAbi::k2Level}, {"fifo", EventAbi::kFifo}},
      "Event channels offered to the guest: 2-level where KVM's Xen support is "
      "used, which knows no other, and else FIFO too (auto), 2-level only, or FIFO "
      "too whatever KVM could do",
      "auto");
  AddParsed<std::optional<unsigned>>(
      command, "--timer-load", machine.xen.timer_load_limit, ParseTimerLoad,
      "Most of a vCPU's time that its Xen timer interrupts may take, in percent: a kernel that "
      "ticks more often than the host can follow then gets on (auto: 8 where guest kernels are "
      "interpreted, else 100)",
      "auto|N", "auto");
  AddParsed<CharacterTarget>(command, "--console", machine.xen.console, ParseCharacterTarget,
                             "Where the PV console hvc0 goes: as --serial", "TARGET", "off");
  command
      .add_option("--xenstore-socket", machine.xen.xenstore_socket,
                  "Serve xenstore there to Debian's xenstore-utils (XENSTORED_PATH)")
      ->type_name("PATH");
  command.option_defaults()->group("Host");
  command
      .add_option("--control-socket", options.control_socket,
                  "Where 'veneer ctl' reaches the guest, or off (default: NAME.sock in "
                  "/run/veneer for root, in $XDG_RUNTIME_DIR/veneer for others)")
      ->type_name("PATH|off");
  AddChoice<SandboxMode>(
      command, "--sandbox", options.sandbox,
      {{"on", SandboxMode::kOn}, {"off", SandboxMode::kOff}, {"audit", SandboxMode::kAudit}},
      "What a thread may ask of the host's kernel: what it has a use for, without which Veneer "
      "ends with a line that names the call, and no files but those of the command line; anything; "
      "or anything, and the kernel's log tells",
      "on");
  command
      .add_option("--user", options.user,
                  "Begun by root, become this user (or the one of this number), with its groups, "
                  "once /dev/kvm, the log, files "
                  "of --serial and --console and the control socket are open: kernels, disks and "
                  "all else have to be this user's to use")
      ->check(NotEmpty())
      ->type_name("NAME|UID");
  command
      .add_option("--disk-dir", options.disk_folders,
                  "Folder out of which 'veneer ctl NAME disk-add' may take disks, once for each: "
                  "with --sandbox on there are no others")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command.add_flag("--dry-run", options.dry_run,
                   "Print the machine that would be made, and make none");
  command.add_flag("--detach", options.detach,
                   "Go on in the background once the guest runs, and print its name: 'veneer "
                   "console NAME' has its consoles, --log-file keeps the log. What goes wrong "
                   "before is told as ever");
  AddParsed<RebootLimit::Rate>(
      command, "--reboot-limit", options.reboot_rate,
      [](const std::string& text) { return ParseRebootRate(text); },
      "End a guest that reboots more often than so many times in so many seconds (exit code 3)",
      "REBOOTS/SECONDS|off", "20/10");
  AddParsed<unsigned>(command, "--timeout", options.timeout_seconds, ParseSeconds,
                      "End the run after this many seconds (exit code 5); 0: never", "SECONDS",
                      "0");
  command.option_defaults()->group("Output");
  AddParsed<LogLevel>(
      command, "--log-level", options.log_level,
      [](const std::string& text) { return ParseLogLevel(text); },
      "trace, debug, info, warning, error or off", "LEVEL", "info");
  command.add_option("--log-file", options.log_file, "Write the log there instead of to stderr")
      ->type_name("FILE");
  command
      .add_option("--metrics", options.metrics_file,
                  "At the end, write counters and boot milestones there as JSON")
      ->type_name("FILE");
  command.callback([&command, &machine, &options] {
    CheckTogether(command, options);
    GiveStdioToOne(command, machine);
    CheckDetached(command, options);
  });
  command.footer(
      "Exit codes: 0 the guest powered off or was ended by the user; 1 host error; 2 wrong usage "
      "or\n"
      "input; 3 the guest crashed or rebooted without end; 4 an instruction this host cannot\n"
      "perform; 5 timeout; 128+N ended by signal N.\n\n"
      "Examples:\n"
      "  veneer run disk.img --memory 512M\n"
      "  veneer run --kernel bzImage --initrd initrd.cpio --memory 256M --cpus 2 \\\n"
      "             --cmdline console=ttyS0\n"
      "  veneer run --kernel bzImage --disk path=root.img --cmdline 'root=/dev/xvda console=hvc0' "
      "\\\n"
      "             --console stdio --net user,hostfwd=tcp::2222-:22 --name web\n"
      "  veneer run --config guest.toml --dry-run");
}

}  // namespace veneer
