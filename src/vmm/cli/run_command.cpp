#include "run_command.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <variant>

#include "boot_trouble.h"
#include "claim_name.h"
#include "console_input.h"
#include "detach.h"
#include "distinct_files.h"
#include "exit_code.h"
#include "file_needs.h"
#include "guest_output.h"
#include "machine_control.h"
#include "metrics_file.h"
#include "reboot_limit.h"
#include "terminal.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/host/sandbox/sandbox.h"
#include "veneer/host/seed/seed.h"
#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/signal_file.h"
#include "veneer/vmm/control/control_server.h"
#include "veneer/vmm/control/control_socket.h"
#include "veneer/vmm/control/streams.h"
#include "veneer/vmm/kvm/host_probe.h"
#include "veneer/vmm/kvm/kvm_system.h"
#include "veneer/vmm/machine/machine.h"

namespace veneer {
namespace {

constexpr char kEscapeHelp[] =
    "\r\n"
    "Ctrl-A x   end the guest and Veneer\r\n"
    "Ctrl-A p   press the guest's power button\r\n"
    "Ctrl-A a   send Ctrl-A to the guest\r\n"
    "Ctrl-A h   this help\r\n";

// The signals that the main loop answers as something to read. Made before any thread, so that all
// of them leave these signals alone.
Result<UniqueFd> CatchSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  // Ignored by whoever started us (nohup, a shell's background job), they stay ignored.
  for (const int number : {SIGINT, SIGHUP}) {
    struct sigaction present {};
    if (sigaction(number, nullptr, &present) == 0 && present.sa_handler != SIG_IGN) {
      sigaddset(&signals, number);
    }
  }
  sigaddset(&signals, SIGTSTP);
  sigaddset(&signals, SIGCONT);
  static_cast<void>(signal(SIGPIPE, SIG_IGN));
  // A disk larger than what the user may write (ulimit -f) shall fail as any other error of a disk.
  static_cast<void>(signal(SIGXFSZ, SIG_IGN));
  return OpenSignalFile(signals);
}

// What the guest's next lives need rights for, but for files.
SandboxNeeds NeedsOf(const MachineConfig& machine) {
  SandboxNeeds needs;
  for (const NetConfig& nic : machine.nics) {
    if (const auto* const tap = std::get_if<TapNet>(&nic.link)) {
      needs.taps = true;
      needs.scripts = needs.scripts || !tap->script.empty();
    }
  }
  return needs;
}

// Lets `veneer ctl` at one life of a guest.
struct Control {
  MachineControl guest;
  std::unique_ptr<ControlServer> server;
};

// Clients' streams during one life of a guest.
class AttachedStreams {
 public:
  AttachedStreams(Streams& streams, EventLoop& loop, Machine& machine, bool pv_console)
      : streams_(streams) {
    Streams::Sink pv;
    if (pv_console) {
      pv = [&machine](std::span<const std::byte> text) { return machine.ConsoleInput(text); };
    }
    streams_.Attach(
        loop, [&machine](std::span<const std::byte> text) { return machine.SerialInput(text); },
        std::move(pv));
  }
  AttachedStreams(const AttachedStreams&) = delete;
  AttachedStreams& operator=(const AttachedStreams&) = delete;
  ~AttachedStreams() { streams_.Detach(); }

 private:
  Streams& streams_;
};

// One `veneer run`: what outlives a guest's restarts.
class Session {
 public:
  Session(RunOptions options, std::optional<Background> background)
      : options_(std::move(options)),
        background_(std::move(background)),
        least_memory_bytes_(options_.machine.memory_bytes),
        reboot_limit_(options_.reboot_rate) {}

  Result<void> Prepare();
  // Runs the guest, restarting it as told, until it has stopped for good.
  Result<MachineStop> Run();
  // Lets the last of the guest's output out, for a moment.
  void FinishOutput();
  // All is over.
  void RecordEnd(std::string_view reason, int exit_code);
  int signal_number() const { return signal_number_; }
  const std::string& name() const { return options_.machine.name; }

 private:
  Result<void> AddSeed();
  Result<MachineStop> RunOnce();
  // The guest runs.
  Result<void> LeaveForeground();
  Result<void> WatchSignals(EventLoop& loop);
  void OnSignal(int number, EventLoop& loop);
  void ArmTimeout(EventLoop& loop);
  // Null without a control socket.
  Result<std::unique_ptr<Control>> MakeControl(EventLoop& loop, Machine& machine);
  // What the sandbox has to do with an error.
  template <typename T>
  Result<T> Explained(Result<T> built) const;
  void End(EventLoop& loop, MachineStop stop);
  void OnStopped(EventLoop& loop, Machine& machine, const MachineStop& stop);
  void OnDiskFailed(EventLoop& loop, const DiskFailure& failure);
  // The guest has been told to have `target_bytes`.
  void KeepMemory(std::uint64_t target_bytes);

