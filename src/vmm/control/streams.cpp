#include "veneer/vmm/control/streams.h"

#include <poll.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "console_stream.h"
#include "event_stream.h"
#include "protocol.h"
#include "stream_client.h"
#include "veneer/vmm/base/clock.h"

namespace veneer {

struct Streams::Plan {
  StreamClient::Plan client;
};

class Streams::Impl {
 public:
  Impl(Metrics& metrics, const Options& options)
      : options_(options),
        serial_(options.console_bytes, metrics.Get("serial.client_dropped_bytes")),
        pv_(options.console_bytes, metrics.Get("console.client_dropped_bytes")),
        events_(HostClock(), metrics.Get("events.dropped")) {}

  std::size_t clients() const { return clients_.size(); }

  ConsoleStream& Console(StreamedConsole console) {
    return console == StreamedConsole::kSerial ? serial_ : pv_;
  }

  void Attach(EventLoop& loop, Sink serial, Sink pv) {
    loop_ = &loop;
    serial_.SetSink(std::move(serial));
    pv_.SetSink(std::move(pv));
    // A call of Serve() that was due went with the loop before.
    serial_.Calm();
    pv_.Calm();
    ForEach([&loop](StreamClient& client) { client.Attach(loop); });
  }

  void Detach() {
    ForEach([](StreamClient& client) { client.Detach(); });
    serial_.SetSink(nullptr);
    pv_.SetSink(nullptr);
    loop_ = nullptr;
  }

  void Serve() {
    serial_.Calm();
    pv_.Calm();
    ForEach([](StreamClient& client) { client.Serve(); });
  }

  void Record(const GuestEvent& event) {
    events_.Record(event);
    Serve();
  }

  void Finish(std::chrono::steady_clock::time_point deadline) {
    for (;;) {
      std::vector<pollfd> waiting;
      ForEach([&](StreamClient& client) {
        if (!client.Flow()) {
          Forget(client.fd());
        } else if (client.behind()) {
          waiting.push_back({client.fd(), POLLOUT, 0});
        }
      });
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (waiting.empty() || left.count() <= 0 ||
          poll(waiting.data(), waiting.size(), static_cast<int>(left.count())) <= 0) {
        return;
      }
    }
  }

  Result<std::shared_ptr<Plan>> Ask(ControlStream stream, std::string_view argument) {
    if (clients_.size() >= options_.max_clients) {
      return UsageError("too many clients are attached");
    }
    if (stream == ControlStream::kEvents) {
      auto plan = std::make_shared<Plan>();
      plan->client = {.source = &events_, .writes = false, .greeting = OkReply() + "\n"};
      return plan;
    }
    return AskForConsole(argument);
  }

  void Take(const Plan& plan, UniqueFd fd, std::string input) {
    const int number = fd.get();
    auto client =
        std::make_shared<StreamClient>(plan.client, std::move(fd), std::move(input),
                                       options_.stall_ns, [this](int gone) { Forget(gone); });
    clients_.emplace(number, client);
    SetWatched();
    if (loop_ != nullptr) {
      client->Attach(*loop_);
    }
  }

 private:
  Result<std::shared_ptr<Plan>> AskForConsole(std::string_view name) {
    if (!name.empty() && name != "serial" && name != "hvc0") {
      return UsageError("there is no console '{}', but serial and hvc0", name);
    }
    const bool silent = name.empty() && !serial_.used() && pv_.used();
    ConsoleStream& console = name == "hvc0" || silent ? pv_ : serial_;
    if (!console.connected()) {
      return UsageError("this guest has no PV console");
    }
    auto plan = std::make_shared<Plan>();
    plan->client.source = &console;
    plan->client.writes = !console.has_writer();
    plan->client.greeting =
        ConsoleReply(&console == &serial_ ? "serial" : "hvc0", plan->client.writes) + "\n";
    return plan;
  }

  void Forget(int fd) {
    clients_.erase(fd);
    SetWatched();
  }

  // What the guest writes to a console that nobody has attached to wakes nobody.
  void SetWatched() {
    for (ConsoleStream* const console : {&serial_, &pv_}) {
      console->SetWatched(std::ranges::any_of(
          clients_, [&](const auto& entry) { return entry.second->Reads(*console); }));
    }
  }

  // Each may be forgotten meanwhile.
  template <typename Action>
  void ForEach(Action action) {
    std::vector<std::shared_ptr<StreamClient>> clients;
    for (const auto& [fd, client] : clients_) {
      clients.push_back(client);
    }
    for (const auto& client : clients) {
      action(*client);
    }
  }

  const Options options_;
  ConsoleStream serial_;
  ConsoleStream pv_;
  EventStream events_;
  std::map<int, std::shared_ptr<StreamClient>> clients_;  // by descriptor
  EventLoop* loop_ = nullptr;
};

Streams::Streams(Metrics& metrics, const Options& options)
    : impl_(std::make_unique<Impl>(metrics, options)) {}

Streams::~Streams() = default;

bool Streams::Append(StreamedConsole console, std::span<const std::byte> text) {
  return impl_->Console(console).Append(text);
}

void Streams::Attach(EventLoop& loop, Sink serial, Sink pv) {
  impl_->Attach(loop, std::move(serial), std::move(pv));
}

void Streams::Record(const GuestEvent& event) { impl_->Record(event); }

void Streams::Detach() { impl_->Detach(); }

void Streams::Serve() { impl_->Serve(); }

std::size_t Streams::clients() const { return impl_->clients(); }

void Streams::Finish(std::chrono::steady_clock::time_point deadline) { impl_->Finish(deadline); }

Result<std::shared_ptr<Streams::Plan>> Streams::Ask(ControlStream stream,
                                                    std::string_view argument) {
  return impl_->Ask(stream, argument);
}

void Streams::Take(const std::shared_ptr<Plan>& plan, UniqueFd fd, std::string input) {
  impl_->Take(*plan, std::move(fd), std::move(input));
}

}  // namespace veneer
