#include "tap_runs.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "bench/support/cpu_time.h"
#include "support/net_front_end.h"
#include "support/pv_guest.h"
#include "tap_peer.h"
#include "veneer/backends/net/net_backend.h"
#include "veneer/vmm/base/clock.h"

namespace veneer::bench {
namespace {

using testing::NetFrontEnd;
using testing::NetQueueGuest;
using testing::PvGuest;
using testing::TestSlot;

// After it a run looks whether its time is over.
constexpr std::uint64_t kLongestSpinNs = 10'000'000;

std::uint64_t Now() { return HostClock().MonotonicNs(); }

// What was counted between Begin() and now, without what the other end of the tap has used.
class Meter {
 public:
  explicit Meter(const TapSource* source) : source_(source) {}
  void Begin() {
    begin_ns_ = Now();
    begin_cpu_ = Cpu();
  }
  TapOutcome End(std::uint64_t frames) const {
    const auto count = static_cast<double>(frames);
    return {.frames_per_second = count * 1e9 / static_cast<double>(Now() - begin_ns_),
            .cpu_us = (Cpu() - begin_cpu_) * 1e6 / count};
  }

 private:
  double Cpu() const {
    return ProcessCpuSeconds() - (source_ != nullptr ? source_->CpuSeconds() : 0);
  }
  const TapSource* const source_;
  std::uint64_t begin_ns_ = 0;
  double begin_cpu_ = 0;
};

// Runs `step`, which returns how many frames it has moved, first for a tenth of the time without
// counting.
template <typename Step>
TapOutcome Measure(double seconds, TapSource* source, const Step& step) {
  Meter meter(source);
  const auto run = [&](double length) {
    const std::uint64_t deadline = Now() + static_cast<std::uint64_t>(length * 1e9);
    std::uint64_t frames = 0;
    while (Now() < deadline) {
      frames += step();
    }
    return frames;
  };
  run(seconds / 10);
  meter.Begin();
  return meter.End(run(seconds));
}

Result<std::unique_ptr<TapSource>> SourceFor(const TapWorkload& workload, const std::string& tap) {
  return workload.to_host ? std::unique_ptr<TapSource>() : TapSource::Start(tap, workload);
}

// ---- A plain process.

Result<UniqueFd> OpenPlainTap(std::string& name) {
  UniqueFd tap(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (!tap.valid() || ioctl(tap.get(), TUNSETIFF, &request) != 0 ||
      ioctl(tap.get(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0) {
    return ErrnoError(errno, "cannot make a tap");
  }
  name = request.ifr_name;
  const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  request.ifr_flags = IFF_UP;
  if (ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) {
    return ErrnoError(errno, "cannot put the tap up");
  }
  return tap;
}

// A thread that keeps a processor busy.
class Company {
 public:
  ~Company() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_{[this] {
    while (!stop_.load(std::memory_order_relaxed)) {
      __builtin_ia32_pause();
    }
  }};
};

// ---- The back-end and its front-end.

class BackEnd {
 public:
  static Result<std::unique_ptr<BackEnd>> Make(const TapWorkload& workload) {
    auto made = std::make_unique<BackEnd>();
    NetConfig config;
    config.link = TapNet{};
    config.mac = MacAddress{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};
    config.poll_us = workload.poll_us;
    VENEER_TRY_ASSIGN(std::unique_ptr<NetLink> link, OpenNetLink(config));
    made->tap = link->facts().name;
    PvGuest& guest = made->guest;
    VENEER_TRY_ASSIGN(made->backend_, NetBackend::Create({guest.store, *guest.events, *guest.grants,
                                                          guest.metrics, guest.poster()},
                                                         0, config, std::move(link)));
    guest.StartControl();
    VENEER_CHECK(made->front_.Connect());
    return made;
  }
  ~BackEnd() { guest.StopControl(); }
  NetQueueGuest& queue() { return front_.queue(); }
  std::uint64_t Count(const std::string& name) { return guest.Count("net.0." + name); }

  PvGuest guest{1024, 4};
  std::string tap;

 private:
  NetFrontEnd front_{guest};
  std::unique_ptr<NetBackend> backend_;
};

// Until there is an answer or nothing comes.
template <typename Ring>
void LookForAnswer(PvGuest& guest, Ring& ring) {
  const std::uint64_t deadline = Now() + kLongestSpinNs;
  while (!ring.HasResponse() && Now() < deadline) {
    __builtin_ia32_pause();
  }
  guest.TakeEvents();
}

// Sends the same frame over and over.
class Sender {
 public:
  Sender(BackEnd& back_end, const TapWorkload& workload)
      : guest_(back_end.guest),
        queue_(back_end.queue()),
        segmented_(workload.segmented),
        sleeps_(workload.front_sleeps) {
    const std::vector<std::byte> frame = WorkloadFrame(workload);
    for (std::size_t at = sizeof(virtio_net_hdr); at < frame.size(); at += kPageSize) {
      const Gfn page = guest_.NewPage();
      const std::size_t part = std::min(kPageSize, frame.size() - at);
      std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(at), part, guest_.Page(page).begin());
      slots_.push_back({guest_.Grant(page, true), 0, static_cast<unsigned>(part)});
    }
    if (segmented_) {
      extras_.push_back(testing::SegmentInfo(1448, XEN_NETIF_GSO_TYPE_TCPV4));
    }
    entries_ = static_cast<std::uint32_t>(slots_.size() + extras_.size());
  }

  std::uint64_t Step() {
    std::uint64_t done = 0;
    while (queue_.tx().HasResponse()) {
      const netif_tx_response answer = queue_.tx().Take();
      VENEER_CHECK(answer.status == NETIF_RSP_OKAY || answer.status == NETIF_RSP_NULL);
      done += 1;
    }
    bool any = false;
    while (queue_.tx().outstanding() + entries_ <= queue_.tx().size()) {
      queue_.PutFrame(slots_, segmented_ ? NETTXF_csum_blank | NETTXF_data_validated : 0, extras_);
      any = true;
    }
    if (any) {
      queue_.PushTx();
    }
    // Half the ring free is worth waking up for.
    if (!queue_.tx().AskForEvent(queue_.tx().outstanding() / 2)) {
      if (sleeps_) {
        VENEER_CHECK(guest_.WaitForUpcall());
      } else {
        LookForAnswer(guest_, queue_.tx());
      }
    }
    answers_ += done;
    const std::uint64_t frames = answers_ / entries_;
    answers_ %= entries_;
    return frames;
  }

 private:
  PvGuest& guest_;
  NetQueueGuest& queue_;
  const bool segmented_;
  const bool sleeps_;
  std::vector<TestSlot> slots_;
  std::vector<netif_extra_info> extras_;
  std::uint32_t entries_ = 0;
  std::uint64_t answers_ = 0;
};

// Takes frames and posts their buffers again. Sleeps in between: the source of the frames needs the
// processor that looking for them would take.
class Receiver {
 public:
  explicit Receiver(BackEnd& back_end) : guest_(back_end.guest), queue_(back_end.queue()) {
    while (buffers_.size() < queue_.rx().size()) {
      buffers_.push_back(guest_.Grant(guest_.NewPage()));
    }
    Post();
  }

  std::uint64_t Step() {
    std::uint64_t frames = 0;
    while (queue_.rx().HasResponse()) {
      const netif_rx_response answer = queue_.rx().Take();
      if (extra_) {
        extra_ = false;
        continue;
      }
      VENEER_CHECK(answer.status >= 0);
      extra_ = (answer.flags & NETRXF_extra_info) != 0;
      frames += (answer.flags & NETRXF_more_data) == 0 ? 1 : 0;
    }
    if (frames > 0) {
      Post();
    }
    if (!queue_.rx().AskForEvent()) {
      VENEER_CHECK(guest_.WaitForUpcall());
    }
    return frames;
  }

 private:
  void Post() {
    while (!queue_.rx().Full()) {
      queue_.rx().Put({.id = 0, .pad = 0, .gref = buffers_[next_++ % buffers_.size()].value});
    }
    queue_.PushRx();
  }

  PvGuest& guest_;
  NetQueueGuest& queue_;
  std::vector<GrantRef> buffers_;
  std::size_t next_ = 0;
  bool extra_ = false;  // the next slot is no frame's
};

}  // namespace

Result<TapOutcome> RunPlain(const TapWorkload& workload, double seconds, bool company) {
  std::optional<Company> beside;
  if (company) {
    beside.emplace();
  }
  std::string name;
  VENEER_TRY_ASSIGN(const UniqueFd tap, OpenPlainTap(name));
  std::vector<std::byte> frame = WorkloadFrame(workload);
  VENEER_TRY_ASSIGN(const std::unique_ptr<TapSource> source, SourceFor(workload, name));
  if (workload.to_host) {
    return Measure(seconds, nullptr, [&]() -> std::uint64_t {
      return write(tap.get(), frame.data(), frame.size()) > 0 ? 1 : 0;
    });
  }
  frame.resize(sizeof(virtio_net_hdr) + kMaxFrame);
  return Measure(seconds, source.get(), [&]() -> std::uint64_t {
    if (read(tap.get(), frame.data(), frame.size()) > 0) {
      return 1;
    }
    pollfd wait{.fd = tap.get(), .events = POLLIN, .revents = 0};
    poll(&wait, 1, 100);
    return 0;
  });
}

Result<TapOutcome> RunBackEnd(const TapWorkload& workload, double seconds) {
  VENEER_TRY_ASSIGN(const std::unique_ptr<BackEnd> back_end, BackEnd::Make(workload));
  VENEER_TRY_ASSIGN(const std::unique_ptr<TapSource> source, SourceFor(workload, back_end->tap));
  std::optional<Sender> sender;
  std::optional<Receiver> receiver;
  if (workload.to_host) {
    sender.emplace(*back_end, workload);
  } else {
    receiver.emplace(*back_end);
  }
  const std::string notifications = workload.to_host ? "tx_notifications" : "rx_notifications";
  const std::string frames = workload.to_host ? "tx_frames" : "rx_frames";
  TapOutcome outcome = Measure(
      seconds, source.get(), [&] { return workload.to_host ? sender->Step() : receiver->Step(); });
  const auto count = static_cast<double>(back_end->Count(frames));
  outcome.kicks = static_cast<double>(back_end->Count("kicks")) / count;
  outcome.upcalls = static_cast<double>(back_end->Count(notifications)) / count;
  return outcome;
}

}  // namespace veneer::bench