  RunOptions options_;
  std::optional<Background> background_;    // somebody waits to be told that the guest runs
  const std::uint64_t least_memory_bytes_;  // --memory
  UniqueFd signals_;
  UniqueFd seed_;  // the disk for cloud-init, as long as there is a guest that could open it
  Metrics metrics_;
  Streams streams_{metrics_};
  // Null: none. Goes before the streams, whose clients can tell by that that the guest has ended.
  std::unique_ptr<ControlSocket> control_socket_;
  std::unique_ptr<TemporaryFolder> temporary_;  // null: nobody needs one
  std::unique_ptr<GuestOutput> serial_output_;
  std::unique_ptr<GuestOutput> console_output_;
  std::optional<RawTerminal> terminal_;
  RebootLimit reboot_limit_;
  std::unique_ptr<KvmSystem> system_;
  HostProfile host_;
  std::uint64_t deadline_ns_ = 0;
  int signal_number_ = 0;
  std::optional<MachineStop> stop_;  // on the loop's thread
  SandboxRefusals refusals_;
  std::uint64_t lives_ = 0;
  MachineControl* control_ = nullptr;  // of this life of the guest, on the loop's thread
};

Result<void> Session::Prepare() {
  VENEER_TRY_ASSIGN(signals_, CatchSignals());
  VENEER_TRY_ASSIGN(control_socket_,
                    ClaimName(options_, ControlFolder(geteuid(), std::getenv("XDG_RUNTIME_DIR"))));
  if (options_.detach && control_socket_ == nullptr) {
    return HostError(
        "--detach: a guest in the background needs a control socket; say where (--control-socket)");
  }
  for (DiskConfig& disk : options_.machine.disks) {
    VENEER_TRY(DecideDiskFormat(disk));
  }
  VENEER_TRY_ASSIGN(options_.machine.uuid, MakeUuid());
  VENEER_TRY(AddSeed());
  VENEER_TRY_ASSIGN(serial_output_,
                    GuestOutput::Open(options_.machine.serial, "--serial", "serial", metrics_));
  VENEER_TRY_ASSIGN(console_output_, GuestOutput::Open(options_.machine.xen.console, "--console",
                                                       "console", metrics_));
  VENEER_TRY_ASSIGN(system_, KvmSystem::Open());
  SandboxNeeds needs = NeedsOf(options_.machine);
  if (!options_.user.empty()) {
    VENEER_TRY(BecomeUser(options_.user, needs));
  }
  if (options_.sandbox == SandboxMode::kOn && HostConfinesFiles()) {
    if (NeedsTemporaryFiles(options_)) {
      VENEER_TRY_ASSIGN(temporary_, TemporaryFolder::Make());
    }
    VENEER_TRY_ASSIGN(needs.files,
                      FilesNeeded(options_, control_socket_ ? control_socket_->path() : "",
                                  temporary_ ? temporary_->path() : ""));
  }
  VENEER_TRY_ASSIGN(refusals_, EnterSandbox(options_.sandbox, needs));
  if (!options_.boot_reason.empty()) {
    LogInfo("{} {}", options_.machine.name, options_.boot_reason);
  }
  const bool speed_wanted = !options_.metrics_file.empty();
  VENEER_TRY_ASSIGN(host_, ProbeHost(*system_, HostClock(), speed_wanted));
  if (host_.emulated_kernel) {
    LogInfo("this host interprets guest kernels; their user space runs at full speed");
  }
  if (options_.timeout_seconds > 0) {
    deadline_ns_ = HostClock().MonotonicNs() + options_.timeout_seconds * 1'000'000'000ULL;
  }
  return {};
}

Result<void> Session::AddSeed() {
  if (!options_.seed.wanted()) {
    return {};
  }
  MachineConfig& machine = options_.machine;
  VENEER_TRY_ASSIGN(seed_, MakeSeed(options_.seed, machine.name));
  DiskConfig disk;
  disk.path = fmt::format("/proc/self/fd/{}", seed_.get());
  disk.format = DiskFormat::kRaw;
  disk.readonly = true;
  disk.bus = machine.xen.enabled && machine.xen.pv.disk ? DiskBus::kPv : DiskBus::kIde;
  LogInfo("the last disk, {}, is the seed for cloud-init", disk.path);
  machine.disks.push_back(std::move(disk));
  return {};
}

Result<MachineStop> Session::Run() {
  for (;;) {
    VENEER_TRY_ASSIGN(MachineStop stop, RunOnce());
    if (stop.reason != StopReason::kReset || options_.machine.on_reboot == OnReboot::kExit) {
      return stop;
    }
    if (!reboot_limit_.Allow(HostClock().MonotonicNs())) {
      const RebootLimit::Rate& rate = reboot_limit_.rate();
      return MachineStop{
          StopReason::kRebootLoop,
          fmt::format("it has rebooted {} times within {} s; --reboot-limit sets how "
                      "often it may",
                      rate.reboots, rate.seconds)};
    }
    LogInfo("{}: the guest reboots", options_.machine.name);
    streams_.Record({"reboot"});
  }
}

void Session::RecordEnd(std::string_view reason, int exit_code) {
  streams_.Record(
      {"ended",
       {{"reason", std::string(reason)}, {"exit_code", static_cast<std::uint64_t>(exit_code)}}});
}

void Session::FinishOutput() {
  constexpr std::chrono::milliseconds kPatience{700};
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (GuestOutput* output : {serial_output_.get(), console_output_.get()}) {
    output->Finish(deadline);
  }
  streams_.Finish(deadline);
}

template <typename T>
Result<T> Session::Explained(Result<T> built) const {
  if (built || !refusals_.files) {
    return built;
  }
  const std::string replaced = ReplacedFile(options_);
  if (replaced.empty()) {
    return built;
  }
  return UsageError(
      "'{}' is another file than when Veneer began, and so none that the sandbox leaves to it: "
      "start the guest anew, or with --sandbox off",
      replaced);
}

void Session::End(EventLoop& loop, MachineStop stop) {
  if (!stop_) {
    stop_ = std::move(stop);
  }
  loop.Stop();
}

void Session::OnStopped(EventLoop& loop, Machine& machine, const MachineStop& stop) {
  const bool crashed =
      stop.reason == StopReason::kGuestPanic || stop.reason == StopReason::kTripleFault;
  if (crashed && !stop_) {
    streams_.Record({"crashed", {{"reason", Describe(stop.reason)}, {"detail", stop.detail}}});
  }
  if (crashed && options_.machine.on_crash == OnCrash::kPause && !stop_) {
    machine.Pause();
    stop_ = stop;  // decides the exit code, whatever ends the wait
    LogWarning("{}: {}; it stays paused until you end Veneer", options_.machine.name,
               Describe(stop.reason));
    return;
  }
  End(loop, stop);
}

void Session::OnDiskFailed(EventLoop& loop, const DiskFailure& failure) {
  if (failure.wanted == DiskOnError::kPause && control_ != nullptr) {
    control_->PauseForDisk(failure.sentence);
  } else {
    streams_.Record({"disk-error", {{"error", failure.sentence}}});
    // Nobody could resume a guest without a control socket.
    End(loop, {StopReason::kHostError, failure.sentence});
  }
}

void Session::KeepMemory(std::uint64_t target_bytes) {
  // As with xl: what the guest was raised to is what it boots with next. But not less than what its
  // kernel is known to boot with.
  MachineConfig& machine = options_.machine;
  const std::uint64_t most = MaxMemoryBytes(machine);
  machine.memory_max_bytes = most;
  machine.memory_bytes =
      std::clamp(target_bytes / kPageSize * kPageSize, least_memory_bytes_, most);
}

Result<void> Session::WatchSignals(EventLoop& loop) {
  return loop.AddFd(signals_.get(), EPOLLIN, [this, &loop](std::uint32_t) {
    signalfd_siginfo info{};
    if (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      OnSignal(static_cast<int>(info.ssi_signo), loop);
    }
  });
}

void Session::OnSignal(int number, EventLoop& loop) {
  switch (number) {
    case SIGTSTP:
      return terminal_ ? terminal_->Suspend() : StopOurselves();
    case SIGCONT:
      if (terminal_) {
        terminal_->Continue();
      }
      return;
    default:
      signal_number_ = number;
      stop_.reset();
      End(loop, {StopReason::kSignal, {}});
  }
}

void Session::ArmTimeout(EventLoop& loop) {
  if (deadline_ns_ != 0) {
    loop.AddTimer(deadline_ns_, [this, &loop] { End(loop, {StopReason::kTimeout, {}}); });
  }
}

Result<std::unique_ptr<Control>> Session::MakeControl(EventLoop& loop, Machine& machine) {
  if (control_socket_ == nullptr) {
    return std::unique_ptr<Control>();
  }
  const auto stop = [this, &loop] { End(loop, {StopReason::kQuit, {}}); };
  const auto ended = [this] { return stop_.has_value(); };
  const auto record = [this](const GuestEvent& event) { streams_.Record(event); };
  std::unique_ptr<Control> control(
      new Control{MachineControl({options_.machine, machine, loop, HostClock(), host_, metrics_,
                                  stop, ended, refusals_, record}),
                  nullptr});
  VENEER_TRY_ASSIGN(control->server, ControlServer::Create(*control_socket_, control->guest, loop,
                                                           {.streams = &streams_}));
  return control;
}

Result<void> Session::LeaveForeground() {
  if (!background_) {
    return {};
  }
  VENEER_TRY(background_->Begin(options_.machine.name));
  background_.reset();
  if (options_.log_file.empty()) {
    SetLogLevel(LogLevel::kOff);
  }
  return {};
}

Result<MachineStop> Session::RunOnce() {
  stop_.reset();
  VENEER_TRY_ASSIGN(const std::unique_ptr<EventLoop> loop, EventLoop::Create());
  VENEER_TRY(WatchSignals(*loop));
  ArmTimeout(*loop);

  const bool console_on_stdio = options_.machine.xen.console.kind == CharacterTarget::Kind::kStdio;
  // A boot loader that knows the PV console only has the terminal until something speaks on the
  // serial port, if that is where the user looks.
  std::atomic<bool> loader_on_stdio =
      options_.machine.boot == BootKind::kPvhLoader &&
      options_.machine.xen.console.kind == CharacterTarget::Kind::kOff &&
      options_.machine.serial.kind == CharacterTarget::Kind::kStdio;
  BootTrouble trouble(options_.machine.boot, BootTrouble::Heard::kFromItself);
  BootTrouble serial_trouble(options_.machine.boot, BootTrouble::Heard::kOnTheSerialPort);
  const auto look_for_trouble = [this](BootTrouble& where, std::span<const std::byte> text) {
    if (const std::string_view meaning = where.OnOutput(text); !meaning.empty()) {
      LogWarning("{}: {}", options_.machine.name, meaning);
    }
  };
  // For those who have attached to a console.
  const auto stream = [this, &loop](StreamedConsole console, std::span<const std::byte> text) {
    if (streams_.Append(console, text)) {
      loop->Post([this] { streams_.Serve(); });
    }
  };
  std::unique_ptr<Machine> machine;
  std::unique_ptr<ConsoleInput> input;
  MachineOutputs outputs;
  outputs.serial = [this, &loader_on_stdio, &serial_trouble, look_for_trouble,
                    stream](std::span<const std::byte> text) {
    loader_on_stdio = false;
    look_for_trouble(serial_trouble, text);
    stream(StreamedConsole::kSerial, text);
    serial_output_->Write(text);
  };
  outputs.console = [this, &loader_on_stdio, &trouble, look_for_trouble,
                     stream](std::span<const std::byte> text) {
    look_for_trouble(trouble, text);
    stream(StreamedConsole::kPv, text);
    (loader_on_stdio ? serial_output_ : console_output_)->WriteWithoutWaiting(text);
  };
  outputs.debug = [&trouble, look_for_trouble](std::span<const std::byte> text) {
    look_for_trouble(trouble, text);
    // The guest's own words: shown, but never taken for ours.
    LogDebug("guest: {}",
             std::string_view(reinterpret_cast<const char*>(text.data()), text.size()));
  };
  outputs.serial_room = [this, &loop, &input] {
    loop->Post([this, &input] {
      if (input != nullptr) {
        input->OnRoom();
      }
      streams_.Serve();
    });
  };
  outputs.console_room = outputs.serial_room;
  outputs.stopped = [this, &loop, &machine](const MachineStop& stop) {
    loop->Post([this, &loop, &machine, stop] { OnStopped(*loop, *machine, stop); });
  };
  outputs.disk_failed = [this, &loop](const DiskFailure& failure) {
    loop->Post([this, &loop, failure] { OnDiskFailed(*loop, failure); });
  };
  outputs.milestone = [this, &loop](const Milestone& milestone) {
    loop->Post([this, milestone] {
      streams_.Record(
          {"milestone",
           {{"name", milestone.name}, {"seconds", static_cast<double>(milestone.at_ns) / 1e9}}});
    });
  };
  VENEER_TRY_ASSIGN(machine, Explained(Machine::Build(options_.machine, *system_, host_, metrics_,
                                                      *loop, std::move(outputs))));

  if (console_on_stdio || options_.machine.serial.kind == CharacterTarget::Kind::kStdio) {
    terminal_.emplace();
    EscapeParser escapes(
        {.quit =
             [this, &loop] {
               End(*loop, {StopReason::kQuit, {}});
             },
         .power_button = [&machine] { machine->PressPowerButton(); },
         .help =
             [this, console_on_stdio] {
               (console_on_stdio ? console_output_ : serial_output_)->Say(kEscapeHelp);
             }});
    input = std::make_unique<ConsoleInput>(
        *loop, STDIN_FILENO,
        [&machine, &loader_on_stdio, console_on_stdio](std::span<const std::byte> text) {
          return console_on_stdio || loader_on_stdio ? machine->ConsoleInput(text)
                                                     : machine->SerialInput(text);
        },
        [this, escapes](std::span<const std::byte> text) mutable {
          return terminal_->active() ? escapes.Filter(text) : std::vector(text.begin(), text.end());
        });
    input->Start();
  }

  const XenConfig& xen = options_.machine.xen;
  const AttachedStreams attached(streams_, *loop, *machine, xen.enabled && xen.pv.console);
  VENEER_TRY_ASSIGN(const std::unique_ptr<Control> control, MakeControl(*loop, *machine));
  control_ = control != nullptr ? &control->guest : nullptr;
  Result<void> started = machine->Start();
  if (started) {
    started = LeaveForeground();
  }
  if (started) {
    streams_.Record({"started", {{"life", ++lives_}}});
    loop->Run();
  }
  control_ = nullptr;
  if (control != nullptr) {
    KeepMemory(control->guest.Info().memory_target_bytes);
  }
  machine->Stop();
  input.reset();
  terminal_.reset();
  VENEER_TRY(started);
  if (!options_.metrics_file.empty()) {
    VENEER_TRY(WriteMetricsFile(options_.metrics_file, ReadMetrics(*machine, host_, metrics_),
                                Describe(stop_->reason)));
  }
  return *stop_;
}

int ExitCodeFor(const MachineStop& stop, int signal_number) {
  switch (stop.reason) {
    case StopReason::kPowerOff:
    case StopReason::kReset:
    case StopReason::kQuit:
      return static_cast<int>(ExitCode::kOk);
    case StopReason::kGuestPanic:
    case StopReason::kTripleFault:
    case StopReason::kRebootLoop:
      return static_cast<int>(ExitCode::kGuestCrash);
    case StopReason::kEmulationFailure:
      return static_cast<int>(ExitCode::kEmulationFailure);
    case StopReason::kTimeout:
      return static_cast<int>(ExitCode::kTimeout);
    case StopReason::kSignal:
      return static_cast<int>(ExitCode::kSignalBase) + signal_number;
    case StopReason::kHostError:
      break;
  }
  return static_cast<int>(ExitCode::kHostError);
}

int ExitCodeFor(const Error& error) {
  return static_cast<int>(error.kind == ErrorKind::kUsage ? ExitCode::kUsage
                                                          : ExitCode::kHostError);
}

int Report(const Error& error) {
  LogError("{}", error.message);
  return ExitCodeFor(error);
}

}  // namespace

