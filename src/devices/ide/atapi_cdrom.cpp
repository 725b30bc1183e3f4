// The drive: ATA commands, packets and how their data is sent. What packets mean is in
// atapi_packets.cpp.
#include "atapi_cdrom.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "ata_disk.h"
#include "atapi.h"

namespace veneer {

AtapiCdrom::AtapiCdrom(IdeCable& cable, DiskImage& image, std::string serial)
    : cable_(cable), image_(image), serial_(std::move(serial)) {}

void AtapiCdrom::Reset() {
  mode_ = TransferMode{};
  sense_ = Sense{};
}

std::uint32_t AtapiCdrom::Blocks() const {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(
      image_.facts().bytes / kBlockBytes, std::numeric_limits<std::uint32_t>::max()));
}

void AtapiCdrom::Execute(std::uint8_t command) {
  switch (command) {
    case ata::kPacket:
      TakePacket();
      return;
    case ata::kIdentifyPacket:
      IdentifyCdrom(serial_, mode_, cable_.Buffer(ata::kSectorBytes));
      cable_.SendPort(ata::kSectorBytes, [this] { cable_.FinishQuietly(); });
      return;
    case ata::kIdentify:
    case ata::kReadSectors:
      // So that whoever takes it for a disk sees what it is.
      cable_.ShowSignature();
      cable_.Fail(ata::kAborted);
      return;
    case ata::kSetFeatures:
      SetFeatures();
      return;
    case ata::kIdleImmediate:
    case ata::kStandbyImmediate:
    case ata::kSleep:
    case ata::kFlush:
      cable_.Finish();
      return;
    case ata::kCheckPower:
      cable_.registers().now[ata::kCount] = 0xff;
      cable_.Finish();
      return;
    default:
      cable_.Fail(ata::kAborted);
      return;
  }
}

void AtapiCdrom::SetFeatures() {
  const TaskFile& registers = cable_.registers();
  if (registers.now[ata::kError] == ata::kSetTransferMode) {
    if (const std::optional<TransferMode> mode = WantedMode(registers.now[ata::kCount])) {
      mode_ = *mode;
      cable_.Finish();
      return;
    }
  }
  cable_.Fail(ata::kAborted);
}

void AtapiCdrom::TakePacket() {
  TaskFile& registers = cable_.registers();
  dma_ = (registers.now[ata::kError] & 1U) != 0;
  // The byte count that the guest allows for each chunk; an odd one, or none, is rounded to what
  // makes sense.
  const unsigned limit =
      registers.now[ata::kLbaMid] | static_cast<unsigned>(registers.now[ata::kLbaHigh]) << 8U;
  chunk_limit_ = limit < 2 ? 0xfffe : limit & 0xfffeU;
  registers.now[ata::kCount] = ata::kReasonCommand;
  cable_.ReceivePort(kPacketBytes, false, [this] { RunPacket(); });
}

void AtapiCdrom::RunPacket() {
  Packet packet{};
  std::memcpy(packet.data(), cable_.Buffer(kPacketBytes).data(), kPacketBytes);
  const auto row = std::ranges::find(kOperations, packet[0], &Operation::code);
  if (packet[0] != atapi::kRequestSense) {
    sense_ = Sense{};
  }
  if (row == kOperations.end()) {
    FailPacket({atapi::kIllegalRequest, atapi::kInvalidOperation});
    return;
  }
  (this->*row->run)(packet);
}

void AtapiCdrom::FailPacket(const Sense& sense) {
  sense_ = sense;
  cable_.registers().now[ata::kCount] = ata::kReasonCommand | ata::kReasonToHost;
  cable_.Fail(static_cast<std::uint8_t>(sense.key << 4U | ata::kAborted));
}

void AtapiCdrom::FinishPacket() {
  cable_.registers().now[ata::kCount] = ata::kReasonCommand | ata::kReasonToHost;
  cable_.Finish();
}

void AtapiCdrom::Reply(std::size_t bytes, std::size_t room) {
  blocks_left_ = 0;
  reply_position_ = 0;
  reply_end_ = std::min(bytes, room);
  if (reply_end_ == 0) {
    FinishPacket();
    return;
  }
  if (dma_) {
    cable_.AwaitDma(true, [this] {
      if (cable_.CopyDma(true, reply_end_)) {
        FinishPacket();
      }
    });
    return;
  }
  SendChunk();
}

void AtapiCdrom::SendChunk() {
  const std::size_t left = reply_end_ - reply_position_;
  if (left == 0) {
    blocks_left_ > 0 ? ReadNext() : FinishPacket();
    return;
  }
  const std::size_t bytes = std::min(left, chunk_limit_);
  // To the buffer's beginning, from where the guest reads; an odd byte is padded.
  const std::size_t padded = bytes + bytes % 2;
  const std::span<std::byte> buffer = cable_.Buffer(reply_end_ + 1);
  if (reply_position_ > 0) {
    std::memmove(buffer.data(), buffer.data() + reply_position_, left);
    reply_end_ = left;
    reply_position_ = 0;
  }
  if (padded > bytes) {
    buffer[bytes] = std::byte{0};
  }
  reply_position_ = bytes;
  TaskFile& registers = cable_.registers();
  registers.now[ata::kCount] = ata::kReasonToHost;
  registers.now[ata::kLbaMid] = static_cast<std::uint8_t>(bytes);
  registers.now[ata::kLbaHigh] = static_cast<std::uint8_t>(bytes >> 8U);
  cable_.SendPort(padded, [this] { SendChunk(); });
}

void AtapiCdrom::Read(const Packet& packet) {
  const bool long_form = packet[0] == atapi::kRead12;
  const std::uint32_t first = atapi::Get32(packet, 2);
  const std::uint32_t count = long_form ? atapi::Get32(packet, 6) : atapi::Get16(packet, 7);
  if (first > Blocks() || count > Blocks() - first) {
    FailPacket({atapi::kIllegalRequest, atapi::kAddressOutOfRange});
    return;
  }
  if (count == 0) {
    FinishPacket();
    return;
  }
  next_block_ = first;
  blocks_left_ = count;
  if (!dma_) {
    ReadNext();
    return;
  }
  cable_.AwaitDma(true, [this] {
    cable_.RunDma(
        DiskAction::kRead, next_block_ * kBlockBytes, blocks_left_ * kBlockBytes,
        [this](int error) {
          error != 0 ? FailPacket({atapi::kMediumError, atapi::kUnrecoveredRead}) : FinishPacket();
        });
  });
}

void AtapiCdrom::ReadNext() {
  constexpr std::uint64_t kMostBlocks = 16;
  const std::uint64_t blocks = std::min(blocks_left_, kMostBlocks);
  cable_.RunIo(DiskAction::kRead, next_block_ * kBlockBytes, blocks * kBlockBytes,
               [this, blocks](int error) {
                 if (error != 0) {
                   FailPacket({atapi::kMediumError, atapi::kUnrecoveredRead});
                   return;
                 }
                 next_block_ += blocks;
                 blocks_left_ -= blocks;
                 reply_position_ = 0;
                 reply_end_ = static_cast<std::size_t>(blocks * kBlockBytes);
                 SendChunk();
               });
}

}  // namespace veneer
