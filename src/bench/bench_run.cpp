#include "bench_run.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "chart.h"
#include "disk_image.h"
#include "guest_session.h"
#include "load/load_server.h"
#include "report.h"
#include "veneer/vmm/base/child_process.h"
#include "veneer/vmm/base/event_fd.h"
#include "veneer/vmm/base/text_file.h"

namespace veneer::bench {
namespace {

// Estimates, in seconds: to boot where the kernel is interpreted, and what a load takes beyond
// itself.
constexpr double kBoot = 60;
constexpr double kLoadOverhead = 0.5;

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

BenchRun::BenchRun(const BenchOptions& options, Interrupt interrupt, Results results)
    : options_(options),
      interrupt_(std::move(interrupt)),
      results_(std::move(results)),
      rounds_(options.quick ? 2 : 5),
      seconds_(options.quick ? 1.5 : 5) {
  scale_ = {.file = options.folder + "/bench-disk.img",
            .mib = options.disk_mib,
            .seconds = options.quick ? 0.5 : 2,
            .rounds = rounds_};
  for (Step& step : LinuxSteps()) {
    if (options_.Wants(step.part)) {
      steps_.push_back(std::move(step));
    }
  }
  for (Companion& companion : Companions(scale_)) {
    if (options_.Wants(companion.part)) {
      companions_.push_back(std::move(companion));
    }
  }
}

std::size_t BenchRun::Missing(const Step& step) const {
  std::size_t missing = 0;
  for (const Way way : kWays) {
    missing += rounds_ - std::min<std::size_t>(rounds_, results_.Of(step, way).count());
  }
  return missing;
}

Result<void> BenchRun::Run() {
  std::size_t linux_figures = 0;
  for (const Step& step : steps_) {
    linux_figures += Missing(step);
  }
  progress_.Expect(linux_figures, static_cast<double>(linux_figures) * (seconds_ + kLoadOverhead) +
                                      (linux_figures > 0 ? kBoot : 0));
  for (const Companion& companion : companions_) {
    if (results_.Companion(companion.name).is_null()) {
      progress_.Expect(1, CompanionSeconds(companion, scale_));
    }
  }
  if (progress_.expected() == 0) {
    fmt::print(stderr, "veneer bench: all figures are in '{}'; --fresh measures anew\n",
               options_.folder);
  } else {
    fmt::print(stderr, "veneer bench: {} steps, about {}; what is done is kept in '{}'\n",
               progress_.expected(), Duration(progress_.seconds_left()), options_.folder);
  }
  if (linux_figures > 0) {
    VENEER_TRY(RunLinux());
  }
  VENEER_TRY(RunCompanions());
  return WriteReport();
}

Result<void> BenchRun::RunLinux() {
  const std::uint64_t bytes = std::uint64_t{options_.disk_mib} << 20U;
  VENEER_TRY_ASSIGN(const DiskImage emulated,
                    DiskImage::Make(options_.folder + "/bench-emulated.img", bytes, interrupt_));
  VENEER_TRY_ASSIGN(const DiskImage pv,
                    DiskImage::Make(options_.folder + "/bench-pv.img", bytes, interrupt_));
  VENEER_TRY_ASSIGN(const std::unique_ptr<LoadServer> server, LoadServer::Start());
  fmt::print(stderr, "booting the guest{} ...\n",
             options_.interpreted_kernel ? ", a minute where its kernel is interpreted" : "");
  VENEER_TRY_ASSIGN(const std::unique_ptr<GuestSession> guest,
                    GuestSession::Start(options_, {emulated.path(), pv.path()},
                                        options_.Wants("net"), interrupt_));
  progress_.Expect(0, -kBoot);

  const auto ns = static_cast<std::uint64_t>(seconds_ * 1e9);
  const auto on_host = [&](const Step& step) -> Result<LoadResult> {
    const auto* const disk = std::get_if<DiskShape>(&step.shape);
    LoadResult result = disk != nullptr ? RunDiskLoad({.path = pv.path(),
                                                       .write = disk->write,
                                                       .random = disk->random,
                                                       .block_bytes = disk->block_bytes,
                                                       .depth = disk->depth,
                                                       .ns = ns})
                                        : RunNetLoad({.address = "127.0.0.1",
                                                      .port = server->port(),
                                                      .kind = std::get<NetKind>(step.shape),
                                                      .ns = ns});
    if (!result.error.empty()) {
      return HostError("on the host: {}", result.error);
    }
    return result;
  };
  for (unsigned round = 0; round < rounds_; ++round) {
    for (const Step& step : steps_) {
      for (const Way way : kWays) {
        if (results_.Of(step, way).count() > round) {
          continue;
        }
        progress_.Begin(fmt::format("{} {}, {}", step.part, step.title, WayName(way)));
        VENEER_TRY(interrupt_.Check());
        VENEER_TRY_ASSIGN(const LoadResult result, way == Way::kLimit
                                                       ? on_host(step)
                                                       : guest->Run(step, way, ns, server->port()));
        if (result.operations == 0 || result.ns == 0) {
          return HostError("{}, {}: nothing was done in {} s", step.title, WayName(way), seconds_);
        }
        const double figure = step.Figure(result);
        VENEER_TRY(results_.Add(step, way, figure));
        progress_.Done(fmt::format("{} {}", Number(figure), step.unit), seconds_ + kLoadOverhead);
      }
    }
  }
  return {};
}

Result<void> BenchRun::RunCompanions() {
  std::optional<DiskImage> disk;
  for (const Companion& companion : companions_) {
    if (!results_.Companion(companion.name).is_null()) {
      continue;
    }
    if (companion.program == "bench_block" && !disk) {
      VENEER_TRY_ASSIGN(DiskImage image,
                        DiskImage::Make(scale_.file, std::uint64_t{scale_.mib} << 20U, interrupt_));
      disk.emplace(std::move(image));
    }
    progress_.Begin(fmt::format("{} {}", companion.program, fmt::join(companion.arguments, " ")));
    const Result<void> done = RunCompanion(companion);
    if (!done && done.error().kind == ErrorKind::kCanceled) {
      return done;
    }
    if (!done) {
      missing_.push_back(done.error().message);
    }
    progress_.Done(done ? "done" : FirstLine(done.error().message),
                   CompanionSeconds(companion, scale_));
  }
  return {};
}

Result<void> BenchRun::RunCompanion(const Companion& companion) {
  const std::string program = ProgramFolder() / companion.program;
  if (!std::filesystem::exists(program)) {
    return HostError("{}: the program {} is not installed beside veneer", companion.name,
                     companion.program);
  }
  const std::string output = options_.folder + "/" + companion.name + ".json";
  std::vector<std::string> arguments = companion.arguments;
  arguments.insert(arguments.end(), {"--json", output});
  VENEER_TRY_ASSIGN(const EventFd ended, EventFd::Create());
  VENEER_TRY_ASSIGN(const std::unique_ptr<ChildProcess> child,
                    ChildProcess::Start({.program = program, .arguments = std::move(arguments)},
                                        [&ended](const auto&) { ended.Signal(); }));
  VENEER_TRY(interrupt_.Wait(ended.get(), -1));
  if (const ChildProcess::Outcome& outcome = child->Wait(); !outcome.succeeded()) {
    return HostError("{}: {}", companion.name, FirstLine(outcome.complaint));
  }
  VENEER_TRY_ASSIGN(nlohmann::json json, ReadJson(output));
  std::filesystem::remove(output);
  return results_.SetCompanion(companion.name, std::move(json));
}

std::vector<Row> BenchRun::Rows() const {
  std::vector<Row> rows;
  for (const Step& step : LinuxSteps()) {
    Row row{step.panel, step.title, step.unit, {}};
    for (const Way way : kWays) {
      if (const Samples samples = results_.Of(step, way); samples.count() > 0) {
        row.values[way] = samples;
      }
    }
    if (!row.values.empty()) {
      rows.push_back(std::move(row));
    }
  }
  const std::vector<Row> more = CompanionRows(results_);
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

Result<void> BenchRun::WriteReport() {
  const std::vector<Row> rows = Rows();
  const std::string base = options_.folder + "/bench";
  VENEER_TRY(ReplaceFile(base + ".svg", ChartSvg(rows, options_.host.front().second)));
  if (const Result<void> drawn = WritePng(base + ".svg", base + ".png"); !drawn) {
    missing_.push_back("the chart as PNG: " + drawn.error().message);
  }
  results_.json()["host"] = nlohmann::ordered_json::object();
  for (const auto& [subject, finding] : options_.host) {
    results_.json()["host"][subject] = finding;
  }
  results_.json()["missing"] = missing_;
  VENEER_TRY(results_.Save());
  const std::string text = ReportText(options_, rows, missing_);
  VENEER_TRY(ReplaceFile(base + ".txt", text));
  fmt::print("{}\nreport: {}.txt, .json, .svg{}\n", text, base,
             std::filesystem::exists(base + ".png") ? ", .png" : "");
  return {};
}

Result<void> BenchRun::WritePng(const std::string& svg, const std::string& png) {
  std::error_code ignored;
  std::filesystem::remove(png, ignored);
  VENEER_TRY_ASSIGN(const std::string program, FindProgram("rsvg-convert", "librsvg2-bin"));
  VENEER_TRY_ASSIGN(const std::unique_ptr<ChildProcess> child,
                    ChildProcess::Start({.program = program, .arguments = {"-o", png, svg}}));
  if (const ChildProcess::Outcome& outcome = child->Wait(); !outcome.succeeded()) {
    return HostError("rsvg-convert: {}", FirstLine(outcome.complaint));
  }
  return {};
}

}  // namespace veneer::bench
