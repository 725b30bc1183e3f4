// Puts the fragments of IPv4 datagrams together (RFC 791) before libslirp sees them, which would
// hold each of them for half a minute without a limit of its own.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>

namespace veneer {

// Holds at most kMostDatagrams, of 64 KiB each; more push out the oldest. One thread.
class FragmentQueue {
 public:
  static constexpr std::size_t kMostDatagrams = 64;
  static constexpr std::uint64_t kLongestNs = 30'000'000'000;

  // Whether the frame carries part of a datagram only.
  static bool IsFragment(std::span<const std::byte> frame);

  // Takes a fragment. Returns the frame with the whole datagram when that was the last one missing;
  // it stays until the next call. `now_ns`: CLOCK_MONOTONIC.
  std::optional<std::span<const std::byte>> Take(std::span<const std::byte> frame,
                                                 std::uint64_t now_ns);
  // Datagrams given up: the frame was none, parts overlapped or never came, or there were too many.
  std::uint64_t dropped() const { return dropped_; }

 private:
  static constexpr std::size_t kUnit = 8;  // that offsets count in, bytes
  static constexpr std::size_t kMostUnits = 65536 / kUnit;

  struct Key {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    std::uint16_t id = 0;
    std::uint8_t protocol = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Datagram {
    Key key;
    std::uint64_t begun_ns = 0;
    std::unique_ptr<std::byte[]> bytes;  // the payload behind kRoomForHeaders
    std::size_t header_bytes = 0;        // Ethernet's and IP's; 0: the first fragment is missing
    std::bitset<kMostUnits> there;
    std::size_t units = 0;    // set in `there`
    std::size_t payload = 0;  // of the whole, bytes; 0: the last fragment is missing
    std::size_t reach = 0;    // where the farthest fragment ends
  };

  Datagram& Find(const Key& key, std::uint64_t now_ns);
  void Drop(const Datagram& datagram);

  std::list<Datagram> datagrams_;  // the oldest first
  Datagram whole_;                 // the last one given out
  std::uint64_t dropped_ = 0;
};

}  // namespace veneer
