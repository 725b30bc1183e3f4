// NBD disks, against Debian's qemu-nbd serving a raw file.

#include "src/host/disk/nbd_image.h"

#include <algorithm>
#include <csignal>

#include <gmock/gmock.h>

#include "image_io.h"
#include "src/host/disk/qemu_nbd.h"
#include "support/temporary_file.h"

namespace veneer {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr std::uint64_t kBytes = std::uint64_t{64} << 20U;

class NbdImageTest : public ::testing::Test {
 protected:
  void Serve(unsigned connections = 3, bool readonly = false) {
    DiskConfig served;
    served.path = file_.path();
    served.readonly = readonly;
    auto server = QemuNbd::Start(served, "raw", connections);
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = std::move(*server);
    config_.path = server_->uri();
  }
  void Open() { OpenBoth(config_, image_, channel_); }

  TemporaryFile file_{kBytes};
  DiskConfig config_;
  std::unique_ptr<QemuNbd> server_;
  std::unique_ptr<DiskImage> image_;
  std::unique_ptr<DiskChannel> channel_;
};

TEST_F(NbdImageTest, ReadsWritesAndFlushes) {
  Serve();
  Open();
  EXPECT_EQ(image_->facts().bytes, kBytes);
  EXPECT_FALSE(image_->facts().readonly);
  const auto data = Pattern(8192, 1);
  EXPECT_EQ(Write(*channel_, 4096, data), 0);
  EXPECT_EQ(Flush(*channel_), 0);
  EXPECT_EQ(file_.Read(4096, 8192), data);
  EXPECT_EQ(Read(*channel_, 4096, 8192), data);
}

// What a hung server has not answered ends with errors once somebody has waited long enough.
TEST_F(NbdImageTest, AServerThatHangsIsInterrupted) {
  Serve();
  Open();
  const auto data = Pattern(4096, 1);
  EXPECT_EQ(Write(*channel_, 0, data), 0);
  ASSERT_EQ(kill(server_->pid(), SIGSTOP), 0);
  std::vector<std::byte> read(4096);
  DiskOperation operation = Transfer(DiskAction::kRead, 0, read);
  channel_->Queue(operation);
  channel_->Submit();
  EXPECT_TRUE(channel_->Collect().empty());
  EXPECT_FALSE(channel_->Arm());
  image_->Interrupt();
  channel_->Disarm();
  WaitForEnd(*channel_, 1);
  EXPECT_EQ(operation.error, EIO);
  EXPECT_EQ(Flush(*channel_), EIO);
  server_.reset();
}

TEST_F(NbdImageTest, AFlushThatFailedIsRemembered) {
  Serve();
  Open();
  EXPECT_EQ(Flush(*channel_), 0);
  const auto other = ChannelOf(*image_);
  server_.reset();
  EXPECT_EQ(Flush(*channel_), EIO);
  EXPECT_EQ(Flush(*other), EIO);
}

TEST_F(NbdImageTest, Discards) {
  Serve();
  Open();
  EXPECT_GE(image_->facts().discard_granularity, 512U);
  EXPECT_EQ(Write(*channel_, 0, Pattern(1U << 20U, 2)), 0);
  EXPECT_EQ(Flush(*channel_), 0);
  const std::uint64_t before = file_.AllocatedBytes();
  EXPECT_EQ(Discard(*channel_, 0, kBytes), 0);
  EXPECT_LT(file_.AllocatedBytes(), before);
  EXPECT_THAT(Read(*channel_, 0, 4096), Each(std::byte{0}));
}

TEST_F(NbdImageTest, SeveralBuffersOfAnySize) {
  Serve();
  Open();
  // The first two continue each other, the third lies elsewhere.
  auto near = Pattern(700 + 512, 3);
  auto far = Pattern(333, 4);
  DiskOperation operation;
  operation.action = DiskAction::kWrite;
  operation.offset = 12345;
  operation.length = near.size() + far.size();
  operation.buffers = {{near.data(), 700}, {near.data() + 700, 512}, {far.data(), far.size()}};
  EXPECT_EQ(Perform(*channel_, operation), 0);
  EXPECT_EQ(Flush(*channel_), 0);
  EXPECT_EQ(file_.Read(12345, near.size()), near);
  EXPECT_EQ(file_.Read(12345 + near.size(), far.size()), far);
  std::vector<std::byte> first(far.size());
  std::vector<std::byte> second(near.size());
  operation.action = DiskAction::kRead;
  operation.buffers = {{first.data(), first.size()}, {second.data(), second.size()}};
  EXPECT_EQ(Perform(*channel_, operation), 0);
  EXPECT_EQ(first, file_.Read(12345, first.size()));
  EXPECT_EQ(second, file_.Read(12345 + first.size(), second.size()));
}

TEST_F(NbdImageTest, MoreThanTheServerTakesAtOnce) {
  Serve();
  Open();
  // qemu-nbd takes 32 MiB, which ends within this.
  std::vector<std::byte> data(std::size_t{33} << 20U);
  const auto middle = Pattern(8192, 5);
  constexpr std::size_t kMiddle = (std::size_t{32} << 20U) - 4096;
  std::copy(middle.begin(), middle.end(), data.begin() + kMiddle);
  EXPECT_EQ(Write(*channel_, 512, data), 0);
  EXPECT_EQ(file_.Read(512 + kMiddle, middle.size()), middle);
  EXPECT_EQ(Read(*channel_, 512, data.size()), data);
}

TEST_F(NbdImageTest, ManyAtATime) {
  Serve();
  Open();
  constexpr std::size_t kCount = 200;
  constexpr std::size_t kLength = 64 << 10U;
  std::vector<std::vector<std::byte>> data;
  std::vector<DiskOperation> operations;
  for (std::size_t i = 0; i < kCount; ++i) {
    data.push_back(Pattern(kLength, static_cast<unsigned>(i)));
    operations.push_back(Transfer(DiskAction::kWrite, i * kLength, data[i]));
  }
  for (DiskOperation& operation : operations) {
    channel_->Queue(operation);
  }
  channel_->Submit();
  WaitForEnd(*channel_, kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(operations[i].error, 0);
    EXPECT_EQ(file_.Read(i * kLength, kLength), data[i]);
  }
}

TEST_F(NbdImageTest, BeyondTheEnd) {
  Serve();
  Open();
  EXPECT_NE(Write(*channel_, kBytes, Pattern(512, 6)), 0);
  EXPECT_EQ(Write(*channel_, kBytes - 512, Pattern(512, 6)), 0) << "the connection is fine";
}

TEST_F(NbdImageTest, ReadOnly) {
  Serve(3, true);
  Open();
  EXPECT_TRUE(image_->facts().readonly);
  EXPECT_EQ(image_->facts().discard_granularity, 0U);
  EXPECT_NE(Write(*channel_, 0, Pattern(512, 7)), 0);
  EXPECT_THAT(Read(*channel_, 0, 512), Each(std::byte{0}));
}

TEST_F(NbdImageTest, SeveralQueuesIfTheServerAllows) {
  config_.queues = 2;
  Serve();
  Open();
  const auto another = ChannelOf(*image_);
  const auto data = Pattern(4096, 8);
  EXPECT_EQ(Write(*another, 0, data), 0);
  EXPECT_EQ(Flush(*channel_), 0);
  EXPECT_EQ(Read(*channel_, 0, 4096), data);
}

TEST_F(NbdImageTest, OneQueueIfItDoesNot) {
  config_.queues = 2;
  Serve(1);
  EXPECT_THAT(RefusalOf(config_), HasSubstr("can have one queue only"));
}

TEST_F(NbdImageTest, OneConnectionIsEnoughForOneQueue) {
  Serve(1);
  Open();
  EXPECT_EQ(Flush(*channel_), 0);
}

TEST_F(NbdImageTest, ANewSizeIsSeen) {
  Serve();
  Open();
  ASSERT_TRUE(image_->Refresh().has_value());
  EXPECT_EQ(image_->facts().bytes, kBytes);
}

TEST_F(NbdImageTest, AServerThatDiesWithWorkUnderWay) {
  Serve();
  Open();
  kill(server_->pid(), SIGSTOP);
  auto data = Pattern(std::size_t{1} << 20U, 9);
  std::vector<std::byte> read(4096);
  DiskOperation write = Transfer(DiskAction::kWrite, 0, data);  // more than a socket holds
  DiskOperation reads = Transfer(DiskAction::kRead, 0, read);
  DiskOperation flush;
  flush.action = DiskAction::kFlush;
  for (DiskOperation* operation : {&reads, &write, &flush}) {
    channel_->Queue(*operation);
  }
  EXPECT_TRUE(channel_->Collect().empty());
  kill(server_->pid(), SIGKILL);
  WaitForEnd(*channel_, 3);
  EXPECT_EQ(write.error, EIO);
  EXPECT_EQ(reads.error, EIO);
  EXPECT_EQ(flush.error, EIO);
  EXPECT_EQ(Flush(*channel_), EIO) << "and so does all that follows";
  EXPECT_TRUE(Read(*channel_, 0, 512).empty());
}

TEST_F(NbdImageTest, AServerThatDiesAtRest) {
  Serve();
  Open();
  EXPECT_EQ(Flush(*channel_), 0);
  kill(server_->pid(), SIGKILL);
  EXPECT_EQ(Flush(*channel_), EIO);
  pollfd ready{channel_->ready_fd(), POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 0), 0) << "a loop would spin";
}

