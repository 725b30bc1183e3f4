// Back-ends on several threads against a guest that rewrites its entries and switches versions.
#include <array>
#include <atomic>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "support/grant_guest.h"

namespace veneer {
namespace {

using testing::GrantGuest;

constexpr int kSteps = 5000;

void BackEnd(GrantGuest& guest, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<PinnedGrant> held;
  std::array<std::byte, 64> buffer{};
  for (int step = 0; step < kSteps; ++step) {
    const GrantRef ref{static_cast<std::uint32_t>(random() % 20)};
    const GrantAccess access = random() % 2 == 0 ? GrantAccess::kRead : GrantAccess::kReadWrite;
    switch (random() % 5) {
      case 0: {
        const std::array batch{ref, GrantRef{ref.value + 1}, GrantRef{ref.value + 2}};
        static_cast<void>(guest.table->MapMany(batch, access, held));
        break;
      }
      case 1:
        static_cast<void>(
            guest.table->CopyFrom(ref, static_cast<std::uint32_t>(random() % 5000), buffer));
        break;
      case 2:
        guest.table->ReleaseMany(held);
        break;
      default:
        if (auto grant = guest.table->Map(ref, access)) {
          ASSERT_EQ(grant->page().size(), kPageSize);
        }
    }
  }
}

TEST(GrantTableStress, BackEndsSurviveAGuestThatRewritesEverything) {
  GrantGuest guest(GrantTable::Options{.max_frames = 2});
  std::atomic<bool> stop = false;
  std::thread hostile([&] {
    std::mt19937_64 random(1);
    while (!stop) {
      // Now and then a proper grant, so that mapping succeeds in between.
      const auto ref = static_cast<std::uint32_t>(random() % 24);
      if (random() % 4 != 0) {
        guest.GrantV1(ref, random() % GrantGuest::kPages);
      } else {
        guest.Word(std::size_t{ref} * 8).store(random());
      }
      switch (random() % 64) {
        case 0:
          static_cast<void>(guest.table->SetVersion(1 + random() % 2));
          break;
        case 1:
          static_cast<void>(guest.table->SwapGrantRef(GrantRef{ref}, GrantRef{3}));
          break;
        case 2:
          static_cast<void>(guest.table->SetupTable(DOMID_SELF, random() % 4));
          break;
        default:
          break;
      }
    }
  });
  std::thread other([&] { BackEnd(guest, 2); });
  BackEnd(guest, 3);
  other.join();
  stop = true;
  hostile.join();
  EXPECT_EQ(guest.table->mappings(), 0U);
  // Nothing is left in use: the version can be switched both ways.
  for (std::size_t offset = 0; offset < 2 * kPageSize; offset += 8) {
    guest.Word(offset).store(0);
  }
  EXPECT_EQ(guest.table->SetVersion(2), 2U);
  EXPECT_EQ(guest.table->SetVersion(1), 1U);
}

}  // namespace
}  // namespace veneer
