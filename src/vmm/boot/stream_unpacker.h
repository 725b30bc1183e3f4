// What the streaming decompression libraries have in common: windows on input and output that a
// step of the decoder moves forward.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "unpacker.h"

namespace veneer {

class StreamUnpacker : public Unpacker {
 public:
  Result<std::size_t> Read(std::span<std::byte> out) final;

 protected:
  struct Windows {
    std::span<const std::byte> in;  // not yet consumed
    std::span<std::byte> out;       // not yet filled
  };
  enum class Status { kMore, kEnd, kDamaged, kTooMuchMemory };

  StreamUnpacker(std::string_view format, const PackedRange& packed)
      : format_(format), packed_(packed) {}

  // Decodes from windows.in to windows.out and cuts off both what it has dealt with.
  virtual Status Step(Windows& windows) = 0;

 private:
  Result<void> Refill();

  std::string_view format_;  // for messages
  PackedRange packed_;       // not yet read
  std::vector<std::byte> buffer_;
  std::span<const std::byte> input_;  // the part of buffer_ not yet consumed
  bool ended_ = false;
};

}  // namespace veneer
