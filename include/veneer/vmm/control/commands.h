// The commands of the control socket. All that is particular to one stands in its row of the table:
// what it needs, what is done with the guest, what comes back, and how `veneer ctl` shows it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/control/guest_control.h"

namespace veneer {

// What follows a command's name: in `veneer ctl` as a word, in a request as a member.
enum class ControlArgumentKind {
  kNone,
  kFlag,    // true, or left out; people write --member
  kSize,    // a number of bytes; people write 128M
  kNumber,  // a whole number
  kNumberOrNothing,
  kText,
  kTextOrNothing,
  kDisk,  // a text as after run --disk
  kNet,   // a text as after run --net
};

struct ControlArgument {
  std::optional<std::uint64_t> number;  // kSize, kNumber; kNumberOrNothing, if given; kFlag: 1
  std::string text;                     // the others
};

// What the connection is once the request has been answered.
enum class ControlStream {
  kNone,     // what it was
  kConsole,  // a guest's console: characters both ways
  kEvents,   // what happens to the guest, a line each
};

struct ControlCommand {
  // Called once, at once or later on the loop, with the reply's line.
  using Answer = std::function<void(const Result<std::string>& reply)>;

  std::string_view name;
  ControlArgumentKind argument = ControlArgumentKind::kNone;
  std::string_view member{};       // of the request: the argument
  std::string_view placeholder{};  // for the argument in --help
  std::string_view needs{};        // the argument in words, for who leaves it out
  std::string_view help{};         // what it does
  std::string_view shows{};        // member of the reply that `veneer ctl` prints
  bool ends_guest = false;
  // With one, `run` is null: see Streams.
  ControlStream stream = ControlStream::kNone;
  void (*run)(GuestControl& guest, const ControlArgument& argument, Answer answer) = nullptr;
};

// In the order of --help.
std::span<const ControlCommand> ControlCommands();
// nullptr if there is none of that name.
const ControlCommand* FindControlCommand(std::string_view name);

}  // namespace veneer
