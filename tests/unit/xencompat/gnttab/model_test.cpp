// Random sequences of map and release against a plain reference count: after every step the flags
// that the guest sees must be what the model says, and nothing may be left at the end.
#include <array>
#include <random>

#include <gtest/gtest.h>

#include "support/grant_guest.h"

namespace veneer {
namespace {

using testing::GrantGuest;

constexpr std::uint32_t kFirst = 8;
constexpr std::uint32_t kRefs = 6;
constexpr std::uint32_t kMaxMappings = 40;

struct ModelEntry {
  bool granted = false;
  bool readonly = false;
  int readers = 0;
  int writers = 0;
  bool InUse() const { return readers + writers > 0; }
};

class Model : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  std::uint32_t InUse(std::uint32_t ref) {
    return (GetParam() == 1 ? guest_.FlagsV1(ref).load() : guest_.StatusV2(ref).load()) &
           (GTF_reading | GTF_writing);
  }
  // Keeps the flags that say the entry is in use, as a guest that behaves does.
  void Rewrite(std::uint32_t ref, bool granted, bool readonly) {
    const std::uint32_t flags =
        (granted ? std::uint32_t{GTF_permit_access} : 0U) | (readonly ? GTF_readonly : 0U);
    if (GetParam() == 1) {
      guest_.GrantV1(ref, ref, flags | InUse(ref));
    } else {
      guest_.GrantV2(ref, ref, flags);
    }
  }

  GrantGuest guest_{GrantTable::Options{.max_frames = 1, .max_mappings = kMaxMappings}};
};

INSTANTIATE_TEST_SUITE_P(Versions, Model, ::testing::Values(1, 2),
                         [](const auto& version) { return fmt::format("V{}", version.param); });

TEST_P(Model, ReferenceCountsAgree) {
  GrantTable& table = *guest_.table;
  ASSERT_EQ(table.SetVersion(GetParam()), GetParam());
  std::array<ModelEntry, kRefs> model;
  std::vector<PinnedGrant> held;
  std::mt19937 random(GetParam());
  for (int step = 0; step < 20000; ++step) {
    const auto index = static_cast<std::uint32_t>(random() % kRefs);
    ModelEntry& entry = model[index];
    const GrantRef ref{kFirst + index};
    switch (random() % 5) {
      case 0:
        entry.granted = random() % 4 != 0;
        entry.readonly = random() % 2 == 0;
        Rewrite(ref.value, entry.granted, entry.readonly);
        break;
      case 1:
      case 2: {
        const bool write = random() % 2 == 0;
        const bool covered = entry.InUse() && (!write || entry.writers > 0);
        const bool allowed =
            covered || ((entry.InUse() || entry.granted) && !(write && entry.readonly));
        auto grant = table.Map(ref, write ? GrantAccess::kReadWrite : GrantAccess::kRead);
        if (held.size() == kMaxMappings) {
          ASSERT_EQ(grant.error(), GrantStatus::kNoSpace);
        } else if (!allowed) {
          ASSERT_FALSE(grant) << step;
          ASSERT_EQ(grant.error(), GrantStatus::kGeneralError);
        } else {
          ASSERT_TRUE(grant) << step;
          (write ? entry.writers : entry.readers) += 1;
          held.push_back(std::move(*grant));
        }
        break;
      }
      default:
        if (!held.empty()) {
          const std::size_t victim = random() % held.size();
          std::swap(held[victim], held.back());
          ModelEntry& released = model[held.back().ref().value - kFirst];
          (held.back().access() == GrantAccess::kReadWrite ? released.writers : released.readers) -=
              1;
          held.pop_back();
        }
    }
    for (std::uint32_t i = 0; i < kRefs; ++i) {
      const std::uint32_t expected = (model[i].InUse() ? std::uint32_t{GTF_reading} : 0U) |
                                     (model[i].writers > 0 ? std::uint32_t{GTF_writing} : 0U);
      ASSERT_EQ(InUse(kFirst + i), expected) << "entry " << i << " step " << step;
    }
    ASSERT_EQ(table.mappings(), held.size());
  }
  held.clear();
  EXPECT_EQ(table.mappings(), 0U);
  EXPECT_EQ(table.SetVersion(3 - GetParam()), 3 - GetParam());
}

}  // namespace
}  // namespace veneer
