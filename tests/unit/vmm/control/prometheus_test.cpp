#include <regex>
#include <set>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "veneer/vmm/control/guest_metrics.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

GuestInfo Web() {
  GuestInfo info;
  info.name = "web";
  info.memory_bytes = 268435456;
  return info;
}

std::string Text(const std::map<std::string, std::uint64_t>& counters) {
  GuestMetrics metrics;
  metrics.counters = counters;
  return PrometheusText(Web(), metrics);
}

TEST(PrometheusText, HasUnitsInNamesAndDevicesInLabels) {
  const std::string text = Text({{"disk.xvda.read_bytes", 4096},
                                 {"ide.0.read_bytes", 512},
                                 {"net.1.tx_frames", 7},
                                 {"e1000.0.tx_frames", 8},
                                 {"exits.pio", 9},
                                 {"hypercall.sched_op.yield", 10},
                                 {"kvm.exits", 11},
                                 {"xenstore.requests", 12}});
  for (const char* part :
       {"# HELP veneer_disk_read_bytes_total Bytes read\n"
        "# TYPE veneer_disk_read_bytes_total counter\n"
        "veneer_disk_read_bytes_total{guest=\"web\",disk=\"xvda\",bus=\"pv\"} 4096\n"
        "veneer_disk_read_bytes_total{guest=\"web\",disk=\"ide0\",bus=\"ide\"} 512\n",
        "veneer_nic_tx_frames_total{guest=\"web\",nic=\"1\",model=\"pv\"} 7\n",
        "veneer_nic_tx_frames_total{guest=\"web\",nic=\"0\",model=\"e1000\"} 8\n",
        "veneer_vcpu_exits_total{guest=\"web\",reason=\"pio\"} 9\n",
        "veneer_hypercalls_total{guest=\"web\",hypercall=\"sched_op.yield\"} 10\n",
        "# TYPE veneer_kvm_statistic untyped\n"
        "veneer_kvm_statistic{guest=\"web\",statistic=\"exits\"} 11\n",
        "veneer_xenstore_requests_total{guest=\"web\"} 12\n",
        "# TYPE veneer_guest_memory_bytes gauge\n"
        "veneer_guest_memory_bytes{guest=\"web\"} 268435456\n"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(PrometheusText, TellsWhatEachVcpuHasHadOfTheHost) {
  GuestMetrics metrics;
  metrics.vcpus = {{1'500'000'000, 0}, {0, 250'000'000}};
  const std::string text = PrometheusText(Web(), metrics);
  EXPECT_THAT(text, HasSubstr("veneer_vcpu_run_seconds_total{guest=\"web\",vcpu=\"0\"} 1.5\n"));
  EXPECT_THAT(text, HasSubstr("veneer_vcpu_stolen_seconds_total{guest=\"web\",vcpu=\"1\"} 0.25\n"));
}

TEST(PrometheusText, LatenciesAreACumulativeHistogram) {
  const std::string text = Text({{"disk.xvda.latency_us.0000001", 5},
                                 {"disk.xvda.latency_us.0000002", 3},
                                 {"disk.xvda.latency_us.more", 1},
                                 {"disk.xvda.latency_total_ns", 2'500'000'000}});
  const std::string name = "veneer_disk_request_duration_seconds";
  EXPECT_THAT(text,
              HasSubstr("# TYPE " + name + " histogram\n" + name +
                        "_bucket{guest=\"web\",disk=\"xvda\",bus=\"pv\",le=\"1e-06\"} 5\n" + name +
                        "_bucket{guest=\"web\",disk=\"xvda\",bus=\"pv\",le=\"2e-06\"} 8\n" + name +
                        "_bucket{guest=\"web\",disk=\"xvda\",bus=\"pv\",le=\"+Inf\"} 9\n" + name +
                        "_sum{guest=\"web\",disk=\"xvda\",bus=\"pv\"} 2.5\n" + name +
                        "_count{guest=\"web\",disk=\"xvda\",bus=\"pv\"} 9\n"));
  EXPECT_THAT(text, Not(HasSubstr("latency")));
}

TEST(PrometheusText, IsWellFormedWhateverACounterIsCalled) {
  GuestInfo info;
  info.name = "a\"b\\c\nd";
  GuestMetrics metrics;
  metrics.counters = {{"new-thing.x y", 1}, {"plain", 2},      {"disk.xvda", 3},
                      {"disk.xvda.new", 4}, {"exits.\"\n", 5}, {"net.0.rx_frames", 6}};
  const std::regex line(
      R"re(# HELP [a-z_0-9]+ [^\n]+|# TYPE [a-z_0-9]+ (counter|gauge|untyped|histogram)|[a-z_0-9]+(\{([a-z_]+="([^"\\]|\\["\\n])*",?)*\})? [-+.e0-9]+)re");
  std::istringstream text(PrometheusText(info, metrics));
  std::set<std::string> families;
  for (std::string one; std::getline(text, one);) {
    EXPECT_TRUE(std::regex_match(one, line)) << one;
    if (one.starts_with("# TYPE ")) {
      EXPECT_TRUE(families.insert(one).second) << one;
    }
  }
  EXPECT_TRUE(families.contains("# TYPE veneer_new_thing_x_y_total counter"));
}

}  // namespace
}  // namespace veneer
