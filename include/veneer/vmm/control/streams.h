// Connections of the control socket that have become streams: a guest's consoles and events. The
// protocol is in src/vmm/control/README.md.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"
#include "veneer/vmm/control/commands.h"
#include "veneer/vmm/control/guest_event.h"

namespace veneer {

enum class StreamedConsole { kSerial, kPv };

// Lives as long as `veneer run`: clients stay while the guest reboots. No client can make anybody
// wait. On the main thread, but for Append().
class Streams {
 public:
  // Takes bytes for the guest and returns how many it could take.
  using Sink = std::function<std::size_t(std::span<const std::byte>)>;
  struct Options {
    std::size_t max_clients = 16;             // further ones are turned away
    std::uint64_t stall_ns = 30'000'000'000;  // without taking anything, then it is dropped
    std::size_t console_bytes = std::size_t{64} << 10U;  // kept of each console
  };

  // `metrics` outlives this object.
  Streams(Metrics& metrics, const Options& options);
  explicit Streams(Metrics& metrics) : Streams(metrics, Options()) {}
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;
  ~Streams();

  // What the guest has written there. Any thread; waits for nobody. True: call Serve() soon.
  [[nodiscard]] bool Append(StreamedConsole console, std::span<const std::byte> text);

  // Tells those who listen, and keeps it for those who come. On the main thread.
  void Record(const GuestEvent& event);

  // A life of the guest begins; a sink that is null is a console that the guest does not have.
  void Attach(EventLoop& loop, Sink serial, Sink pv);
  // It ends. What goes on is kept.
  void Detach();
  // There is something new, or a sink may take more.
  void Serve();
  std::size_t clients() const;
  // The end: what clients have not taken by `deadline` is lost. They stay until this object goes.
  void Finish(std::chrono::steady_clock::time_point deadline);

  // What a client asks for. UsageError if it cannot have it.
  struct Plan;
  Result<std::shared_ptr<Plan>> Ask(ControlStream stream, std::string_view argument);
  // Makes the connection a stream; `input` is what came after the request.
  void Take(const std::shared_ptr<Plan>& plan, UniqueFd fd, std::string input);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace veneer
