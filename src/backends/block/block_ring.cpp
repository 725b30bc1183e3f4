#include "block_ring.h"

#include <cstring>
#include <utility>

// clang-format off: it uses the fixed-width integers without asking for them
#include <xen/io/protocols.h>
// clang-format on

namespace veneer {
namespace {

// Where the fields are. 32-bit compilers align 64-bit fields to 4 bytes.
struct Layout {
  std::size_t id;
  std::size_t sector;
  std::size_t segments;
  std::size_t indirect_pages;
  std::size_t discard_sectors;
};
constexpr Layout k64{.id = offsetof(blkif_request, id),
                     .sector = offsetof(blkif_request, sector_number),
                     .segments = offsetof(blkif_request, seg),
                     .indirect_pages = offsetof(blkif_request_indirect, indirect_grefs),
                     .discard_sectors = offsetof(blkif_request_discard, nr_sectors)};
constexpr Layout k32{
    .id = 4, .sector = 12, .segments = 20, .indirect_pages = 24, .discard_sectors = 20};
static_assert(k64.id == offsetof(blkif_request_indirect, id) &&
              k64.id == offsetof(blkif_request_discard, id));
static_assert(k64.sector == offsetof(blkif_request_indirect, sector_number) &&
              k64.sector == offsetof(blkif_request_discard, sector_number));
constexpr std::size_t kSegmentCount = offsetof(blkif_request, nr_segments);            // 8 bits
constexpr std::size_t kIndirectCount = offsetof(blkif_request_indirect, nr_segments);  // 16 bits

template <typename T>
T Field(std::span<const std::byte> entry, std::size_t offset) {
  T value;
  std::memcpy(&value, entry.subspan(offset, sizeof(T)).data(), sizeof(T));
  return value;
}

BlockRequest Decode(std::span<const std::byte> entry, const Layout& layout) {
  BlockRequest request;
  request.operation = Field<std::uint8_t>(entry, 0);
  request.id = Field<std::uint64_t>(entry, layout.id);
  request.sector = Field<std::uint64_t>(entry, layout.sector);
  switch (request.operation) {
    case BLKIF_OP_INDIRECT:
      request.indirect_operation =
          Field<std::uint8_t>(entry, offsetof(blkif_request_indirect, indirect_op));
      request.segment_count = Field<std::uint16_t>(entry, kIndirectCount);
      request.indirect_pages =
          Field<decltype(request.indirect_pages)>(entry, layout.indirect_pages);
      break;
    case BLKIF_OP_DISCARD:
      request.discard_sectors = Field<std::uint64_t>(entry, layout.discard_sectors);
      break;
    default:
      request.segment_count = Field<std::uint8_t>(entry, kSegmentCount);
      request.segments = Field<decltype(request.segments)>(entry, layout.segments);
      break;
  }
  return request;
}

}  // namespace

std::optional<BlockProtocol> ParseBlockProtocol(std::string_view text) {
  if (text == XEN_IO_PROTO_ABI_X86_64) {
    return BlockProtocol::k64;
  }
  if (text == XEN_IO_PROTO_ABI_X86_32) {
    return BlockProtocol::k32;
  }
  return std::nullopt;
}

BlockRing::BlockRing(BlockProtocol protocol, std::vector<std::span<std::byte>> pages)
    : ring_(protocol == BlockProtocol::k64
                ? std::variant<Ring64, Ring32>(std::in_place_type<Ring64>, std::move(pages))
                : std::variant<Ring64, Ring32>(std::in_place_type<Ring32>, std::move(pages))) {}

RingTake BlockRing::Take(BlockRequest& request) {
  const auto take = [&request](auto& ring, auto& entry, const Layout& layout) {
    const RingTake taken = ring.Take(entry);
    if (taken == RingTake::kRequest) {
      request = Decode(entry.bytes, layout);
    }
    return taken;
  };
  if (auto* const ring = std::get_if<Ring64>(&ring_)) {
    Entry<sizeof(blkif_request)> entry;
    return take(*ring, entry, k64);
  }
  Entry<kRequestBytes32> entry;
  return take(std::get<Ring32>(ring_), entry, k32);
}

void BlockRing::Put(std::uint64_t id, std::uint8_t operation, std::int16_t status) {
  if (auto* const ring = std::get_if<Ring64>(&ring_)) {
    ring->Put({.id = id, .operation = operation, .status = status});
    return;
  }
  std::get<Ring32>(ring_).Put({.id_low = static_cast<std::uint32_t>(id),
                               .id_high = static_cast<std::uint32_t>(id >> 32U),
                               .operation = operation,
                               .status = status});
}

bool BlockRing::Publish() {
  return std::visit([](auto& ring) { return ring.Publish(); }, ring_);
}

bool BlockRing::AskForEvent(std::uint32_t requests) {
  return std::visit([requests](auto& ring) { return ring.AskForEvent(requests); }, ring_);
}

std::uint32_t BlockRing::size() const {
  return std::visit([](const auto& ring) { return ring.size(); }, ring_);
}

std::uint32_t BlockRing::unpublished() const {
  return std::visit([](const auto& ring) { return ring.unpublished(); }, ring_);
}

std::string BlockRing::Report() {
  return std::visit([](auto& ring) { return ring.Report(); }, ring_);
}

}  // namespace veneer
