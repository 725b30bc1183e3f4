#include "veneer/devices/pc/i8042.h"

namespace veneer {
namespace {

// Status register.
constexpr std::uint8_t kOutputFull = 0x01;
constexpr std::uint8_t kSystemFlag = 0x04;
constexpr std::uint8_t kLastWasCommand = 0x08;
constexpr std::uint8_t kKeyboardUnlocked = 0x10;

// Command byte: both ports' clocks held, no interrupts, self test passed.
constexpr std::uint8_t kCommandByteAtReset = 0x34;

// Commands.
constexpr std::uint8_t kReadCommandByte = 0x20;
constexpr std::uint8_t kWriteCommandByte = 0x60;
constexpr std::uint8_t kTestAuxiliary = 0xa9;
constexpr std::uint8_t kSelfTest = 0xaa;
constexpr std::uint8_t kTestKeyboard = 0xab;
constexpr std::uint8_t kReadOutputPort = 0xd0;
constexpr std::uint8_t kWriteOutputPort = 0xd1;
constexpr std::uint8_t kWriteKeyboardOutput = 0xd2;
constexpr std::uint8_t kWriteAuxiliaryOutput = 0xd3;
constexpr std::uint8_t kWriteAuxiliary = 0xd4;
// 0xf0 to 0xff pulse the output lines whose bits are zero; line 0 is the CPU's reset.
constexpr std::uint8_t kPulseMask = 0xf0;
constexpr std::uint8_t kResetLine = 0x01;

constexpr std::uint8_t kSelfTestPassed = 0x55;
constexpr std::uint8_t kClockLineStuckLow = 0x01;  // what a port test says without a device
constexpr std::uint8_t kOutputPortAtReset = 0x03;  // reset line high, A20 open

}  // namespace

I8042::I8042(PowerControl& power)
    : power_(power),
      data_window_([this](std::uint64_t, unsigned) -> std::uint64_t { return ReadData(); },
                   [this](std::uint64_t, unsigned, std::uint64_t v) {
                     WriteData(static_cast<std::uint8_t>(v));
                   }),
      command_window_([this](std::uint64_t, unsigned) -> std::uint64_t { return ReadStatus(); },
                      [this](std::uint64_t, unsigned, std::uint64_t v) {
                        WriteCommand(static_cast<std::uint8_t>(v));
                      }),
      command_byte_(kCommandByteAtReset) {}

Result<void> I8042::Attach(Bus& ports) {
  VENEER_TRY(ports.Attach(kDataPort, 1, data_window_));
  return ports.Attach(kCommandPort, 1, command_window_);
}

std::uint8_t I8042::ReadData() {
  const MutexLock lock(mutex_);
  output_full_ = false;
  return output_;
}

std::uint8_t I8042::ReadStatus() {
  const MutexLock lock(mutex_);
  unsigned status = kSystemFlag | kKeyboardUnlocked;
  if (output_full_) {
    status |= kOutputFull;
  }
  if (last_was_command_) {
    status |= kLastWasCommand;
  }
  return static_cast<std::uint8_t>(status);
}

void I8042::Reply(std::uint8_t value) {
  output_ = value;
  output_full_ = true;
}

void I8042::WriteData(std::uint8_t value) {
  bool reset = false;
  {
    const MutexLock lock(mutex_);
    last_was_command_ = false;
    switch (awaiting_data_for_) {
      case kWriteCommandByte:
        command_byte_ = value;
        break;
      case kWriteOutputPort:
        reset = (value & kResetLine) == 0;
        break;
      case kWriteKeyboardOutput:
      case kWriteAuxiliaryOutput:
        // Comes back as if the keyboard had sent it, for the auxiliary port too: a probe for a
        // mouse sees at once that the byte did not take the way it expects.
        Reply(value);
        break;
      default:
        break;  // to a keyboard or mouse that is not there
    }
    awaiting_data_for_ = 0;
  }
  if (reset) {
    power_.Reset();
  }
}

void I8042::WriteCommand(std::uint8_t value) {
  bool reset = false;
  {
    const MutexLock lock(mutex_);
    last_was_command_ = true;
    awaiting_data_for_ = 0;
    switch (value) {
      case kReadCommandByte:
        Reply(command_byte_);
        break;
      case kSelfTest:
        Reply(kSelfTestPassed);
        break;
      case kTestAuxiliary:
      case kTestKeyboard:
        Reply(kClockLineStuckLow);
        break;
      case kReadOutputPort:
        Reply(kOutputPortAtReset);
        break;
      case kWriteCommandByte:
      case kWriteOutputPort:
      case kWriteKeyboardOutput:
      case kWriteAuxiliaryOutput:
      case kWriteAuxiliary:
        awaiting_data_for_ = value;
        break;
      default:
        reset = (value & kPulseMask) == kPulseMask && (value & kResetLine) == 0;
        break;
    }
  }
  if (reset) {
    power_.Reset();
  }
}

}  // namespace veneer
