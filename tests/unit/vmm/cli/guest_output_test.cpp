#include "src/vmm/cli/guest_output.h"

#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "support/scratch_directory.h"

namespace veneer {
namespace {

class GuestOutputTest : public ::testing::Test {
 protected:
  std::unique_ptr<GuestOutput> Open(const CharacterTarget& target) {
    auto output = GuestOutput::Open(target, "--serial", "serial", metrics_);
    EXPECT_TRUE(output) << output.error().message;
    return std::move(output).value();
  }
  std::uint64_t Dropped() { return metrics_.Get("serial.dropped_bytes").value(); }
  static std::string Content(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  static std::span<const std::byte> Bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
  }

  const test::ScratchDirectory folder_;
  Metrics metrics_;
};

TEST_F(GuestOutputTest, AFileGetsWhatTheGuestPrintsAndWhatWeSay) {
  const std::string path = folder_.File("out");
  const auto output = Open({CharacterTarget::Kind::kFile, path});
  output->Write(Bytes("guest "));
  output->Say("veneer");
  EXPECT_EQ(Content(path), "guest veneer");
  output->Finish(std::chrono::steady_clock::now());
  EXPECT_EQ(Dropped(), 0U);
}

TEST_F(GuestOutputTest, ALimitedFileMakesRoom) {
  const std::string path = folder_.File("out");
  const auto output = Open({CharacterTarget::Kind::kFile, path, 10});
  for (const char* line : {"12345678", "abcdefgh", "ABCDEFGH"}) {
    output->Write(Bytes(line));
    // The next file is begun by a thread; what waits for it together may be cut by its end.
    output->Finish(std::chrono::steady_clock::now() + std::chrono::minutes(1));
  }
  EXPECT_EQ(Content(path), "ABCDEFGH");
  EXPECT_EQ(Content(path + ".1"), "abcdefgh");
}

// Neither opening nor writing nor ending waits for a reader.
TEST_F(GuestOutputTest, AFifoThatNobodyReadsLosesWhatIsTooMuch) {
  const std::string path = folder_.File("fifo");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const auto output = Open({CharacterTarget::Kind::kFile, path});
  const std::string line(1U << 20U, 'x');
  for (int i = 0; i < 4; ++i) {
    output->Say(line);
  }
  output->Finish(std::chrono::steady_clock::now());
  EXPECT_GT(Dropped(), line.size());
}

TEST_F(GuestOutputTest, OffTakesEverything) {
  const auto output = Open({CharacterTarget::Kind::kOff, {}});
  output->Write(Bytes("text"));
  output->Say("text");
  output->Finish(std::chrono::steady_clock::now());
  EXPECT_EQ(Dropped(), 0U);
}

TEST_F(GuestOutputTest, AnErrorNamesTheOption) {
  const auto refused = GuestOutput::Open({CharacterTarget::Kind::kFile, folder_.File("no/folder")},
                                         "--serial", "serial", metrics_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message.find("--serial: "), 0U);
}

}  // namespace
}  // namespace veneer
