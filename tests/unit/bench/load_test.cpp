// The loads, on files and over the loopback.
#include "src/bench/load/load.h"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/bench/load/interface_address.h"
#include "src/bench/load/load_server.h"
#include "support/temporary_file.h"

namespace veneer::bench {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kShort = 20'000'000;  // ns

TEST(DiskLoad, CountsWhatItMoves) {
  const TemporaryFile file(1U << 20U);
  for (const bool write : {false, true}) {
    for (const bool random : {false, true}) {
      const LoadResult result = RunDiskLoad({.path = file.path(),
                                             .write = write,
                                             .random = random,
                                             .block_bytes = 16384,
                                             .depth = 8,
                                             .ns = kShort});
      EXPECT_EQ(result.error, "");
      EXPECT_GE(result.operations, 8U);
      EXPECT_EQ(result.bytes, result.operations * 16384);
      EXPECT_GT(result.ns, 0U);
    }
  }
}

TEST(DiskLoad, SequentialWritesGoOverTheWholeFile) {
  const TemporaryFile file(64 * 4096);
  file.Write(0, std::vector<std::byte>(64 * 4096, std::byte{0xaa}));
  ASSERT_EQ(RunDiskLoad({.path = file.path(), .write = true, .depth = 64}).operations, 64U)
      << "no more than was begun at once, when no time is given";
  const std::vector<std::byte> data = file.Read(0, 64 * 4096);
  for (std::size_t block = 0; block < 64; ++block) {
    EXPECT_NE(data[block * 4096], std::byte{0xaa}) << block;
  }
}

TEST(DiskLoad, SaysWhatIsWrong) {
  EXPECT_THAT(RunDiskLoad({.path = "/nonexistent/disk"}).error,
              HasSubstr("cannot open /nonexistent/disk"));
  const TemporaryFile small(4096);
  EXPECT_THAT(RunDiskLoad({.path = small.path(), .block_bytes = 8192}).error,
              HasSubstr("too small"));
  EXPECT_THAT(RunDiskLoad({.path = small.path(), .depth = 0}).error, HasSubstr("none that can be"));
}

TEST(NetLoad, EachKindOverTheLoopback) {
  const auto server = LoadServer::Start();
  ASSERT_TRUE(server.has_value()) << server.error().message;
  for (const NetKind kind : {NetKind::kSend, NetKind::kReceive, NetKind::kEcho,
                             NetKind::kReceiveDatagrams, NetKind::kSendDatagrams, NetKind::kSend}) {
    const LoadResult result =
        RunNetLoad({.address = "127.0.0.1", .port = (*server)->port(), .kind = kind, .ns = kShort});
    EXPECT_EQ(result.error, "");
    EXPECT_GT(result.operations, 0U);
    EXPECT_GT(result.bytes, 0U);
    if (kind == NetKind::kEcho) {
      EXPECT_EQ(result.bytes, result.operations);
    }
    if (kind == NetKind::kSendDatagrams || kind == NetKind::kReceiveDatagrams) {
      EXPECT_EQ(result.bytes, result.operations * kDatagramBytes);
    }
  }
}

TEST(NetLoad, ANobodyIsAnError) {
  EXPECT_THAT(RunNetLoad({.address = "127.0.0.1", .port = 1}).error,
              HasSubstr("cannot connect to 127.0.0.1"));
  EXPECT_THAT(RunNetLoad({.address = "nowhere", .port = 1}).error, HasSubstr("cannot connect"));
}

TEST(CpuLoad, CountsPagesTurnsAndWakeUps) {
  const LoadResult pages = RunMemoryLoad(0);
  EXPECT_EQ(pages.error, "");
  EXPECT_EQ(pages.bytes, 64U << 20U) << "one stretch, when no time is given";
  EXPECT_EQ(pages.operations, pages.bytes / 4096);
  const LoadResult turns = RunPipeLoad(kShort);
  EXPECT_EQ(turns.error, "");
  EXPECT_GT(turns.operations, 0U);
  EXPECT_GE(turns.ns, kShort);
  const LoadResult sleeps = RunTimerLoad(kShort);
  EXPECT_GT(sleeps.operations, 0U);
  EXPECT_GE(sleeps.ns, sleeps.operations * kTimerWaitNs) << "none wakes too early";
}

TEST(InterfaceAddress, NamesWhatThereIsNot) {
  EXPECT_EQ(InterfaceWithMac("52:54:00:00:00:00"), "");
  EXPECT_EQ(InterfaceWithMac("00:00:00:00:00:00"), "lo");
  EXPECT_THAT(SetInterfaceAddress("nonexistent0", "10.0.0.1"),
              HasSubstr("cannot give nonexistent0"));
}

}  // namespace
}  // namespace veneer::bench