int RunCommand(const RunOptions& options) {
  std::optional<Background> background;
  if (options.detach) {
    Result<Detached> detached = Detached::Make(options.log_file);
    if (!detached) {
      return Report(detached.error());
    }
    if (detached->exit_code) {
      return *detached->exit_code;
    }
    background = std::move(detached->background);
  }
  if (const Result<void> distinct = CheckDistinctFiles(options); !distinct) {
    return Report(distinct.error());
  }
  if (const Result<void> configured = ConfigureLog(options.log_level, options.log_file);
      !configured) {
    return Report(configured.error());
  }
  Session session(options, std::move(background));
  if (const Result<void> prepared = session.Prepare(); !prepared) {
    return Report(prepared.error());
  }
  const Result<MachineStop> stop = session.Run();
  if (!stop) {
    session.RecordEnd(stop.error().message, ExitCodeFor(stop.error()));
    session.FinishOutput();
    return Report(stop.error());
  }
  const int code = ExitCodeFor(*stop, session.signal_number());
  session.RecordEnd(Describe(stop->reason), code);
  session.FinishOutput();
  const LogLevel level = code == 0 ? LogLevel::kInfo : LogLevel::kError;
  Log(level, "{}: {}", session.name(), Describe(stop->reason));
  if (!stop->detail.empty()) {
    Log(level, "{}", stop->detail);
  }
  return code;
}

}  // namespace veneer
