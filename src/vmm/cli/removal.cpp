#include "removal.h"

#include <memory>
#include <utility>

#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

// Answers once: with what comes first.
struct Removal {
  void Answer(EventLoop& loop, Result<void> result) {
    loop.CancelTimer(timer);
    if (const GuestControl::Done once = std::exchange(done, nullptr); once != nullptr) {
      once(std::move(result));
    }
  }
  GuestControl::Done done;
  EventLoop::TimerId timer = 0;
};

}  // namespace

void AwaitRemoval(EventLoop& loop, std::uint64_t limit_ns, Error late,
                  const std::function<Result<void>(std::function<void()> removed)>& ask,
                  GuestControl::Done done) {
  const auto removal = std::make_shared<Removal>();
  removal->done = std::move(done);
  removal->timer = loop.AddTimer(
      HostClock().MonotonicNs() + limit_ns,
      [&loop, removal, error = std::move(late)] { removal->Answer(loop, tl::unexpected(error)); });
  const Result<void> asked = ask([&loop, removal] { removal->Answer(loop, {}); });
  if (!asked) {
    removal->Answer(loop, asked);
  }
}

}  // namespace veneer
