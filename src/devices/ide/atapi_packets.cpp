// What packet commands answer, other than the disc's content.
#include <algorithm>
#include <array>

#include "atapi.h"
#include "atapi_cdrom.h"

namespace veneer {
namespace {

// Builds a reply from zeros, high bytes first.
class ReplyWriter {
 public:
  ReplyWriter(std::span<std::byte> buffer) : buffer_(buffer) {
    std::ranges::fill(buffer_, std::byte{0});
  }
  void Put8(std::size_t at, unsigned value) { buffer_[at] = static_cast<std::byte>(value); }
  void Put16(std::size_t at, unsigned value) {
    Put8(at, value >> 8U);
    Put8(at + 1, value);
  }
  void Put32(std::size_t at, std::uint32_t value) {
    Put16(at, value >> 16U);
    Put16(at + 2, value);
  }
  // Padded with blanks.
  void Text(std::size_t at, std::size_t length, std::string_view text) {
    for (std::size_t i = 0; i < length; ++i) {
      Put8(at + i, static_cast<unsigned char>(i < text.size() ? text[i] : ' '));
    }
  }

 private:
  std::span<std::byte> buffer_;
};

constexpr std::uint8_t kCdromType = 0x05;
constexpr std::uint8_t kRemovable = 0x80;
constexpr std::uint16_t kCdromProfile = 0x0008;
constexpr std::uint8_t kDataTrack = 0x14;  // a track of data that may not be copied
constexpr std::uint8_t kLeadOut = 0xaa;

// Minutes, seconds and frames of a block, as they stand on the disc.
std::uint32_t AsTime(std::uint32_t block) {
  constexpr std::uint32_t kPregap = 150;
  constexpr std::uint32_t kFrames = 75;
  constexpr std::uint32_t kSeconds = 60;
  constexpr std::uint32_t kMostMinutes = 255;
  const std::uint64_t frames = std::uint64_t{block} + kPregap;
  const auto minutes = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(frames / (kFrames * kSeconds), kMostMinutes));
  return minutes << 16U | static_cast<std::uint32_t>(frames / kFrames % kSeconds) << 8U |
         static_cast<std::uint32_t>(frames % kFrames);
}

}  // namespace

const std::array<AtapiCdrom::Operation, 17> AtapiCdrom::kOperations{{
    {atapi::kTestUnitReady, &AtapiCdrom::TestUnitReady},
    {atapi::kRequestSense, &AtapiCdrom::RequestSense},
    {atapi::kInquiry, &AtapiCdrom::Inquiry},
    {atapi::kStartStop, &AtapiCdrom::Nothing},
    {atapi::kPreventAllow, &AtapiCdrom::Nothing},
    {atapi::kReadCapacity, &AtapiCdrom::ReadCapacity},
    {atapi::kRead10, &AtapiCdrom::Read},
    {atapi::kSeek10, &AtapiCdrom::Nothing},
    {atapi::kSynchronizeCache, &AtapiCdrom::Nothing},
    {atapi::kReadToc, &AtapiCdrom::ReadToc},
    {atapi::kGetConfiguration, &AtapiCdrom::GetConfiguration},
    {atapi::kGetEventStatus, &AtapiCdrom::GetEventStatus},
    {atapi::kReadDiscInformation, &AtapiCdrom::ReadDiscInformation},
    {atapi::kModeSense10, &AtapiCdrom::ModeSense},
    {atapi::kRead12, &AtapiCdrom::Read},
    {atapi::kSetSpeed, &AtapiCdrom::Nothing},
    {atapi::kMechanismStatus, &AtapiCdrom::MechanismStatus},
}};

void AtapiCdrom::Nothing(const Packet&) { FinishPacket(); }

void AtapiCdrom::TestUnitReady(const Packet&) { FinishPacket(); }

