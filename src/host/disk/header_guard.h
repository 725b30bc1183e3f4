// Keeps a guest from making an image of another format out of its raw disk.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace veneer {

// For a disk whose format was found by looking, which whoever opens it next will do again: then a
// header that the guest has written would choose the parser, and with a backing file any file of
// the host's. Thread-safe.
class HeaderGuard {
 public:
  explicit HeaderGuard(std::string disk) : disk_(std::move(disk)) {}

  // Whether the disk may begin with these bytes; the first that may not are worth a line in the
  // log.
  bool Allows(std::span<const std::byte> start);

 private:
  const std::string disk_;  // what the log calls it
  std::atomic<bool> told_{false};
};

}  // namespace veneer
