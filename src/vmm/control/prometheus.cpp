// Veneer's counters, which have dotted names, as families of Prometheus's.
#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include <fmt/core.h>

#include "exposition.h"
#include "veneer/vmm/control/guest_metrics.h"

namespace veneer {
namespace {

struct Help {
  std::string_view name;
  std::string_view text;
};

// "disk.xvda.NAME", "ide.0.NAME".
constexpr Help kOfDisks[] = {
    {"reads", "Read requests"},
    {"writes", "Write requests"},
    {"flushes", "Flush requests"},
    {"discards", "Discard requests"},
    {"read_bytes", "Bytes read"},
    {"written_bytes", "Bytes written"},
    {"merges", "Segments that continued the one before"},
    {"bad_requests", "Requests that were malformed or not allowed"},
    {"errors", "Operations that the host failed"},
    {"notifications", "Events sent to the guest"},
    {"suppressed", "Batches of responses that the guest did not want to hear of"},
    {"kicks", "Events received from the guest"},
    {"throttled", "Times that a rate limit held the queue back"},
    {"polls_hit", "Times that looking for more work found some"},
    {"sleeps", "Times that a queue waited for an event"},
};

// "net.0.NAME", "e1000.0.NAME".
constexpr Help kOfNics[] = {
    {"tx_frames", "Frames from the guest"},
    {"tx_bytes", "Bytes of frames from the guest"},
    {"tx_gso", "Frames from the guest that are to be cut into segments"},
    {"tx_bad", "Frames from the guest that were malformed"},
    {"tx_refused", "Frames from the guest that the link did not take"},
    {"tx_dropped", "Frames from the guest that were dropped"},
    {"tx_notifications", "Events sent to the guest about frames from it"},
    {"tx_suppressed", "Batches from the guest of which it did not want to hear"},
    {"rx_frames", "Frames for the guest"},
    {"rx_bytes", "Bytes of frames for the guest"},
    {"rx_gso", "Frames for the guest that are several segments in one"},
    {"rx_dropped", "Frames for the guest that were dropped"},
    {"rx_filtered", "Frames that the guest does not listen to"},
    {"rx_bad", "Buffers of the guest that could not be used"},
    {"rx_no_room", "Times that the guest had no buffers"},
    {"rx_moved", "Frames that were copied once more"},
    {"rx_made_plain", "Frames that were cut, or had checksums added, for the guest"},
    {"rx_notifications", "Events sent to the guest about frames for it"},
    {"rx_suppressed", "Batches for the guest of which it did not want to hear"},
    {"kicks", "Events received from the guest"},
    {"throttled", "Times that a rate limit held the queue back"},
    {"polls_hit", "Times that looking for more work found some"},
    {"sleeps", "Times that a queue waited for an event"},
    {"interrupts", "Interrupts"},
};

constexpr Help kOthers[] = {
    {"hypercall.unknown", "Hypercalls that Veneer does not know"},
    {"hypercall.refused_by_privilege", "Hypercalls from the guest's user mode, refused"},
    {"hypercall.sends_without_ioeventfd", "Event channel sends that were full hypercalls"},
    {"xen.hypercalls", "Hypercalls that came to Veneer"},
    {"xen.sends_in_userspace", "Event channel sends that came to Veneer"},
    {"xen.upcalls", "Upcalls by which vCPUs were interrupted"},
    {"xen.upcall_retries", "Upcalls that were made once more"},
    {"xen.evtchn.sends", "Event channel sends of the guest"},
    {"xen.evtchn.notifies", "Events sent to the guest by back-ends"},
    {"xen.evtchn.upcalls", "Events that made a vCPU's upcall pending"},
    {"xen.evtchn.kernel_sends", "Events that KVM delivered"},
    {"xen.evtchn.fifo_lost", "FIFO events that could not be linked"},
    {"xen.evtchn.fifo_violations", "FIFO queues that the guest has broken"},
    {"xen.gnttab.maps", "Grants mapped"},
    {"xen.gnttab.copies", "Grants copied"},
    {"xen.gnttab.refused", "Grants refused"},
    {"xenstore.requests", "Xenstore requests of the guest"},
    {"xenstore.errors", "Xenstore requests answered with an error"},
    {"xenstore.events", "Xenstore watch events"},
    {"xenstore.events_dropped", "Xenstore watch events dropped"},
    {"xenstore.broken_connections", "Xenstore rings that the guest has broken"},
    {"console.output_bytes", "Bytes that the guest wrote to hvc0"},
    {"console.input_bytes", "Bytes that the guest was given on hvc0"},
    {"console.bad_rings", "Times that the PV console's ring made no sense"},
    {"console.dropped_bytes", "Bytes of hvc0 that nobody took"},
    {"console.client_dropped_bytes", "Bytes of hvc0 that attached clients have missed"},
    {"serial.dropped_bytes", "Bytes of the serial port that nobody took"},
    {"serial.client_dropped_bytes", "Bytes of the serial port that attached clients have missed"},
    {"events.dropped", "Events that listeners have missed"},
    {"bus.port.unclaimed", "Accesses to I/O ports where there is no device"},
    {"bus.memory.unclaimed", "Accesses to memory where there is no device"},
    {"assist.syscalls", "System calls of the guest that Veneer completed"},
    {"assist.page_faults_seen", "Page faults of the guest that Veneer looked at"},
    {"assist.single_steps", "Instructions of the guest that were single-stepped"},
};

std::optional<std::string_view> HelpOf(std::string_view name, const auto& table) {
  const auto* const found = std::find_if(std::begin(table), std::end(table),
                                         [&](const Help& help) { return help.name == name; });
  return found == std::end(table) ? std::nullopt : std::optional(found->text);
}

// Without what a name may not have.
std::string FamilyName(std::string_view start, std::string_view name) {
  std::string family = fmt::format("veneer_{}{}_total", start, name);
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  std::replace_if(
      family.begin(), family.end(), [&](char c) { return !fits(c); }, '_');
  return family;
}

// A kind of device whose counters are called "KIND.WHICH.NAME".
struct DeviceKind {
  std::string_view kind;
  std::string_view family;  // "disk"
  std::string_view prefix;  // of the device's name in other places
  std::string_view how;     // label: how the guest finds it
  std::string_view value;
};
constexpr DeviceKind kDevices[] = {
    {"disk", "disk", "", "bus", "pv"},
    {"ide", "disk", "ide", "bus", "ide"},
    {"net", "nic", "", "model", "pv"},
    {"e1000", "nic", "", "model", "e1000"},
};

// What a disk's requests took.
struct Latency {
  std::map<double, std::uint64_t> counts;  // by upper bound, seconds
  std::uint64_t more = 0;
  double sum = 0;  // seconds
};

class Translation {
 public:
  Translation(Exposition& out, const std::map<std::string, std::uint64_t>& counters) : out_(out) {
    for (const auto& [name, value] : counters) {
      Add(name, value);
    }
    for (const auto& [disk, latency] : latencies_) {
      out_.Histogram("veneer_disk_request_duration_seconds", "How long requests took, in seconds",
                     {{"disk", disk}, {"bus", "pv"}}, latency.counts, latency.more, latency.sum);
    }
  }

