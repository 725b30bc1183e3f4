// Bounds what libslirp keeps of TCP segments that came out of their order: it holds each, with some
// kilobytes around it, until those before it have come, and has no limit of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>

namespace veneer {

// Of one network, over all its connections. Tells what libslirp has kept by its acknowledgements,
// which it sends before it returns. One thread at a time.
class HeldSegments {
 public:
  // Beyond that a connection which already has some held gets what fills its gap only, bytes.
  static constexpr std::size_t kMostBytes = std::size_t{24} << 20U;
  // What a segment takes beside its frame, at most, bytes.
  static constexpr std::size_t kOverhead = 8192;
  // Connections that it is known to keep some of; with more, only what comes in order is let in.
  static constexpr std::size_t kMostFlows = 8192;

  // Before libslirp gets a frame of the guest's: whether it may.
  bool Admits(std::span<const std::byte> frame);
  // It has returned from that. `closed`: it has closed a socket meanwhile.
  void Taken(bool closed);
  // It has sent a frame to the guest, at any time.
  void Sent(std::span<const std::byte> frame);
  // It has no connection any more.
  void Clear();

  std::size_t bytes() const { return bytes_; }

 private:
  // Both addresses and ports, the guest's first, and the version of IP.
  using Flow = std::array<std::byte, 37>;
  struct Segment {
    Flow flow{};
    std::uint32_t sequence = 0;
    std::uint32_t end = 0;  // the number after its last
    std::uint32_t acknowledged = 0;
    unsigned flags = 0;
    std::size_t cost = 0;
  };
  struct Held {
    std::optional<std::uint32_t> acknowledged;  // the next that libslirp waits for, once it said so
    std::uint32_t end = 0;                      // of all that is held
    std::size_t bytes = 0;
  };
  using Flows = std::map<Flow, Held>;

  static std::optional<Segment> Read(std::span<const std::byte> frame, bool from_guest);
  void Forget(Flows::iterator it);

  Flows held_;
  std::size_t bytes_ = 0;
  std::optional<Segment> taken_;               // what libslirp is at
  std::optional<std::uint32_t> acknowledged_;  // what it has said of that connection meanwhile
  bool refused_ = false;                       // that there is no such connection
};

}  // namespace veneer
