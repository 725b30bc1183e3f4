// Disks that hold anything at all: whatever a BIOS or a boot loader makes of one, Veneer ends when
// it is told to, in its own words.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/controlled_guest.h"

namespace veneer::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr std::size_t kSector = 512;
constexpr std::size_t kImageBytes = std::size_t{4} << 20U;
// What --timeout says, and far more than Veneer takes to end then on a slow host.
constexpr std::chrono::seconds kGuestLimit{20};
constexpr std::chrono::seconds kEndLimit{60};

using Bytes = std::vector<char>;

class GarbageDisk : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (Setting("VENEER_TEST_DISK_IMAGE", "").empty()) {
      GTEST_SKIP() << "VENEER_TEST_DISK_IMAGE is not set: disks are booted on hosts in a box";
    }
  }

  // The beginning of a disk that boots.
  static Bytes GoodDisk() {
    Bytes disk(kImageBytes);
    std::ifstream(Needed("VENEER_TEST_DISK_IMAGE"), std::ios::binary)
        .read(disk.data(), static_cast<std::streamsize>(disk.size()));
    return disk;
  }

  static Bytes Garbage(std::mt19937& random) {
    Bytes disk = random() % 3 == 0 ? Bytes(kImageBytes) : GoodDisk();
    std::size_t bytes = 0;  // to spoil, among the first `sectors`
    std::size_t sectors = 1;
    switch (random() % 4) {
      case 0:  // noise as code
        std::ranges::generate_n(disk.begin(), kSector, [&] { return static_cast<char>(random()); });
        break;
      case 1:  // noise as a table of partitions
        std::ranges::generate_n(disk.begin() + 0x1b8, kSector - 0x1b8,
                                [&] { return static_cast<char>(random()); });
        break;
      case 2:  // the loader
        bytes = 1 + random() % 100;
        sectors = 200;
        break;
      default:  // tables, and the file system behind them
        bytes = 1000;
        sectors = kImageBytes / kSector;
    }
    for (; bytes > 0; --bytes) {
      disk[random() % (sectors * kSector)] = static_cast<char>(random());
    }
    disk[kSector - 2] = '\x55';
    disk[kSector - 1] = '\xaa';
    return disk;
  }
};

TEST_P(GarbageDisk, IsNoMatter) {
  const ScratchDirectory scratch;
  const std::string image = scratch.File("disk.img");
  const int disks = std::atoi(Setting("VENEER_TEST_GARBAGE_DISKS", "2").c_str());
  const int first = std::atoi(Setting("VENEER_TEST_GARBAGE_SEED", "0").c_str());
  for (int seed = first; seed < first + disks; ++seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    const Bytes disk = Garbage(random);
    std::ofstream(image, std::ios::binary).write(disk.data(), kImageBytes);
    ChildProcess veneer({Veneer(), "run", image, "--memory", "64M", "--boot", Needed(GetParam()),
                         "--timeout", std::to_string(kGuestLimit.count()), "--log-level", "info"});
    const int code = veneer.WaitForExit(kGuestLimit + kEndLimit);
    // Powered off; crashed or rebooting without end; beyond what KVM can do; stopped by the limit.
    EXPECT_THAT(code, AnyOf(0, 3, 4, 5)) << "seed " << seed << ": " << veneer.err();
    EXPECT_THAT(veneer.err(), HasSubstr("veneer: ")) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Boot, GarbageDisk,
                         ::testing::Values("VENEER_TEST_BIOS", "VENEER_TEST_GRUB"),
                         [](const auto& param_info) {
                           return std::string(param_info.index == 0 ? "ByABios" : "ByGrub");
                         });

}  // namespace
}  // namespace veneer::test