 private:
  void Add(std::string_view name, std::uint64_t value) {
    const std::size_t dot = name.find('.');
    const std::string_view first = name.substr(0, dot);
    const std::string_view rest = dot == std::string_view::npos ? "" : name.substr(dot + 1);
    if (const auto help = HelpOf(name, kOthers)) {
      out_.Counter(FamilyName("", name), *help, {}, value);
    } else if (first == "exits") {
      out_.Counter("veneer_vcpu_exits_total", "Times that vCPUs left the guest for Veneer",
                   {{"reason", std::string(rest)}}, value);
    } else if (first == "hypercall") {
      out_.Counter("veneer_hypercalls_total", "Hypercalls that Veneer answered",
                   {{"hypercall", std::string(rest)}}, value);
    } else if (first == "assist") {
      out_.Counter("veneer_assisted_instructions_total",
                   "Instructions of the guest that Veneer performed",
                   {{"instruction", std::string(rest)}}, value);
    } else if (first == "kvm") {
      out_.Untyped("veneer_kvm_statistic",
                   "KVM's own statistics, all vCPUs together (Linux, binary stats)",
                   {{"statistic", std::string(rest)}}, value);
    } else if (!AddOfDevice(first, rest, value)) {
      out_.Counter(FamilyName("", name), fmt::format("Veneer's counter {}", name), {}, value);
    }
  }

