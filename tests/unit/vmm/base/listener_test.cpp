#include "veneer/vmm/base/listener.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "support/scratch_directory.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/unix_socket.h"

namespace veneer {
namespace {

// No file can be opened as long as this lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit none{0, before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

class ListenerTest : public ::testing::Test {
 protected:
  UniqueFd Connect() const {
    UniqueFd socket = MakeUnixSocket(0);
    const UnixAddress address = UnixAddress::Of(path_).value();
    EXPECT_EQ(connect(socket.get(), address.generic(), sizeof address.value), 0);
    return socket;
  }
  // Two rounds: what is ready is seen in the first at the latest.
  void RunTwoRounds() {
    loop_->Post([this] { loop_->Post([this] { loop_->Stop(); }); });
    loop_->Run();
  }

  const test::ScratchDirectory folder_;
  const std::string path_ = folder_.File("socket");
  const UniqueFd socket_ = ListenAt(path_).value();
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  int clients_ = 0;
  Listener listener_{*loop_, socket_.get(), "test", [this](UniqueFd client) {
                       EXPECT_TRUE(client.valid());
                       ++clients_;
                       loop_->Stop();
                     }};
};

TEST_F(ListenerTest, HandsOverClients) {
  ASSERT_TRUE(listener_.Start());
  const UniqueFd client = Connect();
  loop_->Run();
  EXPECT_EQ(clients_, 1);
}

TEST_F(ListenerTest, RestsWhileThereIsNoDescriptorLeft) {
  // UBSan needs a descriptor to look at a class for the first time.
  RunTwoRounds();
  LogWarning("without descriptors");
  ASSERT_TRUE(listener_.Start());
  const UniqueFd client = Connect();
  {
    const NoDescriptors none;
    RunTwoRounds();
    EXPECT_TRUE(listener_.resting()) << "it asks again and again";
    EXPECT_EQ(clients_, 0);
  }
  // Told to stop, the loop does one round each time: the timer's, and the one that finds the
  // client.
  for (int round = 0; round < 10 && clients_ == 0; ++round) {
    loop_->Run();
  }
  EXPECT_EQ(clients_, 1);
  EXPECT_FALSE(listener_.resting());
}

}  // namespace
}  // namespace veneer
