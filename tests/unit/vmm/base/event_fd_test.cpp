#include "veneer/vmm/base/event_fd.h"

#include <poll.h>

#include <gtest/gtest.h>

namespace veneer {
namespace {

bool IsReadable(const EventFd& event) {
  pollfd entry{event.get(), POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

TEST(EventFd, IsReadableFromSignalToDrain) {
  const EventFd event = EventFd::Create().value();
  EXPECT_FALSE(IsReadable(event));
  event.Signal();
  event.Signal();
  EXPECT_TRUE(IsReadable(event));
  event.Drain();
  EXPECT_FALSE(IsReadable(event));
}

TEST(EventFd, DrainsWithoutASignal) {
  const EventFd event = EventFd::Create().value();
  event.Drain();  // does not wait
  EXPECT_FALSE(IsReadable(event));
}

}  // namespace
}  // namespace veneer
