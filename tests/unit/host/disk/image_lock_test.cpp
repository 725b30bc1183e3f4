// Who may use an image beside whom: Veneer's disks among themselves, and Veneer and QEMU's programs
// in every combination.

#include "src/host/disk/image_lock.h"

#include <fcntl.h>

#include <gmock/gmock.h>

#include "image_io.h"
#include "support/scratch_directory.h"
#include "support/temporary_file.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;

// Both open the image in QEMU's format `format`; qemu-io as a guest of QEMU's does.
class Neighbours : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    for (const char* program : {"qemu-io", "qemu-img"}) {
      if (!FindProgram(program, "qemu-utils")) {
        GTEST_SKIP() << program << " is missing (Debian's package qemu-utils)";
      }
    }
    config_.path = scratch_.File("disk");
    config_.format = format() == "raw" ? DiskFormat::kRaw : DiskFormat::kQcow2;
    ASSERT_TRUE(
        RunTool("qemu-img", {"create", "-q", "-f", format(), config_.path, "1M"}).succeeded());
  }
  static std::string format() { return GetParam(); }

  // Whether QEMU opens it as a guest's disk, which others may read and not write.
  bool QemuTakes(bool readonly) {
    std::vector<std::string> arguments{
        "--image-opts", "-c", readonly ? "read 0 512" : "write 0 512",
        "driver=" + format() + ",file.driver=file,file.locking=on,file.filename=" + config_.path};
    if (readonly) {
      arguments.insert(arguments.begin(), "-r");
    }
    return RunTool("qemu-io", arguments).succeeded();
  }
  Result<std::unique_ptr<DiskImage>> Veneer(bool readonly) {
    config_.readonly = readonly;
    return OpenDiskImage(config_);
  }

  const test::ScratchDirectory scratch_;
  DiskConfig config_;
};

TEST_P(Neighbours, ReadersOfVeneersAndReadersOfQemus) {
  const auto reader = Veneer(true);
  const auto another = Veneer(true);
  EXPECT_TRUE(reader.has_value() && another.has_value());
  EXPECT_TRUE(QemuTakes(true));
  EXPECT_TRUE(RunTool("qemu-img", {"info", config_.path}).succeeded());
  EXPECT_FALSE(QemuTakes(false)) << "QEMU writes what Veneer reads";
  EXPECT_FALSE(RunTool("qemu-img", {"resize", "-f", format(), config_.path, "2M"}).succeeded());
  EXPECT_FALSE(Veneer(false).has_value());
}

TEST_P(Neighbours, AWriterOfVeneers) {
  {
    const auto writer = Veneer(false);
    ASSERT_TRUE(writer.has_value()) << writer.error().message;
    EXPECT_FALSE(QemuTakes(false));
    EXPECT_FALSE(RunTool("qemu-img", {"resize", "-f", format(), config_.path, "2M"}).succeeded());
    EXPECT_FALSE(Veneer(false).has_value());
    EXPECT_FALSE(Veneer(true).has_value());
  }
  EXPECT_TRUE(QemuTakes(false)) << "and afterwards it is free";
  EXPECT_TRUE(Veneer(false).has_value());
}

TEST_P(Neighbours, AnOverlayOfVeneersSharesItsBaseWithReadersOnly) {
  const std::string overlay = scratch_.File("overlay");
  ASSERT_TRUE(RunTool("qemu-img",
                      {"create", "-q", "-f", "qcow2", "-b", config_.path, "-F", format(), overlay})
                  .succeeded());
  DiskConfig upper;
  upper.path = overlay;
  upper.format = DiskFormat::kQcow2;
  const auto image = OpenDiskImage(upper);
  ASSERT_TRUE(image.has_value()) << image.error().message;
  EXPECT_TRUE(Veneer(true).has_value());
  EXPECT_FALSE(Veneer(false).has_value());
  EXPECT_TRUE(QemuTakes(true));
  EXPECT_FALSE(QemuTakes(false));
}

INSTANTIATE_TEST_SUITE_P(Of, Neighbours, ::testing::Values("raw", "qcow2"));

// What QEMU holds (block/file-posix.c), and who may come then.
struct Holder {
  const char* what;
  std::vector<off_t> bytes;
  bool reader_welcome;
  bool writer_welcome;
};

TEST(ImageLock, GoesByWhatOthersDoAndWhatTheyDoNotShare) {
  const std::vector<Holder> holders{
      {"nobody", {}, true, true},
      {"a reader that shares everything", {100}, true, true},
      {"a reader that relies on it", {100, 201, 203}, true, false},
      {"a writer that shares everything", {100, 101}, false, false},
      {"a writer", {100, 101, 201}, false, false},
      {"one that only grows it", {103}, false, false},
      {"one who wants it for himself", {100, 200, 201, 203}, false, false}};
  for (const Holder& holder : holders) {
    const TemporaryFile file(4096);
    for (const off_t byte : holder.bytes) {
      struct flock lock {};
      lock.l_type = F_RDLCK;
      lock.l_whence = SEEK_SET;
      lock.l_start = byte;
      lock.l_len = 1;
      ASSERT_EQ(fcntl(file.fd(), F_OFD_SETLK, &lock), 0);
    }
    const UniqueFd other(open(file.path().c_str(), O_RDWR | O_CLOEXEC));
    const auto reader = LockImage(other.get(), true, "d");
    EXPECT_EQ(reader.has_value(), holder.reader_welcome) << holder.what;
    UnlockImage(other.get());
    const auto writer = LockImage(other.get(), false, "d");
    EXPECT_EQ(writer.has_value(), holder.writer_welcome) << holder.what;
    UnlockImage(other.get());
  }
}

TEST(ImageLock, SaysWhatTheOtherDoes) {
  const TemporaryFile file(4096);
  ASSERT_TRUE(LockImage(file.fd(), true, "d").has_value());
  const UniqueFd other(open(file.path().c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_THAT(LockImage(other.get(), false, "d").error().message,
              HasSubstr("which reads it and relies on it; only readonly=on goes with that"));
  UnlockImage(other.get());
  UnlockImage(file.fd());
  ASSERT_TRUE(LockImage(file.fd(), false, "d").has_value());
  EXPECT_THAT(LockImage(other.get(), true, "d").error().message, HasSubstr("which writes it"));
}

}  // namespace
}  // namespace veneer
