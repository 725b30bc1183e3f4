// A question to several threads at once, for who cannot wait: the answers are collected until all
// have come, or for a while.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/mutex.h"

namespace veneer {

// Shared by whoever asks and all who have not answered. `loop` outlives it.
class Inquiry : public std::enable_shared_from_this<Inquiry> {
 public:
  // Gets all answers' lines in the order of asking. Called once, on the loop's thread.
  using Done = std::function<void(std::vector<std::string> lines)>;
  using Answer = std::function<void(std::string line)>;

  static std::shared_ptr<Inquiry> Begin(EventLoop& loop, Done done);

  // Asks `whom`, who calls what is returned at any time and on any thread; only the first call
  // counts. Whoever has not answered in time has a line that says so. Before End().
  Answer Ask(std::string whom);
  // Lines that are known already. Before End().
  void Add(std::vector<std::string> lines);
  // All have been asked; they have `limit_ns` from now on. On the loop's thread.
  void End(std::uint64_t limit_ns);

 private:
  struct Entry {
    std::string whom;
    std::string line;
    bool answered = false;
  };

  Inquiry(EventLoop& loop, Done done) : loop_(loop), done_(std::move(done)) {}
  void Take(std::size_t index, std::string line);
  void Finish();

  EventLoop& loop_;
  Done done_;                     // null when it has been called
  EventLoop::TimerId timer_ = 0;  // 0: none
  Mutex mutex_;
  std::vector<Entry> entries_ GUARDED_BY(mutex_);
  std::size_t unanswered_ GUARDED_BY(mutex_) = 0;
  bool ended_ GUARDED_BY(mutex_) = false;
};

}  // namespace veneer
