// Keys: Xen, docs/misc/xenstore-paths.pandoc; how Linux answers: drivers/xen/manage.c, balloon.
#include "veneer/vmm/control/store_control.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "veneer/vmm/base/clock.h"

namespace veneer {

std::string EscapeStoreValue(std::string_view value) {
  std::string text;
  for (const char c : value) {
    switch (c) {
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      case '\t':
        text += "\\t";
        break;
      case '\\':
        text += "\\\\";
        break;
      case '"':
        text += "\\\"";
        break;
      default:
        if (c >= ' ' && c <= '~') {
          text += c;
        } else {
          text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
  }
  return text;
}

struct StoreControl::Waiting {
  std::string word;  // what was written
  GuestControl::Done done;
  std::unique_ptr<XenstoreWatch> watch;
  EventLoop::TimerId timer = 0;
};

StoreControl::StoreControl(XenstoreClient& client, EventLoop& loop, DomId domain,
                           std::uint64_t answer_limit_ns)
    : client_(client),
      loop_(loop),
      domain_path_(XsDomainPath(domain)),
      answer_limit_ns_(answer_limit_ns) {}

StoreControl::~StoreControl() {
  if (waiting_ != nullptr) {
    loop_.CancelTimer(waiting_->timer);
  }
}

void StoreControl::RequestShutdown(ShutdownKind kind, GuestControl::Done done) {
  if (waiting_ != nullptr) {
    done(UsageError("the guest has not answered an earlier request yet"));
    return;
  }
  const std::string path = domain_path_ + "/control/shutdown";
  auto waiting = std::make_unique<Waiting>();
  waiting->word = kind == ShutdownKind::kPowerOff ? "poweroff" : "reboot";
  if (const XsResult<void> written = client_.Write(path, waiting->word); !written) {
    done(HostError("cannot write {}: {}", path, XsErrorName(written.error())));
    return;
  }
  // The watch fires once by itself, so an answer that comes before it is seen too.
  auto watch = client_.Watch(path, loop_, [this](const std::string&) { LookAtAnswer(); });
  if (!watch) {
    done(HostError("cannot watch {}: {}", path, XsErrorName(watch.error())));
    return;
  }
  waiting->done = std::move(done);
  waiting->watch = std::move(*watch);
  waiting->timer =
      loop_.AddTimer(HostClock().MonotonicNs() + answer_limit_ns_, [this] { Withdraw(); });
  waiting_ = std::move(waiting);
}

void StoreControl::LookAtAnswer() {
  if (client_.Read(domain_path_ + "/control/shutdown") != waiting_->word) {
    Finish({});
  }
}

void StoreControl::Withdraw() {
  const std::string path = domain_path_ + "/control/shutdown";
  bool taken = false;
  // In a transaction, so that a guest that takes it right now does not lose its answer.
  const XsResult<void> withdrawn = client_.Transact([&](XenstoreTransaction& transaction) {
    taken = transaction.Read(path) != waiting_->word;
    return taken ? XsResult<void>() : transaction.Write(path, "");
  });
  if (taken) {
    Finish({});
  } else if (!withdrawn) {
    Finish(
        HostError("cannot withdraw the request from {}: {}", path, XsErrorName(withdrawn.error())));
  } else {
    Finish(
        HostError("the guest does not listen: its Xen drivers have not taken the request within "
                  "{} seconds",
                  answer_limit_ns_ / 1'000'000'000));
  }
}

void StoreControl::Finish(Result<void> result) {
  // `done` may ask for the next shutdown.
  const std::unique_ptr<Waiting> finished = std::move(waiting_);
  loop_.CancelTimer(finished->timer);
  finished->watch.reset();
  finished->done(std::move(result));
}

Result<void> StoreControl::SetMemoryTarget(std::uint64_t bytes) {
  const std::string path = domain_path_ + "/memory/target";
  if (const XsResult<void> written = client_.WriteNumber(path, bytes >> 10U); !written) {
    return HostError("cannot write {}: {}", path, XsErrorName(written.error()));
  }
  return {};
}

std::optional<std::uint64_t> StoreControl::MemoryTarget() {
  const XsResult<std::uint64_t> kib = client_.ReadNumber(domain_path_ + "/memory/target");
  return kib ? std::optional(*kib << 10U) : std::nullopt;
}

Result<void> StoreControl::PressSysRq(std::string_view key) {
  constexpr std::string_view kKeys = "0123456789abcdefghijklmnopqrstuvwxyz";
  if (key.size() != 1 || kKeys.find(key) == std::string_view::npos) {
    return UsageError("'{}' is no key of SysRq, which are single small letters and digits", key);
  }
  const std::string path = domain_path_ + "/control/sysrq";
  if (const XsResult<void> written = client_.Write(path, std::string(key)); !written) {
    return HostError("cannot write {}: {}", path, XsErrorName(written.error()));
  }
  return {};
}

StoreListing StoreControl::List() {
  StoreListing listing;
  std::size_t size = 0;
  std::vector<std::string> ahead{"/"};
  // Not in a transaction: a busy guest could make it fail for ever. Nodes that vanish meanwhile are
  // left out.
  while (!ahead.empty()) {
    const std::string path = std::move(ahead.back());
    ahead.pop_back();
    const XsResult<std::string> value = client_.Read(path);
    const XsResult<std::vector<std::string>> children = client_.Directory(path);
    if (!value || !children) {
      continue;
    }
    const bool root = path == "/";
    if (!root) {
      StoreNode node{path, EscapeStoreValue(*value)};
      size += node.path.size() + node.value.size();
      if (size > kListingLimit) {
        listing.truncated = true;
        break;
      }
      listing.nodes.push_back(std::move(node));
    }
    std::for_each(children->rbegin(), children->rend(), [&](const std::string& name) {
      ahead.push_back((root ? "" : path) + "/" + name);
    });
  }
  return listing;
}

}  // namespace veneer
