// The two byte rings in the page shared with the guest (struct xenstore_domain_interface). Indices
// are free-running and hostile: each look takes one copy and checks it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "veneer/vmm/memory/gpa.h"

namespace veneer {

class RingPage {
 public:
  explicit RingPage(std::span<std::byte, kPageSize> page) : page_(page) {}

  // Tells the guest what the server can do; the rings stay as they are.
  void Offer();
  // Empties both rings and clears the connection and error words.
  void Clear();
  void SetError(std::uint32_t error);
  bool ReconnectRequested() const;

  // A copy of what waits in the request ring; nothing if its indices make no sense.
  std::optional<std::vector<std::byte>> Requests() const;
  // `count` bytes of the requests have been taken.
  void Take(std::size_t count);

  // Appends as much of `bytes` as there is room for to the response ring and returns how much;
  // nothing if its indices make no sense.
  std::optional<std::size_t> Put(std::span<const std::byte> bytes);

 private:
  std::span<std::byte, kPageSize> page_;
};

}  // namespace veneer