void AtapiCdrom::RequestSense(const Packet& packet) {
  constexpr std::size_t kLength = 18;
  constexpr std::uint8_t kCurrentFixed = 0x70;
  ReplyWriter reply(cable_.Buffer(kLength));
  reply.Put8(0, kCurrentFixed);
  reply.Put8(2, sense_.key);
  reply.Put8(7, kLength - 8);
  reply.Put8(12, sense_.code);
  reply.Put8(13, sense_.qualifier);
  sense_ = Sense{};
  Reply(kLength, packet[4]);
}

void AtapiCdrom::Inquiry(const Packet& packet) {
  constexpr std::size_t kLength = 36;
  if ((packet[1] & 0x03U) != 0) {  // pages of vital product data
    FailPacket({atapi::kIllegalRequest, atapi::kInvalidField});
    return;
  }
  ReplyWriter reply(cable_.Buffer(kLength));
  reply.Put8(0, kCdromType);
  reply.Put8(1, kRemovable);
  reply.Put8(2, 0x05);  // SPC-3
  reply.Put8(3, 0x02);  // the reply's format
  reply.Put8(4, kLength - 5);
  reply.Text(8, 8, "VENEER");
  reply.Text(16, 16, "CD-ROM");
  reply.Text(32, 4, kFirmware);
  Reply(kLength, atapi::Get16(packet, 3));
}

void AtapiCdrom::ModeSense(const Packet& packet) {
  constexpr std::size_t kHeader = 8;
  constexpr std::uint8_t kErrorRecovery = 0x01;
  constexpr std::uint8_t kCapabilities = 0x2a;
  constexpr std::uint8_t kAll = 0x3f;
  constexpr std::uint8_t kErrorRecoveryLength = 8;
  constexpr std::uint8_t kCapabilitiesLength = 20;
  const unsigned page = packet[2] & 0x3fU;
  const bool saved = packet[2] >> 6U == 3;
  if (saved || (page != kErrorRecovery && page != kCapabilities && page != kAll)) {
    FailPacket({atapi::kIllegalRequest, atapi::kInvalidField});
    return;
  }
  ReplyWriter reply(cable_.Buffer(kHeader + kErrorRecoveryLength + kCapabilitiesLength));
  std::size_t at = kHeader;
  if (page == kErrorRecovery || page == kAll) {
    reply.Put8(at, kErrorRecovery);
    reply.Put8(at + 1, kErrorRecoveryLength - 2);
    reply.Put8(at + 3, 5);  // retries
    at += kErrorRecoveryLength;
  }
  if (page == kCapabilities || page == kAll) {
    constexpr unsigned kSpeed = 706;  // KB/s, four times that of sound
    reply.Put8(at, kCapabilities);
    reply.Put8(at + 1, kCapabilitiesLength - 2);
    reply.Put8(at + 4, 0x71);  // plays sound, several sessions, both forms of mode 2
    reply.Put8(at + 6, 0x21);  // a tray that can be locked
    reply.Put16(at + 8, kSpeed);
    reply.Put16(at + 14, kSpeed);
    at += kCapabilitiesLength;
  }
  reply.Put16(0, static_cast<unsigned>(at - 2));
  reply.Put8(2, 0x01);  // a data disc
  Reply(at, atapi::Get16(packet, 7));
}

void AtapiCdrom::ReadCapacity(const Packet&) {
  constexpr std::size_t kLength = 8;
  ReplyWriter reply(cable_.Buffer(kLength));
  const std::uint32_t blocks = Blocks();
  reply.Put32(0, blocks == 0 ? 0 : blocks - 1);
  reply.Put32(4, kBlockBytes);
  Reply(kLength, kLength);
}

