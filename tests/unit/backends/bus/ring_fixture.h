// A back ring and its front-end over the same pages, which do not lie side by side.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "support/ring_front_end.h"
#include "veneer/backends/bus/back_ring.h"

namespace veneer {

// 112 bytes, as a block request: 32 fit into a page, and entries straddle pages.
struct TestRequest {
  std::uint64_t id = 0;
  std::array<std::uint8_t, 104> body{};
};
struct TestResponse {
  std::uint64_t id = 0;
  std::uint64_t status = 0;
};
using TestRing = BackRing<TestRequest, TestResponse>;
using TestFrontEnd = testing::RingFrontEnd<TestRequest, TestResponse>;

class RingPages {
 public:
  explicit RingPages(std::size_t pages)
      : memory_(std::move(*GuestMemory::CreateFlat((2 * pages + 1) * kPageSize))) {
    // From the last to the first, with a gap between.
    for (std::size_t i = 0; i < pages; ++i) {
      pages_.push_back(memory_->Pin(Gpa{(2 * (pages - i) - 1) * kPageSize}, kPageSize));
    }
  }
  const std::vector<std::span<std::byte>>& get() const { return pages_; }

 private:
  std::unique_ptr<GuestMemory> memory_;
  std::vector<std::span<std::byte>> pages_;
};

}  // namespace veneer
