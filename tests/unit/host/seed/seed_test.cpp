// Seeds are read back by programs that have nothing to do with what makes them: blkid, by which
// cloud-init finds them, and isoinfo.
#include "veneer/host/seed/seed.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/child_process.h"
#include "support/scratch_directory.h"

namespace veneer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::chrono::seconds kLimit{60};
constexpr char kKey[] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample me@here";

class SeedTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(scratch_.File(name)) << text;
    return scratch_.File(name);
  }
  std::string Refusal(std::string_view name = "web") {
    const auto seed = MakeSeed(config_, name);
    return seed ? "(accepted)" : seed.error().message;
  }
  // Makes the seed, and a copy of it with a name.
  void Make(std::string_view name = "web") {
    auto seed = MakeSeed(config_, name);
    ASSERT_TRUE(seed) << seed.error().message;
    seed_ = std::move(*seed);
    std::ifstream in("/proc/self/fd/" + std::to_string(seed_.get()), std::ios::binary);
    std::ofstream(image_, std::ios::binary) << in.rdbuf();
  }
  static std::string Output(const std::vector<std::string>& argv) {
    test::ChildProcess tool(argv);
    EXPECT_EQ(tool.WaitForExit(kLimit), 0) << argv.front() << ": " << tool.err();
    return tool.out();
  }
  // By Rock Ridge names, as Linux has them.
  std::string File(const std::string& name) const {
    return Output({"/usr/bin/isoinfo", "-R", "-i", image_, "-x", "/" + name});
  }

  SeedConfig config_;
  UniqueFd seed_;

 private:
  const test::ScratchDirectory scratch_;

 protected:
  const std::string image_ = scratch_.File("seed.iso");
};

TEST_F(SeedTest, IsAFileSystemThatCloudInitFindsWithTheUsersFiles) {
  const std::string user = "#cloud-config\nwrite_files: [{path: /a, content: \"\xc3\xa4\"}]\n";
  const std::string network = "version: 2\nethernets: {}\n";
  config_.user_data = Write("u", user);
  config_.network = Write("n", network);
  config_.ssh_key = Write("k", std::string("# mine\n\n") + kKey + "\n");
  config_.hostname = "front";
  Make();
  EXPECT_THAT(Output({"/usr/sbin/blkid", "-p", image_}),
              AllOf(HasSubstr("LABEL=\"cidata\""), HasSubstr("TYPE=\"iso9660\"")));
  EXPECT_EQ(File("user-data"), user);
  EXPECT_EQ(File("network-config"), network);
  const auto meta = nlohmann::json::parse(File("meta-data"));
  EXPECT_EQ(meta["instance-id"], "web");
  EXPECT_EQ(meta["local-hostname"], "front");
  EXPECT_EQ(meta["public-keys"], nlohmann::json::array({kKey}));
}

TEST_F(SeedTest, HasTheTwoFilesThatHaveToBeThere) {
  config_.ssh_key = Write("k", kKey);
  Make("my_guest");
  EXPECT_EQ(File("user-data"), "#cloud-config\n");
  EXPECT_EQ(nlohmann::json::parse(File("meta-data"))["local-hostname"], "my-guest");
  EXPECT_THAT(Output({"/usr/bin/isoinfo", "-R", "-f", "-i", image_}),
              Not(HasSubstr("network-config")));
}

TEST_F(SeedTest, TakesTheUsersMetaDataAsItIs) {
  const std::string meta = "instance-id: i-1\nlocal-hostname: other\n";
  config_.meta_data = Write("m", meta);
  Make();
  EXPECT_EQ(File("meta-data"), meta);
  config_.ssh_key = Write("k", kKey);
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("--ssh-key"), HasSubstr("public-keys")));
}

TEST_F(SeedTest, HasWholeSectorsAndNobodyCanChangeIt) {
  config_.user_data = Write("u", "#cloud-config\n# " + std::string(100'000, 'x') + "\n");
  Make();
  struct stat info {};
  ASSERT_EQ(fstat(seed_.get(), &info), 0);
  EXPECT_EQ(info.st_size % 2048, 0);
  EXPECT_LT(info.st_size, 1 << 18);
  EXPECT_EQ(info.st_nlink, 0U);
  EXPECT_LT(pwrite(seed_.get(), "x", 1, 0), 0);
  EXPECT_NE(ftruncate(seed_.get(), 0), 0);
}

TEST_F(SeedTest, UserDataOfEveryKindThatCloudInitKnows) {
  for (const char* text :
       {"#cloud-config\n", "#cloud-config\r\na: 1\r\n", "#!/bin/sh\n: [\n", "#include\nhttp://x\n",
        "## template: jinja\n#cloud-config\na: {{ b }}\n", "Content-Type: multipart/mixed\n",
        "MIME-Version: 1.0\n", "\x1f\x8b\x08", "#cloud-boothook\n",
        "#cloud-config-archive\n- a\n"}) {
    config_.user_data = Write("u", text);
    EXPECT_EQ(Refusal(), "(accepted)") << text;
  }
}

TEST_F(SeedTest, SaysWhatCloudInitWouldNotTake) {
  config_.user_data = Write("u", "packages: [vim]\n");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr(config_.user_data), HasSubstr("#cloud-config")));
  config_.user_data = Write("u", "");
  EXPECT_THAT(Refusal(), HasSubstr("#cloud-config"));
  config_.user_data = Write("u", "#cloud-config\na:\n\tb\n");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("user-data"), HasSubstr("line 3")));
  config_.user_data = "/nowhere/u";
  EXPECT_THAT(Refusal(), HasSubstr("/nowhere/u"));
  config_.user_data = "";
  config_.meta_data = Write("m", "- a\n");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("meta-data"), HasSubstr("key: value")));
  config_.meta_data = "";
  config_.network = Write("n", "[");
  EXPECT_THAT(Refusal(), HasSubstr("network"));
}

TEST_F(SeedTest, APrivateKeyIsNotGivenAway) {
  config_.ssh_key = Write("k", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("private"), HasSubstr("k.pub")));
  config_.ssh_key = Write("k", "hello\n");
  EXPECT_THAT(Refusal(), HasSubstr("no public key"));
  config_.ssh_key = Write("k", "# none\n");
  EXPECT_THAT(Refusal(), HasSubstr("no public key"));
}

}  // namespace
}  // namespace veneer
