// Carries stdin to the guest, no faster than the guest reads.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "veneer/vmm/base/event_loop.h"

namespace veneer {

// On the loop's thread. Works with terminals, pipes, plain files and endless devices.
class ConsoleInput {
 public:
  // Takes bytes for the guest and returns how many it could take.
  using Sink = std::function<std::size_t(std::span<const std::byte>)>;
  // What to do with raw input before the guest gets it.
  using Filter = std::function<std::vector<std::byte>(std::span<const std::byte>)>;

  // `on_end`: everything has been read and handed on, and nothing more will come; may be null.
  ConsoleInput(EventLoop& loop, int fd, Sink sink, Filter filter,
               std::function<void()> on_end = nullptr);
  ConsoleInput(const ConsoleInput&) = delete;
  ConsoleInput& operator=(const ConsoleInput&) = delete;
  ~ConsoleInput();

  void Start();
  // The sink may take more.
  void OnRoom();

 private:
  void Watch(bool watch);
  void ReadSome();
  // For what cannot be polled and is always ready, such as plain files and /dev/zero: one piece a
  // round, between the loop's other work.
  void ReadLater();

  EventLoop& loop_;
  const int fd_;
  const Sink sink_;
  const Filter filter_;
  const std::function<void()> on_end_;
  std::vector<std::byte> waiting_;  // at most one read's worth
  bool watched_ = false;
  bool pollable_ = true;
  bool ended_ = false;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what is posted
};

}  // namespace veneer
