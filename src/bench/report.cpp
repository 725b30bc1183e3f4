#include "report.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/core.h>

namespace veneer::bench {
namespace {

constexpr const char* kInterpreted =
    "This host interprets guest kernels, one to two million instructions a second; only a guest's "
    "user space\nruns at full speed. In the Linux guest the kernel's own work is therefore the "
    "limit, for emulated and PV\ndevices alike, and the gain is that of fewer instructions and "
    "exits per byte. The micro guest's drivers\nrun in user space and show the devices "
    "themselves.\n";
constexpr const char* kNative =
    "Guest kernels run at full speed on this host: the Linux guest's figures are those of a guest "
    "in use.\n";

std::string Cell(const Row& row, Way way) {
  const auto samples = row.values.find(way);
  if (samples == row.values.end()) {
    return "-";
  }
  const Samples& values = samples->second;
  return values.count() < 2 ? Number(values.Median())
                            : fmt::format("{} [{}..{}]", Number(values.Median()),
                                          Number(values.Min()), Number(values.Max()));
}

std::string Ratio(const Row& row, Way above, Way below) {
  const auto one = row.values.find(above);
  const auto other = row.values.find(below);
  if (one == row.values.end() || other == row.values.end() || other->second.Median() <= 0) {
    return "-";
  }
  return Number(one->second.Median() / other->second.Median()) + " x";
}

using Line = std::array<std::string, 6>;

std::string Table(const std::vector<Line>& lines) {
  std::array<std::size_t, 6> widths{};
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      widths.at(i) = std::max(widths.at(i), line.at(i).size());
    }
  }
  std::string text;
  for (const Line& line : lines) {
    std::string row = fmt::format("  {:<{}}", line[0], widths[0]);
    for (std::size_t i = 1; i < line.size(); ++i) {
      row += fmt::format("  {:>{}}", line.at(i), widths.at(i));
    }
    text += row + "\n";
  }
  return text;
}

}  // namespace

std::string Number(double value) {
  const double size = std::fabs(value);
  if (size >= 1000) {
    const std::string digits = fmt::format("{:.0f}", value);
    std::string grouped;
    for (std::size_t i = 0; i < digits.size(); ++i) {
      if (i > 0 && (digits.size() - i) % 3 == 0 && digits[i - 1] != '-') {
        grouped += ' ';
      }
      grouped += digits[i];
    }
    return grouped;
  }
  if (size == 0) {
    return "0";
  }
  constexpr int kMostDecimals = 6;
  const int decimals =
      std::clamp(2 - static_cast<int>(std::floor(std::log10(size))), 0, kMostDecimals);
  return fmt::format("{:.{}f}", value, decimals);
}

std::string ShortNumber(double value) {
  if (value >= 1e6) {
    return fmt::format("{:.3g}M", value / 1e6);
  }
  return value >= 1000 ? fmt::format("{:.3g}k", value / 1e3) : fmt::format("{:.3g}", value);
}

std::string ReportText(const BenchOptions& options, const std::vector<Row>& rows,
                       const std::vector<std::string>& missing) {
  std::string text =
      "The same loads on emulated devices, on PV devices, and on the host itself.\n\n";
  for (const auto& [subject, finding] : options.host) {
    text += fmt::format("{}: {}\n", subject, finding);
  }
  text += "\n";
  text += options.interpreted_kernel ? kInterpreted : kNative;
  std::string panel;
  std::vector<Line> lines;
  const auto end_panel = [&] {
    if (!lines.empty()) {
      text += fmt::format("\n{}\n{}", panel, Table(lines));
    }
    lines.clear();
  };
  for (const Row& row : rows) {
    if (row.panel != panel || lines.empty()) {
      end_panel();
      panel = row.panel;
      lines.push_back({row.unit, "emulated", "PV", "limit", "PV/emulated", "PV/limit"});
    }
    lines.push_back({row.title, Cell(row, Way::kEmulated), Cell(row, Way::kPv),
                     Cell(row, Way::kLimit), Ratio(row, Way::kPv, Way::kEmulated),
                     Ratio(row, Way::kPv, Way::kLimit)});
  }
  end_panel();
  text +=
      "\nMedians [smallest..largest] of alternating runs. Limits: the Linux guest's load run on "
      "the "
      "host, with the\nsame file and over the loopback; fio and a plain process on a tap for micro "
      "guest and back-ends.\n";
  for (const std::string& sentence : missing) {
    text += "Not measured: " + sentence + "\n";
  }
  return text;
}

}  // namespace veneer::bench