  bool AddOfDevice(std::string_view kind, std::string_view rest, std::uint64_t value) {
    const auto* const device =
        std::find_if(std::begin(kDevices), std::end(kDevices),
                     [&](const DeviceKind& known) { return known.kind == kind; });
    const std::size_t dot = rest.find('.');
    if (device == std::end(kDevices) || dot == std::string_view::npos) {
      return false;
    }
    const std::string which = fmt::format("{}{}", device->prefix, rest.substr(0, dot));
    const std::string_view name = rest.substr(dot + 1);
    const bool disk = device->family == "disk";
    if (disk && AddLatency(which, name, value)) {
      return true;
    }
    const auto help = disk ? HelpOf(name, kOfDisks) : HelpOf(name, kOfNics);
    out_.Counter(FamilyName(fmt::format("{}_", device->family), name),
                 help ? std::string(*help) : fmt::format("Veneer's counter {}", name),
                 {{device->family, which}, {device->how, std::string(device->value)}}, value);
    return true;
  }

  bool AddLatency(const std::string& disk, std::string_view name, std::uint64_t value) {
    constexpr std::string_view kBucket = "latency_us.";
    if (name == "latency_total_ns") {
      latencies_[disk].sum = static_cast<double>(value) / 1e9;
      return true;
    }
    if (!name.starts_with(kBucket)) {
      return false;
    }
    const std::string_view bound = name.substr(kBucket.size());
    std::uint64_t us = 0;
    if (std::from_chars(bound.data(), bound.data() + bound.size(), us).ec == std::errc()) {
      latencies_[disk].counts[static_cast<double>(us) / 1e6] = value;
    } else {
      latencies_[disk].more = value;
    }
    return true;
  }

  Exposition& out_;
  std::map<std::string, Latency> latencies_;
};

void AddState(const GuestInfo& info, const GuestMetrics& metrics, Exposition& out) {
  const auto gauge = [&](std::string_view family, std::string_view help, auto value) {
    out.Gauge(family, help, {}, static_cast<double>(value));
  };
  gauge("veneer_guest_running", "1 if the guest runs, 0 if it is paused or has crashed",
        info.state == GuestState::kRunning ? 1 : 0);
  gauge("veneer_guest_uptime_seconds", "Since the guest's start, or its last reboot",
        static_cast<double>(info.uptime_ns) / 1e9);
  gauge("veneer_guest_memory_bytes", "Memory that the guest has", info.memory_bytes);
  gauge("veneer_guest_memory_target_bytes", "Memory that the guest shall have",
        info.memory_target_bytes);
  gauge("veneer_guest_memory_max_bytes", "Memory that the guest can be given",
        info.memory_max_bytes);
  gauge("veneer_guest_vcpus", "vCPUs that the guest shall run on", info.vcpus.given);
  gauge("veneer_guest_vcpus_online", "vCPUs that the guest runs on", info.vcpus.online);
  gauge("veneer_guest_vcpus_max", "vCPUs that the guest can be given", info.vcpus.possible);
  for (const GuestMetrics::Milestone& milestone : metrics.milestones) {
    out.Gauge("veneer_guest_milestone_seconds",
              "When the guest's boot came to this point, since its start",
              {{"milestone", milestone.name}}, static_cast<double>(milestone.at_ns) / 1e9);
  }
  for (std::size_t i = 0; i < metrics.vcpus.size(); ++i) {
    const Exposition::Labels vcpu{{"vcpu", std::to_string(i)}};
    out.CounterOfSeconds("veneer_vcpu_run_seconds_total",
                         "CPU time of the host that the vCPU's thread has used", vcpu,
                         static_cast<double>(metrics.vcpus[i].run_ns) / 1e9);
    out.CounterOfSeconds("veneer_vcpu_stolen_seconds_total",
                         "How long the vCPU's thread has waited for a CPU of the host", vcpu,
                         static_cast<double>(metrics.vcpus[i].stolen_ns) / 1e9);
  }
}

}  // namespace

std::string PrometheusText(const GuestInfo& info, const GuestMetrics& metrics) {
  Exposition out({{"guest", info.name}});
  AddState(info, metrics, out);
  const Translation translation(out, metrics.counters);
  return out.Text();
}

}  // namespace veneer