void AtapiCdrom::ReadToc(const Packet& packet) {
  constexpr std::size_t kHeader = 4;
  constexpr std::size_t kDescriptor = 8;
  const bool as_time = (packet[1] & 0x02U) != 0;
  // The format has moved from the last byte to the third.
  const unsigned format = (packet[2] & 0x0fU) != 0 ? packet[2] & 0x0fU : packet[9] >> 6U;
  const std::uint8_t first = packet[6];
  const auto address = [&](std::uint32_t block) { return as_time ? AsTime(block) : block; };
  ReplyWriter reply(cable_.Buffer(kHeader + 2 * kDescriptor));
  std::size_t length = kHeader;
  const auto track = [&](std::uint8_t number, std::uint32_t block) {
    reply.Put8(length + 1, kDataTrack);
    reply.Put8(length + 2, number);
    reply.Put32(length + 4, address(block));
    length += kDescriptor;
  };
  if (format == 0 && (first <= 1 || first == kLeadOut)) {
    if (first <= 1) {
      track(1, 0);
    }
    track(kLeadOut, Blocks());
  } else if (format == 1) {  // sessions
    track(1, 0);
  } else {
    FailPacket({atapi::kIllegalRequest, atapi::kInvalidField});
    return;
  }
  reply.Put16(0, static_cast<unsigned>(length - 2));
  reply.Put8(2, 1);  // the first track or session, and the last
  reply.Put8(3, 1);
  Reply(length, atapi::Get16(packet, 7));
}

void AtapiCdrom::GetConfiguration(const Packet& packet) {
  constexpr std::size_t kHeader = 8;
  constexpr std::size_t kProfileList = 8;
  ReplyWriter reply(cable_.Buffer(kHeader + kProfileList));
  std::size_t length = kHeader;
  const bool only_asked = (packet[1] & 0x03U) == 2;
  const unsigned asked = atapi::Get16(packet, 2);
  if (asked == 0 || !only_asked) {
    reply.Put8(length + 2, 0x03);  // always so, and now
    reply.Put8(length + 3, kProfileList - 4);
    reply.Put16(length + 4, kCdromProfile);
    reply.Put8(length + 6, 0x01);
    length += kProfileList;
  }
  reply.Put32(0, static_cast<std::uint32_t>(length - 4));
  reply.Put16(6, kCdromProfile);
  Reply(length, atapi::Get16(packet, 7));
}

void AtapiCdrom::GetEventStatus(const Packet& packet) {
  constexpr std::uint8_t kMediaClass = 4;
  constexpr unsigned kMediaBit = 1U << kMediaClass;
  constexpr std::size_t kHeader = 4;
  constexpr std::size_t kLength = 8;
  if ((packet[1] & 0x01U) == 0) {  // to be told later is not offered
    FailPacket({atapi::kIllegalRequest, atapi::kInvalidField});
    return;
  }
  ReplyWriter reply(cable_.Buffer(kLength));
  reply.Put8(3, kMediaBit);
  if ((packet[4] & kMediaBit) == 0) {
    constexpr std::uint8_t kNoEvent = 0x80;
    reply.Put16(0, kHeader - 2);
    reply.Put8(2, kNoEvent);
    Reply(kHeader, atapi::Get16(packet, 7));
    return;
  }
  constexpr std::uint8_t kMediaPresent = 0x02;
  reply.Put16(0, kLength - 2);
  reply.Put8(2, kMediaClass);
  reply.Put8(5, kMediaPresent);
  Reply(kLength, atapi::Get16(packet, 7));
}

void AtapiCdrom::ReadDiscInformation(const Packet& packet) {
  constexpr std::size_t kLength = 34;
  ReplyWriter reply(cable_.Buffer(kLength));
  reply.Put16(0, kLength - 2);
  reply.Put8(2, 0x0e);  // complete, its last session too
  reply.Put8(3, 1);     // the first track, sessions, and the last session's tracks
  reply.Put8(4, 1);
  reply.Put8(5, 1);
  reply.Put8(6, 1);
  reply.Put8(7, 0x20);  // unrestricted use
  Reply(kLength, atapi::Get16(packet, 7));
}

void AtapiCdrom::MechanismStatus(const Packet& packet) {
  constexpr std::size_t kLength = 8;
  ReplyWriter reply(cable_.Buffer(kLength));
  reply.Put8(5, 1);  // slots
  Reply(kLength, atapi::Get16(packet, 8));
}

}  // namespace veneer
