#include "console_stream.h"

#include <utility>

#include <fmt/core.h>

namespace veneer {

bool ConsoleStream::Append(std::span<const std::byte> text) {
  const MutexLock lock(mutex_);
  ring_.Append(text);
  return watched_ && !std::exchange(woken_, true);
}

void ConsoleStream::SetWatched(bool watched) {
  const MutexLock lock(mutex_);
  watched_ = watched;
  woken_ = false;
}

void ConsoleStream::Calm() {
  const MutexLock lock(mutex_);
  woken_ = false;
}

bool ConsoleStream::used() {
  const MutexLock lock(mutex_);
  return ring_.end() > 0;
}

std::uint64_t ConsoleStream::Oldest() {
  const MutexLock lock(mutex_);
  return ring_.begin();
}

std::string ConsoleStream::Next(std::uint64_t& position, std::size_t most) {
  const MutexLock lock(mutex_);
  std::string note;
  if (position < ring_.begin()) {
    const std::uint64_t lost = ring_.begin() - position;
    dropped_.Add(lost);
    note = fmt::format("\r\n[veneer: {} bytes were lost here]\r\n", lost);
    position = ring_.begin();
  }
  std::string text = ring_.Read(position, most);
  position += text.size();
  return note + text;
}

std::size_t ConsoleStream::Input(std::span<const std::byte> text) {
  return sink_ ? sink_(text) : 0;
}

}  // namespace veneer
