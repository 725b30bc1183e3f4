// Block requests and responses as they lie in a ring, in the layouts of 64-bit and of 32-bit
// guests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "veneer/backends/bus/back_ring.h"
#include "veneer/xencompat/abi/xen_headers.h"

// clang-format off: only after the wrapped headers above
#include <xen/io/blkif.h>
// clang-format on

namespace veneer {

// A request as the guest wrote it, copied and not yet checked: every field may hold anything.
struct BlockRequest {
  std::uint8_t operation = 0;
  std::uint8_t indirect_operation = 0;  // BLKIF_OP_INDIRECT only
  std::uint32_t segment_count = 0;
  std::uint64_t id = 0;
  std::uint64_t sector = 0;
  std::uint64_t discard_sectors = 0;  // BLKIF_OP_DISCARD only
  std::array<blkif_request_segment, BLKIF_MAX_SEGMENTS_PER_REQUEST> segments{};
  std::array<std::uint32_t, BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST> indirect_pages{};

  // What the response repeats: for an indirect request the operation inside it.
  std::uint8_t AnsweredOperation() const {
    return operation == BLKIF_OP_INDIRECT ? indirect_operation : operation;
  }
};

enum class BlockProtocol { k64, k32 };
// The front-end's "protocol" key; nothing for one we do not know.
std::optional<BlockProtocol> ParseBlockProtocol(std::string_view text);

// Belongs to the thread that serves it.
class BlockRing {
 public:
  // `pages`: see RingMemory.
  BlockRing(BlockProtocol protocol, std::vector<std::span<std::byte>> pages);

  RingTake Take(BlockRequest& request);
  // `status`: BLKIF_RSP_*.
  void Put(std::uint64_t id, std::uint8_t operation, std::int16_t status);
  bool Publish();
  bool AskForEvent(std::uint32_t requests);
  std::uint32_t size() const;
  std::uint32_t unpublished() const;
  std::string Report();

 private:
  template <std::size_t kSize>
  struct Entry {
    std::array<std::byte, kSize> bytes;
  };
  struct Response64 {
    std::uint64_t id = 0;
    std::uint8_t operation = 0;
    std::uint8_t zero = 0;
    std::int16_t status = 0;
    std::uint32_t zeros = 0;
  };
  struct Response32 {
    std::uint32_t id_low = 0;
    std::uint32_t id_high = 0;
    std::uint8_t operation = 0;
    std::uint8_t zero = 0;
    std::int16_t status = 0;
  };
  static_assert(sizeof(Response64) == sizeof(blkif_response));

  using Ring64 = BackRing<Entry<sizeof(blkif_request)>, Response64>;
  static constexpr std::size_t kRequestBytes32 = 108;  // blkif_request as a 32-bit guest has it
  using Ring32 = BackRing<Entry<kRequestBytes32>, Response32>;
  std::variant<Ring64, Ring32> ring_;
};

}  // namespace veneer