TEST_F(NbdImageTest, WrongAddresses) {
  for (const char* uri :
       {"nbd://", "nbd+unix:///?socket=/nonexistent/socket", "nbd://127.0.0.1:1/export"}) {
    config_.path = uri;
    const auto image = OpenDiskImage(config_);
    ASSERT_FALSE(image.has_value()) << uri;
    EXPECT_EQ(image.error().kind, ErrorKind::kUsage) << uri;
    EXPECT_THAT(image.error().message, HasSubstr(std::string("'") + uri + "'"));
  }
  Serve();
  config_.path = "nbd+unix:///no-such-export" + config_.path.substr(config_.path.find('?'));
  EXPECT_THAT(RefusalOf(config_), HasSubstr("cannot connect disk"));
  config_.path = server_->uri();
  config_.format = DiskFormat::kQcow2;
  EXPECT_THAT(RefusalOf(config_), HasSubstr("leave out format=qcow2"));
}

TEST(NbdUri, IsToldFromAPath) {
  EXPECT_TRUE(IsNbdUri("nbd://localhost"));
  EXPECT_TRUE(IsNbdUri("nbd+unix:///?socket=/tmp/s"));
  EXPECT_FALSE(IsNbdUri("nbd:image"));
  EXPECT_FALSE(IsNbdUri("/tmp/nbd://x"));
}

}  // namespace
}  // namespace veneer
