#include "chart.h"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/core.h>

#include "report.h"

namespace veneer::bench {
namespace {

// All in SVG's user units.
constexpr double kPanelWidth = 560;
constexpr double kPanelHeight = 300;
constexpr double kMargin = 16;
constexpr double kTop = 64;      // of the document: caption and legend
constexpr double kPlotTop = 44;  // of a panel
constexpr double kPlotBottom = 240;
constexpr double kPlotLeft = 64;
constexpr double kLogarithmic = 20;  // largest / smallest from which on the scale is

struct Look {
  Way way;
  const char* colour;
  const char* label;
};
constexpr Look kLooks[] = {{Way::kEmulated, "#b5b5b5", "emulated devices"},
                           {Way::kPv, "#c8102e", "PV devices"},
                           {Way::kLimit, "#3b5b92", "limit of the host"}};

std::string Escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    safe += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  }
  return safe;
}

std::string Text(double x, double y, const char* anchor, int size, const std::string& text) {
  return fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" font-size=\"{}\">{}</text>\n", x, y,
      anchor, size, Escaped(text));
}

// From values to heights above the plot's bottom.
class Scale {
 public:
  explicit Scale(std::span<const Row> rows) {
    double smallest = INFINITY;
    for (const Row& row : rows) {
      for (const auto& [way, samples] : row.values) {
        const double value = samples.Median();
        largest_ = std::max(largest_, value);
        smallest = value > 0 ? std::min(smallest, value) : smallest;
      }
    }
    logarithmic_ = largest_ > smallest * kLogarithmic;
    lowest_decade_ = logarithmic_ ? std::floor(std::log10(smallest)) : 0;
    highest_decade_ = logarithmic_ ? std::ceil(std::log10(largest_)) : 0;
    if (logarithmic_ && std::log10(smallest) - lowest_decade_ < 0.1) {
      lowest_decade_ -= 1;  // so that the smallest bar can be seen
    }
  }
  bool logarithmic() const { return logarithmic_; }
  double Height(double value) const {
    constexpr double kFull = kPlotBottom - kPlotTop;
    if (value <= 0 || largest_ <= 0) {
      return 0;
    }
    return logarithmic_
               ? kFull * (std::log10(value) - lowest_decade_) / (highest_decade_ - lowest_decade_)
               : kFull * 0.94 * value / largest_;
  }
  // Where lines go across the plot.
  std::vector<double> Marks() const {
    std::vector<double> marks;
    if (logarithmic_) {
      for (double decade = lowest_decade_; decade <= highest_decade_; ++decade) {
        marks.push_back(std::pow(10, decade));
      }
    } else if (largest_ > 0) {
      const double step = std::pow(10, std::floor(std::log10(largest_)));
      for (double mark = 0; mark <= largest_; mark += largest_ / step < 2.5 ? step / 2 : step) {
        marks.push_back(mark);
      }
    }
    return marks;
  }

 private:
  double largest_ = 0;
  bool logarithmic_ = false;
  double lowest_decade_ = 0;
  double highest_decade_ = 0;
};

// Titles are cut at a comma near the middle, to fit below their bars.
std::string Label(double x, const std::string& title) {
  const std::size_t middle = title.size() / 2;
  std::size_t cut = std::string::npos;
  for (std::size_t at = title.find(' '); at != std::string::npos; at = title.find(' ', at + 1)) {
    const auto distance = [middle](std::size_t i) { return i > middle ? i - middle : middle - i; };
    if (cut == std::string::npos || distance(at) < distance(cut)) {
      cut = at;
    }
  }
  if (title.size() < 16 || cut == std::string::npos) {
    return Text(x, kPlotBottom + 18, "middle", 11, title);
  }
  return Text(x, kPlotBottom + 18, "middle", 11, title.substr(0, cut)) +
         Text(x, kPlotBottom + 33, "middle", 11, title.substr(cut + 1));
}

std::string Bars(const Row& row, const Scale& scale, double left, double width) {
  const double bar = std::min(44.0, width / 4);
  double x = left + (width - bar * static_cast<double>(row.values.size())) / 2;
  std::string svg;
  for (const Look& look : kLooks) {
    const auto samples = row.values.find(look.way);
    if (samples == row.values.end()) {
      continue;
    }
    const double value = samples->second.Median();
    const double height = scale.Height(value);
    svg += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>\n", x + 2,
        kPlotBottom - height, bar - 4, height, look.colour);
    svg += Text(x + bar / 2, kPlotBottom - height - 4, "middle", 10, ShortNumber(value));
    x += bar;
  }
  return svg + Label(left + width / 2, row.title);
}

std::string Panel(std::span<const Row> rows) {
  const Scale scale(rows);
  std::string svg = Text(kPlotLeft, 20, "start", 15, rows.front().panel) +
                    Text(kPlotLeft, 36, "start", 11,
                         rows.front().unit + (scale.logarithmic() ? ", logarithmic scale" : ""));
  for (const double mark : scale.Marks()) {
    const double y = kPlotBottom - scale.Height(mark);
    svg += fmt::format(
        "<line x1=\"{0}\" y1=\"{1:.1f}\" x2=\"{2}\" y2=\"{1:.1f}\" stroke=\"#dddddd\"/>\n",
        kPlotLeft, y, kPanelWidth - kMargin);
    svg += Text(kPlotLeft - 6, y + 4, "end", 10, ShortNumber(mark));
  }
  const double width = (kPanelWidth - kMargin - kPlotLeft) / static_cast<double>(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    svg += Bars(rows[i], scale, kPlotLeft + width * static_cast<double>(i), width);
  }
  return svg;
}

std::vector<std::span<const Row>> Panels(const std::vector<Row>& rows) {
  std::vector<std::span<const Row>> panels;
  for (auto first = rows.begin(); first != rows.end();) {
    const auto last =
        std::find_if(first, rows.end(), [&](const Row& row) { return row.panel != first->panel; });
    panels.emplace_back(first, last);
    first = last;
  }
  return panels;
}

}  // namespace

std::string ChartSvg(const std::vector<Row>& rows, const std::string& caption) {
  const std::vector<std::span<const Row>> panels = Panels(rows);
  const double width = 2 * kPanelWidth;
  const double height = kTop + kPanelHeight * static_cast<double>((panels.size() + 1) / 2);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" font-family=\"Helvetica, Arial, sans-serif\" fill=\"#222222\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
      width, height);
  svg += Text(kMargin, 24, "start", 16, caption);
  double x = kMargin;
  for (const Look& look : kLooks) {
    svg += fmt::format("<rect x=\"{}\" y=\"38\" width=\"12\" height=\"12\" fill=\"{}\"/>\n", x,
                       look.colour);
    svg += Text(x + 18, 48, "start", 12, look.label);
    x += 160;
  }
  for (std::size_t i = 0; i < panels.size(); ++i) {
    svg += fmt::format("<g transform=\"translate({}, {})\">\n{}</g>\n",
                       kPanelWidth * static_cast<double>(i % 2),
                       kTop + kPanelHeight * static_cast<double>(i / 2), Panel(panels[i]));
  }
  return svg + "</svg>\n";
}

}  // namespace veneer::bench
