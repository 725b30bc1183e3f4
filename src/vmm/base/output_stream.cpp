#include "veneer/vmm/base/output_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "veneer/vmm/base/event_fd.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/thread.h"

namespace veneer {
namespace {

using SteadyClock = std::chrono::steady_clock;

// How text gets out without waiting.
enum class Way {
  kWrite,       // write() never waits: regular files, /dev/null and the like
  kSend,        // a socket
  kOwnFile,     // write() to an open file of our own that has O_NONBLOCK
  kThreadOnly,  // there is none
};

// Linux, Documentation/admin-guide/devices.txt: major and minor numbers.
constexpr unsigned kMemoryDevices = 1;  // null, zero, full
constexpr unsigned kTerminalDevices = 5;
constexpr unsigned kPtyMultiplexer = 2;

// A terminal that opening again gives again.
bool IsTerminal(int fd, const struct stat& status) {
  const bool multiplexer =
      major(status.st_rdev) == kTerminalDevices && minor(status.st_rdev) == kPtyMultiplexer;
  return isatty(fd) != 0 && !multiplexer;
}

Way FindWay(int fd, UniqueFd& own) {
  struct stat status {};
  if (fstat(fd, &status) != 0) {
    return Way::kThreadOnly;
  }
  if (S_ISREG(status.st_mode) ||
      (S_ISCHR(status.st_mode) && major(status.st_rdev) == kMemoryDevices)) {
    return Way::kWrite;
  }
  if (S_ISSOCK(status.st_mode)) {
    return Way::kSend;
  }
  if (S_ISFIFO(status.st_mode) || IsTerminal(fd, status)) {
    own.Reset(open(fmt::format("/proc/self/fd/{}", fd).c_str(),
                   O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  }
  return own.valid() ? Way::kOwnFile : Way::kThreadOnly;
}

}  // namespace

class OutputStream::Impl {
 public:
  Impl(OutputFile file, Limits limits, Result<EventFd> wake)
      : limits_(limits),
        file_(std::move(file)),
        way_(FindWay(file_.fd(), own_)),
        wake_(std::move(wake)) {}

  std::uint64_t Write(std::span<const std::byte> text, bool wait,
                      const std::shared_ptr<Impl>& self);
  std::uint64_t Flush(SteadyClock::time_point deadline);
  std::string Reason();
  void End();

 private:
  std::size_t Held() const REQUIRES(mutex_) { return kept_.size() + passing_; }
  std::size_t Room() const REQUIRES(mutex_) {
    return limits_.kept_bytes - std::min(limits_.kept_bytes, Held());
  }
  // Returns what has to wait.
  std::span<const std::byte> WriteNow(std::span<const std::byte> text) REQUIRES(mutex_);
  bool HasThread(const std::shared_ptr<Impl>& self) REQUIRES(mutex_);
  bool WaitForRoom(SteadyClock::time_point until) REQUIRES(mutex_);
  void Drop(std::size_t bytes, std::string why) REQUIRES(mutex_);

  // On the thread.
  void Run();
  void PassOn(std::span<const std::byte> text) REQUIRES(mutex_);
  // These two use the file without the lock: while there is a thread, it is always the same one.
  bool WaitUntilReady() const NO_THREAD_SAFETY_ANALYSIS;
  // As write(2).
  ssize_t Put(std::span<const std::byte> text) const NO_THREAD_SAFETY_ANALYSIS;

  const Limits limits_;
  Mutex mutex_;
  Condition changed_;
  OutputFile file_ GUARDED_BY(mutex_);
  UniqueFd own_;
  const Way way_;
  const Result<EventFd> wake_;  // ends the thread's wait for the receiver

  std::vector<std::byte> kept_ GUARDED_BY(mutex_);
  std::size_t passing_ GUARDED_BY(mutex_) = 0;  // in the thread's hands
  // What the thread has in its hands shall not go out any more.
  bool given_up_ GUARDED_BY(mutex_) = false;
  // Times the receiver has taken something from the thread, and whether it has done so since it was
  // last waited for.
  std::uint64_t moves_ GUARDED_BY(mutex_) = 0;
  bool stalled_ GUARDED_BY(mutex_) = false;
  std::uint64_t dropped_ GUARDED_BY(mutex_) = 0;
  std::string reason_ GUARDED_BY(mutex_);
  bool ending_ GUARDED_BY(mutex_) = false;
  bool ended_ GUARDED_BY(mutex_) = true;  // the thread, if there is one
  std::thread thread_ GUARDED_BY(mutex_);
};

std::uint64_t OutputStream::Impl::Write(std::span<const std::byte> text, bool wait,
                                        const std::shared_ptr<Impl>& self) {
  const MutexLock lock(mutex_);
  if (Held() == 0) {
    text = WriteNow(text);
  }
  const SteadyClock::time_point until =
      wait ? SteadyClock::now() + limits_.patience : SteadyClock::time_point();
  while (!text.empty() && HasThread(self)) {
    const std::span<const std::byte> part = text.first(std::min(text.size(), Room()));
    kept_.insert(kept_.end(), part.begin(), part.end());
    text = text.subspan(part.size());
    changed_.NotifyAll();
    if (text.empty() || !wait || !WaitForRoom(until)) {
      break;
    }
  }
  if (!text.empty()) {
    Drop(text.size(), "the receiver does not take it");
  }
  return std::exchange(dropped_, 0);
}

std::span<const std::byte> OutputStream::Impl::WriteNow(std::span<const std::byte> text) {
  // A new file is begun by the thread, which may open it whoever writes.
  if (way_ == Way::kThreadOnly || (text.size() > file_.room() && text.size() <= file_.largest())) {
    return text;
  }
  if (const Result<bool> room = file_.MakeRoom(text.size()); !room) {
    Drop(text.size(), room.error().message);
    return {};
  }
  while (!text.empty()) {
    const ssize_t count = Put(text);
    if (count >= 0) {
      text = text.subspan(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      return text;
    } else if (errno != EINTR) {
      Drop(text.size(), std::strerror(errno));
      return {};
    }
  }
  return {};
}

ssize_t OutputStream::Impl::Put(std::span<const std::byte> text) const {
  switch (way_) {
    case Way::kWrite:
      return write(file_.fd(), text.data(), text.size());
    case Way::kSend:
      return send(file_.fd(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    case Way::kOwnFile:
      return write(own_.get(), text.data(), text.size());
    case Way::kThreadOnly:
      break;
  }
  // Little at a time, so that it is known what the receiver has taken before it got stuck.
  constexpr std::size_t kAtOnce = 512;
  return write(file_.fd(), text.data(), std::min(text.size(), kAtOnce));
}

bool OutputStream::Impl::HasThread(const std::shared_ptr<Impl>& self) {
  if (ended_ && !ending_ && wake_) {
    Result<std::thread> thread =
        StartThread(ThreadKind::kOutput, "output", [self] { self->Run(); });
    if (thread) {
      thread_ = std::move(thread).value();
      ended_ = false;
    }
  }
  return !ended_;
}

bool OutputStream::Impl::WaitForRoom(SteadyClock::time_point until) {
  if (stalled_) {
    return false;
  }
  const std::uint64_t before = moves_;
  while (Room() == 0 && changed_.WaitUntil(mutex_, until)) {
  }
  stalled_ = moves_ == before;
  return Room() > 0;
}

void OutputStream::Impl::Drop(std::size_t bytes, std::string why) {
  dropped_ += bytes;
  reason_ = std::move(why);
}

void OutputStream::Impl::Run() {
  const MutexLock lock(mutex_);
  for (;;) {
    while (!ending_ && kept_.empty()) {
      changed_.Wait(mutex_);
    }
    if (ending_) {
      break;
    }
    const std::vector<std::byte> text = std::exchange(kept_, {});
    passing_ = text.size();
    given_up_ = false;
    PassOn(text);
  }
  ended_ = true;
  changed_.NotifyAll();
}

void OutputStream::Impl::PassOn(std::span<const std::byte> text) {
  while (!text.empty()) {
    const auto part = text.first(std::min<std::uint64_t>(text.size(), file_.largest()));
    if (const Result<bool> room = file_.MakeRoom(part.size()); !room) {
      Drop(std::exchange(passing_, 0), room.error().message);
      changed_.NotifyAll();
      return;
    }
    mutex_.Unlock();
    const bool ready = WaitUntilReady();
    const ssize_t count = ready ? Put(part) : 0;
    const int error = errno;
    mutex_.Lock();
    if (given_up_ || ending_) {
      return;
    }
    if (count < 0 && error != EAGAIN && error != EINTR) {
      Drop(std::exchange(passing_, 0), std::strerror(error));
      changed_.NotifyAll();
      return;
    }
    if (count > 0) {
      text = text.subspan(static_cast<std::size_t>(count));
      passing_ = text.size();
      ++moves_;
      stalled_ = false;
      changed_.NotifyAll();
    } else if (ready) {
      // Said to be ready, and then not: a moment's rest, lest the thread spins.
      changed_.WaitUntil(mutex_, SteadyClock::now() + std::chrono::milliseconds(10));
    }
  }
}

bool OutputStream::Impl::WaitUntilReady() const {
  std::array<pollfd, 2> files{
      {{own_.valid() ? own_.get() : file_.fd(), POLLOUT, 0}, {wake_->get(), POLLIN, 0}}};
  if (poll(files.data(), files.size(), -1) < 0) {
    return false;
  }
  if (files[1].revents != 0) {
    wake_->Drain();
  }
  return files[0].revents != 0;
}

std::uint64_t OutputStream::Impl::Flush(SteadyClock::time_point deadline) {
  const MutexLock lock(mutex_);
  while (Held() > 0 && changed_.WaitUntil(mutex_, deadline)) {
  }
  if (Held() > 0) {
    Drop(Held(), "the receiver does not take it");
    kept_.clear();
    passing_ = 0;
    given_up_ = true;
    wake_->Signal();
  }
  return std::exchange(dropped_, 0);
}

std::string OutputStream::Impl::Reason() {
  const MutexLock lock(mutex_);
  return reason_;
}

void OutputStream::Impl::End() {
  constexpr std::chrono::milliseconds kNotStuck{100};
  std::thread thread;
  bool ended = false;
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    changed_.NotifyAll();
    if (wake_) {
      wake_->Signal();
    }
    const SteadyClock::time_point deadline = SteadyClock::now() + kNotStuck;
    while (!ended_ && changed_.WaitUntil(mutex_, deadline)) {
    }
    ended = ended_;
    thread = std::move(thread_);
  }
  if (!thread.joinable()) {
    return;
  }
  if (ended) {
    thread.join();
  } else {
    thread.detach();
  }
}

OutputStream::OutputStream(OutputFile file, Limits limits)
    : impl_(std::make_shared<Impl>(std::move(file), limits, EventFd::Create())) {}

OutputStream::~OutputStream() { impl_->End(); }

std::uint64_t OutputStream::Write(std::span<const std::byte> text) {
  return impl_->Write(text, true, impl_);
}

std::uint64_t OutputStream::WriteWithoutWaiting(std::span<const std::byte> text) {
  return impl_->Write(text, false, impl_);
}

std::uint64_t OutputStream::Flush(std::chrono::steady_clock::time_point deadline) {
  return impl_->Flush(deadline);
}

std::string OutputStream::Reason() const { return impl_->Reason(); }

}  // namespace veneer
