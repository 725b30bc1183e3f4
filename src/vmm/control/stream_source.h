// What a client of a stream gets, and what becomes of what it sends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace veneer {

// Keeps a bounded part of the past for all clients together; each only has its place in it. On the
// loop's thread.
class StreamSource {
 public:
  virtual ~StreamSource() = default;

  // Where a new client begins: at the oldest that is kept.
  virtual std::uint64_t Oldest() = 0;
  // About `most` bytes of what comes at `position`, which moves on; empty: nothing new. What is no
  // longer there is counted, and told in the text.
  virtual std::string Next(std::uint64_t& position, std::size_t most) = 0;
  // Takes what the client that may write has sent, and returns how many bytes it could.
  virtual std::size_t Input(std::span<const std::byte> text) = 0;
  // The client that may write has come, or sends no more.
  virtual void SetWriter(bool present) = 0;
};

}  // namespace veneer
