// The input is a program of index writes, events and typed text. Whatever the guest puts into the
// page, the console stays within the rings, writes nothing but what is its own, and ends.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "support/console_front_end.h"
#include "support/fuzz_target.h"
#include "veneer/backends/console/pv_console.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/metrics.h"

namespace veneer {
namespace {

using testing::FuzzInput;

using veneer::testing::ConsoleFrontEnd;

class Harness {
 public:
  Harness() {
    console_.SetRoomCallback([this] { ++rooms_; });
  }

  void Step(FuzzInput& input) {
    const std::uint32_t code = input.Take<std::uint8_t>();
    switch (code & 7U) {
      case 0:
      case 1:
        SetIndex(code >> 3U, input);
        break;
      case 2:
        Event();
        break;
      case 3:
        Type(input.Take<std::uint16_t>() % kMostTyped);
        break;
      case 4: {
        const auto at = static_cast<std::size_t>(input.Take(2) % kPageSize);
        guest_.page()[at] = static_cast<std::byte>(input.Take(1));
        break;
      }
      case 5:
        Read(input.Take<std::uint16_t>());
        break;
      case 6:
        console_.Drain();
        break;
      default:
        console_.Reset();
        break;
    }
  }

 private:
  static constexpr std::uint32_t kMostTyped = 3000;

  // An index anywhere, or near its partner so that rings often make sense.
  void SetIndex(std::uint32_t choice, FuzzInput& input) {
    const std::array words{guest_.in_cons(), guest_.in_prod(), guest_.out_cons(),
                           guest_.out_prod()};
    const std::uint32_t value =
        (choice & 4U) != 0
            ? input.Take<std::uint32_t>()
            : words[(choice & 3U) ^ 1U].load() + input.Take<std::uint16_t>() % 4096U - 2048U;
    words[choice & 3U].store(value);
  }

  void Event() {
    const std::vector<std::byte> before(guest_.page().begin(), guest_.page().end());
    const std::uint32_t distance = guest_.out_prod().load() - guest_.out_cons().load();
    printed_ = 0;
    notifies_ = 0;
    console_.OnEvent();
    const bool sane = distance <= ConsoleFrontEnd::kOutSize;
    VENEER_CHECK(printed_ == (sane ? distance : 0));
    VENEER_CHECK(notifies_ == (printed_ > 0 ? 1U : 0U));
    CheckUntouched(before, offsetof(xencons_interface, out_cons), 4, 0, 0);
  }

  void Type(std::uint32_t count) {
    const std::vector<std::byte> before(guest_.page().begin(), guest_.page().end());
    const std::uint32_t used = guest_.in_prod().load() - guest_.in_cons().load();
    const std::uint32_t room =
        used <= ConsoleFrontEnd::kInSize ? ConsoleFrontEnd::kInSize - used : 0;
    const std::vector<std::byte> text(count, std::byte{'t'});
    notifies_ = 0;
    const std::size_t taken = console_.Input(text);
    VENEER_CHECK(taken == std::min(room, count));
    VENEER_CHECK(notifies_ == (taken > 0 ? 1U : 0U));
    VENEER_CHECK(guest_.in_prod().load() - guest_.in_cons().load() == used + taken);
    CheckUntouched(before, offsetof(xencons_interface, in), ConsoleFrontEnd::kInSize,
                   offsetof(xencons_interface, in_prod), 4);
  }

  void Read(std::uint32_t limit) {
    // A guest reads like this only if the ring makes sense to it.
    if (guest_.in_prod().load() - guest_.in_cons().load() <= ConsoleFrontEnd::kInSize) {
      guest_.Read(limit);
    }
  }

  // Nothing outside [a, a + a_size) and [b, b + b_size) has changed.
  void CheckUntouched(std::span<const std::byte> before, std::size_t a, std::size_t a_size,
                      std::size_t b, std::size_t b_size) {
    for (std::size_t i = 0; i < before.size(); ++i) {
      VENEER_CHECK(before[i] == guest_.page()[i] || i - a < a_size || i - b < b_size);
    }
  }

  ConsoleFrontEnd guest_;
  Metrics metrics_;
  std::size_t printed_ = 0;
  std::uint32_t notifies_ = 0;
  std::uint64_t rooms_ = 0;
  PvConsole console_{guest_.page(),
                     [this](std::span<const std::byte> text) {
                       VENEER_CHECK(!text.empty() && text.size() <= ConsoleFrontEnd::kOutSize);
                       printed_ += text.size();
                     },
                     [this] { ++notifies_; }, metrics_};
};

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  veneer::testing::SilenceLog();
  veneer::testing::FuzzInput input(data, size);
  veneer::Harness harness;
  veneer::testing::RunSteps(harness, input, 2000);
  return 0;
}
