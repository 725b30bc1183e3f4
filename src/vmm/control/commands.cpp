#include "veneer/vmm/control/commands.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "protocol.h"
#include "veneer/vmm/control/guest_metrics.h"

namespace veneer {
namespace {

using Kind = ControlArgumentKind;
using Answer = ControlCommand::Answer;

// The reply to what has nothing to tell but that it was done.
Result<std::string> Plain(const Result<void>& result) {
  return result.map([] { return OkReply(); });
}

GuestControl::Done Later(Answer answer) {
  return [answer = std::move(answer)](const Result<void>& result) { answer(Plain(result)); };
}

// Where a number too large is as wrong as the largest.
unsigned SmallNumber(std::uint64_t number) {
  return static_cast<unsigned>(
      std::min<std::uint64_t>(number, std::numeric_limits<unsigned>::max()));
}

// Changes them, if a number was given, and says how many there are.
Result<std::string> Cpus(GuestControl& guest, const ControlArgument& argument) {
  if (argument.number) {
    VENEER_TRY(guest.SetVcpus(SmallNumber(*argument.number)));
  }
  return VcpusReply(guest.Info().vcpus);
}

constexpr ControlCommand kCommands[] = {
    {.name = "shutdown",
     .help = "ask the guest to power off",
     .run =
         [](GuestControl& guest, const ControlArgument&, Answer answer) {
           guest.Shutdown(ShutdownKind::kPowerOff, Later(std::move(answer)));
         }},
    {.name = "reboot",
     .help = "ask the guest to reboot",
     .run = [](GuestControl& guest, const ControlArgument&,
               Answer answer) { guest.Shutdown(ShutdownKind::kReboot, Later(std::move(answer))); }},
    {.name = "pause",
     .help = "stop its vCPUs",
     .run = [](GuestControl& guest, const ControlArgument&,
               Answer answer) { answer(Plain(guest.Pause())); }},
    {.name = "resume",
     .help = "let its vCPUs run on",
     .run = [](GuestControl& guest, const ControlArgument&,
               Answer answer) { answer(Plain(guest.Resume())); }},
    {.name = "info",
     .argument = Kind::kFlag,
     .member = "debug",
     .placeholder = "[--debug]",
     .help = "its state, memory and devices; with --debug, where it stands",
     .run =
         [](GuestControl& guest, const ControlArgument& argument, Answer answer) {
           if (!argument.number) {
             answer(InfoReply(guest.Info()));
             return;
           }
           guest.Inspect(
               [answer = std::move(answer)](const GuestInfo& info) { answer(InfoReply(info)); });
         }},
    {.name = "metrics",
     .argument = Kind::kFlag,
     .member = "prometheus",
     .placeholder = "[--prometheus]",
     .help = "counters, as run --metrics has them; or in Prometheus's text format",
     .run =
         [](GuestControl& guest, const ControlArgument& argument, Answer answer) {
           const GuestMetrics metrics = guest.ReadMetrics();
           answer(argument.number ? TextReply(PrometheusText(guest.Info(), metrics))
                                  : MetricsReply(metrics));
         }},
    {.name = "nmi",
     .help = "a non-maskable interrupt for its boot vCPU",
     .run = [](GuestControl& guest, const ControlArgument&,
               Answer answer) { answer(Plain(guest.SendNmi())); }},
    {.name = "sysrq",
     .argument = Kind::kText,
     .member = "key",
     .placeholder = "KEY",
     .needs = "a key, for example s, which has Linux write its file systems out",
     .help = "press magic SysRq and this key, through xenstore",
     .run = [](GuestControl& guest, const ControlArgument& argument,
               Answer answer) { answer(Plain(guest.PressSysRq(argument.text))); }},
    {.name = "xenstore-ls",
     .help = "all of its xenstore",
     .run = [](GuestControl& guest, const ControlArgument&,
               Answer answer) { answer(guest.ListStore().map(StoreReply)); }},
    {.name = "console",
     .argument = Kind::kTextOrNothing,
     .member = "console",
     .placeholder = "[serial|hvc0]",
     .help = "attach to a console",
     .stream = ControlStream::kConsole},
    {.name = "events",
     .help = "what happens to it, until it ends: lines of JSON",
     .stream = ControlStream::kEvents},
    {.name = "stop",
     .help = "end it at once",
     .ends_guest = true,
     .run =
         [](GuestControl& guest, const ControlArgument&, Answer answer) {
           guest.Stop();
           answer(OkReply());
         }},
    {.name = "balloon",
     .argument = Kind::kSize,
     .member = "bytes",
     .placeholder = "SIZE",
     .needs = "a size, for example 128M",
     .help = "how much memory it shall have",
     .run = [](GuestControl& guest, const ControlArgument& argument,
               Answer answer) { answer(Plain(guest.SetMemoryTarget(*argument.number))); }},
    {.name = "cpus",
     .argument = Kind::kNumberOrNothing,
     .member = "vcpus",
     .placeholder = "[N]",
     .help = "how many vCPUs it has, or shall have",
     .run = [](GuestControl& guest, const ControlArgument& argument,
               Answer answer) { answer(Cpus(guest, argument)); }},
    {.name = "disk-add",
     .argument = Kind::kDisk,
     .member = "disk",
     .placeholder = "path=FILE[,...]",
     .needs = "a disk as after run --disk, for example path=data.img",
     .help = "one more PV disk, as after run --disk",
     .shows = "disk",
     .run =
         [](GuestControl& guest, const ControlArgument& argument, Answer answer) {
           guest.AddDisk(argument.text,
                         [answer = std::move(answer)](const Result<std::string>& name) {
                           answer(name.map(DiskReply));
                         });
         }},
    {.name = "disk-remove",
     .argument = Kind::kText,
     .member = "disk",
     .placeholder = "NAME",
     .needs = "a disk's name, for example xvdb",
     .help = "ask the guest to let go of a disk",
     .run = [](GuestControl& guest, const ControlArgument& argument,
               Answer answer) { guest.RemoveDisk(argument.text, Later(std::move(answer))); }},
    {.name = "disk-resize",
     .argument = Kind::kText,
     .member = "disk",
     .placeholder = "NAME",
     .needs = "a disk's name, for example xvdb",
     .help = "its image has another size: tell the guest",
     .run = [](GuestControl& guest, const ControlArgument& argument,
               Answer answer) { answer(Plain(guest.ResizeDisk(argument.text))); }},
    {.name = "net-add",
     .argument = Kind::kNet,
     .member = "net",
     .placeholder = "user|tap|socket=PATH[,...]",
     .needs = "a NIC as after run --net, for example user",
     .help = "one more PV NIC, as after run --net",
     .shows = "nic",
     .run = [](GuestControl& guest, const ControlArgument& argument,
               Answer answer) { answer(guest.AddNic(argument.text).map(NicReply)); }},
    {.name = "net-remove",
     .argument = Kind::kNumber,
     .member = "nic",
     .placeholder = "NUMBER",
     .needs = "a NIC's number, for example 1",
     .help = "ask the guest to let go of a NIC",
     .run =
         [](GuestControl& guest, const ControlArgument& argument, Answer answer) {
           guest.RemoveNic(SmallNumber(*argument.number), Later(std::move(answer)));
         }},
};

}  // namespace

std::span<const ControlCommand> ControlCommands() { return kCommands; }

const ControlCommand* FindControlCommand(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kCommands), std::end(kCommands),
                   [name](const ControlCommand& command) { return command.name == name; });
  return found == std::end(kCommands) ? nullptr : found;
}

}  // namespace veneer
