// What a toolstack does through a Xen guest's xenstore (xl: shutdown, mem-set; xenstore-ls).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/control/guest_control.h"
#include "veneer/xencompat/xenstore/client.h"

namespace veneer {

// A value as a line of printable ASCII: \n, \r, \t, \\, \" and \xHH for the rest.
std::string EscapeStoreValue(std::string_view value);

// On the loop's thread.
class StoreControl {
 public:
  // How long a guest may take to acknowledge a request to shut down, ns. An idle one needs
  // milliseconds, or a second where guest kernels are interpreted.
  static constexpr std::uint64_t kAnswerLimitNs = 10'000'000'000;
  // The most text that a listing holds, bytes.
  static constexpr std::size_t kListingLimit = 1 << 20;

  // `client` and `loop` outlive this object.
  StoreControl(XenstoreClient& client, EventLoop& loop, DomId domain = kGuestDomId,
               std::uint64_t answer_limit_ns = kAnswerLimitNs);
  StoreControl(const StoreControl&) = delete;
  StoreControl& operator=(const StoreControl&) = delete;
  ~StoreControl();

  // Writes control/shutdown and waits until the guest takes it away again, which is how it
  // acknowledges. A request that is not taken in time is withdrawn, and `done` gets an error; so
  // does a second request while one waits.
  void RequestShutdown(ShutdownKind kind, GuestControl::Done done);

  // memory/target, in bytes; in the store it is in KiB.
  Result<void> SetMemoryTarget(std::uint64_t bytes);
  // Empty if the key holds no number.
  std::optional<std::uint64_t> MemoryTarget();

  // control/sysrq, which Linux's Xen drivers watch. UsageError unless `key` is one letter or digit.
  Result<void> PressSysRq(std::string_view key);

  StoreListing List();

 private:
  struct Waiting;
  void LookAtAnswer();
  void Withdraw();
  void Finish(Result<void> result);

  XenstoreClient& client_;
  EventLoop& loop_;
  const std::string domain_path_;
  const std::uint64_t answer_limit_ns_;
  std::unique_ptr<Waiting> waiting_;
};

}  // namespace veneer
