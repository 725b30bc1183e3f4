#include "veneer/xencompat/platform/platform_ports.h"

#include <cctype>
#include <utility>

namespace veneer {
namespace {

constexpr std::uint64_t kMagic = 0x49d2;
constexpr std::uint64_t kMagicBlocked = 0xd249;
constexpr std::uint64_t kProtocolVersion = 1;
constexpr std::uint64_t kMaskPort = 0;     // offset of 0x10: magic, build number, unplug mask
constexpr std::uint64_t kProductPort = 2;  // offset of 0x12: version, product number, log
constexpr std::size_t kMaxLine = 256;
constexpr std::uint16_t kKnownUnplugs =
    kUnplugAllDisks | kUnplugAllNics | kUnplugAuxDisks | kUnplugNvme;

}  // namespace

PlatformPorts::PlatformPorts(UnplugHandler unplug, std::set<BlockedDriver> blocked,
                             Metrics& metrics)
    : unplug_(std::move(unplug)),
      blocked_(std::move(blocked)),
      log_lines_(metrics.Get("xenplatform.log_lines")),
      unplugs_(metrics.Get("xenplatform.unplugs")),
      refusals_(metrics.Get("xenplatform.unplugs_refused")) {}

void PlatformPorts::Reset() {
  const MutexLock lock(mutex_);
  introduced_ = false;
  product_ = 0;
  build_ = 0;
  line_.clear();
}

bool PlatformPorts::Blocked() const {
  return introduced_ &&
         (blocked_.contains({product_, std::nullopt}) || blocked_.contains({product_, build_}));
}

std::uint64_t PlatformPorts::Read(std::uint64_t offset, unsigned size) {
  if (offset == kMaskPort && size == 2) {
    const MutexLock lock(mutex_);
    return Blocked() ? kMagicBlocked : kMagic;
  }
  if (offset == kProductPort && size == 1) {
    return kProtocolVersion;
  }
  return AllOnes(size);
}

void PlatformPorts::Write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (offset == kProductPort && size == 1) {
    LogByte(static_cast<std::uint8_t>(value));
  } else if (offset == kProductPort && size == 2) {
    const MutexLock lock(mutex_);
    product_ = static_cast<std::uint16_t>(value);
    introduced_ = false;  // until its build number arrives
  } else if (offset == kMaskPort && size == 4) {
    const MutexLock lock(mutex_);
    build_ = static_cast<std::uint32_t>(value);
    introduced_ = true;
    LogDebug("The guest's PV drivers: product {:#x}, build {:#x}{}", product_, build_,
             Blocked() ? " (blocked)" : "");
  } else if (offset == kMaskPort && size == 2) {
    Unplug(static_cast<std::uint16_t>(value));
  }
}

void PlatformPorts::Unplug(std::uint16_t mask) {
  {
    const MutexLock lock(mutex_);
    if (Blocked()) {
      refusals_.Add();
      return;
    }
  }
  unplugs_.Add();
  unplug_(mask & kKnownUnplugs);
}

void PlatformPorts::LogByte(std::uint8_t byte) {
  std::string line;
  {
    const MutexLock lock(mutex_);
    if (byte != '\n') {
      line_.push_back(std::isprint(byte) != 0 ? static_cast<char>(byte) : '?');
      if (line_.size() < kMaxLine) {
        return;
      }
    }
    std::swap(line, line_);
  }
  log_lines_.Add();
  LogGuest(log_limiter_, "guest PV driver: {}", line);
}

}  // namespace veneer
