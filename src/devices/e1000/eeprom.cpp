#include "eeprom.h"

namespace veneer {
namespace {

// EECD.
constexpr std::uint32_t kClock = 0x01;
constexpr std::uint32_t kSelect = 0x02;
constexpr std::uint32_t kDataIn = 0x04;
constexpr std::uint32_t kDataOut = 0x08;
constexpr std::uint32_t kRequest = 0x40;
constexpr std::uint32_t kGrant = 0x80;
constexpr std::uint32_t kPresent = 0x100;
constexpr std::uint32_t kWritable = kClock | kSelect | kDataIn | kRequest;

// A start bit, two of operation code and six of address.
constexpr unsigned kCommandBits = 9;
constexpr std::uint32_t kRead = 0x6;  // with the start bit
constexpr unsigned kAddressBits = 6;

// EERD.
constexpr std::uint32_t kStart = 0x01;
constexpr std::uint32_t kDone = 0x10;

constexpr std::uint16_t kChecksum = 0xbaba;  // the sum of all words

}  // namespace

E1000Eeprom::E1000Eeprom(const MacAddress& mac) {
  for (unsigned i = 0; i < 3; ++i) {
    words_[i] = static_cast<std::uint16_t>(mac.bytes[2 * i] | mac.bytes[2 * i + 1] << 8U);
  }
  words_[0x0a] = 0x4408;  // initialization control 1: its signature
  words_[0x0b] = 0x001e;  // subsystem and its vendor
  words_[0x0c] = 0x8086;
  words_[0x0d] = 0x100e;  // device and vendor
  words_[0x0e] = 0x8086;
  words_[0x0f] = 0x3040;  // initialization control 2
  std::uint16_t sum = 0;
  for (const std::uint16_t word : words_) {
    sum = static_cast<std::uint16_t>(sum + word);
  }
  words_[kWords - 1] = static_cast<std::uint16_t>(kChecksum - sum);
}

std::uint32_t E1000Eeprom::ReadControl() const {
  std::uint32_t value = lines_ | kPresent;
  if ((lines_ & kRequest) != 0) {
    value |= kGrant;
  }
  const std::uint16_t now = word(bit_out_ / 16);
  const bool bit = (now >> (15U - bit_out_ % 16)) & 1U;
  // High when nothing is driven: the guest takes that for ready.
  return value | (!reading_ || bit ? kDataOut : 0);
}

void E1000Eeprom::WriteControl(std::uint32_t value) {
  const std::uint32_t before = lines_;
  lines_ = value & kWritable;
  if ((lines_ & kSelect) == 0) {
    shifted_in_ = 0;
    bits_in_ = 0;
    reading_ = false;
    return;
  }
  if (((before ^ lines_) & kClock) == 0) {
    return;
  }
  if ((lines_ & kClock) == 0) {
    if (reading_) {
      bit_out_ = (bit_out_ + 1) % (kWords * 16);
    }
    return;
  }
  if (reading_) {
    return;
  }
  shifted_in_ = shifted_in_ << 1U | ((lines_ & kDataIn) != 0 ? 1 : 0);
  // Zeros before the start bit are none of the command's.
  bits_in_ += bits_in_ > 0 || shifted_in_ != 0 ? 1 : 0;
  if (bits_in_ == kCommandBits) {
    reading_ = shifted_in_ >> kAddressBits == kRead;
    const std::uint32_t address = shifted_in_ & (kWords - 1);
    // The falling edge brings the first bit.
    bit_out_ = (address * 16 + kWords * 16 - 1) % (kWords * 16);
    shifted_in_ = 0;
    bits_in_ = 0;
  }
}

std::uint32_t E1000Eeprom::ReadWord(std::uint32_t request) const {
  if ((request & kStart) == 0) {
    return request;
  }
  const std::uint32_t address = request >> 8U & 0xffU;
  return std::uint32_t{word(address)} << 16U | (request & 0xff00U) | kDone;
}

}  // namespace veneer
