#include <atomic>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {
namespace {

constexpr Gpa kPage{2 * kPageSize};

class OverlayTest : public ::testing::TestWithParam<MemoryBacking> {
 protected:
  void SetUp() override {
    const GuestMemory::Range range{Gpa{0}, 8 * kPageSize};
    auto memory = GuestMemory::Create(std::span(&range, 1), {.backing = GetParam()});
    ASSERT_TRUE(memory);
    memory_ = std::move(*memory);
    auto shared = SharedPages::Create(2);
    ASSERT_TRUE(shared);
    shared_.emplace(std::move(*shared));
    ASSERT_TRUE(memory_->Fill(Gpa{0}, 8 * kPageSize, std::byte{7}));
    shared_->data()[0] = std::byte{0x11};
    shared_->data()[kPageSize] = std::byte{0x22};
  }
  std::uint8_t At(Gpa gpa) { return memory_->Read<std::uint8_t>(gpa).value_or(0xff); }

  std::unique_ptr<GuestMemory> memory_;
  std::optional<SharedPages> shared_;
};
INSTANTIATE_TEST_SUITE_P(Backings, OverlayTest,
                         ::testing::Values(MemoryBacking::kAnonymous, MemoryBacking::kMemfd));

TEST_P(OverlayTest, SharedPagesStartAsZeros) {
  EXPECT_EQ(shared_->pages(), 2U);
  EXPECT_EQ(shared_->bytes().size(), 2 * kPageSize);
  EXPECT_EQ(shared_->data()[1], std::byte{0});
}

TEST_P(OverlayTest, BothSidesSeeTheSharedPage) {
  ASSERT_TRUE(memory_->MapOverlay(kPage, *shared_, 1));
  EXPECT_TRUE(memory_->HasOverlay(kPage));
  EXPECT_EQ(At(kPage), 0x22);
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kPage + 1, 0x33));
  EXPECT_EQ(shared_->data()[kPageSize + 1], std::byte{0x33});
}

TEST_P(OverlayTest, NeighboursKeepTheirRam) {
  ASSERT_TRUE(memory_->MapOverlay(kPage, *shared_, 0));
  EXPECT_EQ(At(Gpa{kPage.value - 1}), 7);
  EXPECT_EQ(At(kPage + kPageSize), 7);
}

TEST_P(OverlayTest, RamBeneathComesBackUnchanged) {
  ASSERT_TRUE(memory_->MapOverlay(kPage, *shared_, 0));
  ASSERT_TRUE(memory_->Fill(kPage, kPageSize, std::byte{0x55}));
  EXPECT_TRUE(memory_->RemoveOverlay(kPage));
  EXPECT_EQ(At(kPage), 7);
  EXPECT_EQ(At(kPage + (kPageSize - 1)), 7);
  EXPECT_FALSE(memory_->HasOverlay(kPage));
  EXPECT_EQ(shared_->data()[5], std::byte{0x55});
}

TEST_P(OverlayTest, AnOverlayReplacesTheOneBefore) {
  ASSERT_TRUE(memory_->MapOverlay(kPage, *shared_, 0));
  ASSERT_TRUE(memory_->MapOverlay(kPage, *shared_, 1));
  EXPECT_EQ(At(kPage), 0x22);
  EXPECT_TRUE(memory_->RemoveOverlay(kPage));
  EXPECT_FALSE(memory_->RemoveOverlay(kPage));
  EXPECT_EQ(At(kPage), 7);
}

// The guest runs on while pages come and go beneath it: it never meets a page that is not there.
TEST_P(OverlayTest, TheGuestSeesTheOnePageOrTheOther) {
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread guest([&] {
    while (!stop) {
      const std::uint8_t seen = At(kPage);
      if (seen != 7 && seen != 0x11) {
        ++wrong;
      }
    }
  });
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(memory_->MapOverlay(kPage, *shared_, 0));
    ASSERT_TRUE(memory_->RemoveOverlay(kPage));
  }
  stop = true;
  guest.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(At(kPage), 7);
}

TEST_P(OverlayTest, OnePageMayAppearTwice) {
  ASSERT_TRUE(memory_->MapOverlay(kPage, *shared_, 0));
  ASSERT_TRUE(memory_->MapOverlay(kPage + kPageSize, *shared_, 0));
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kPage + 9, 0x44));
  EXPECT_EQ(At(kPage + (kPageSize + 9)), 0x44);
}

TEST_P(OverlayTest, RefusesAddressesThatAreNoPagesOfRam) {
  for (const Gpa bad : {kPage + 1, Gpa{8 * kPageSize}, Gpa{~std::uint64_t{0} - kPageSize + 1}}) {
    const Result<void> result = memory_->MapOverlay(bad, *shared_, 0);
    ASSERT_FALSE(result) << bad.value;
    EXPECT_EQ(result.error().kind, ErrorKind::kUsage);
    EXPECT_FALSE(memory_->HasOverlay(bad));
    EXPECT_FALSE(memory_->RemoveOverlay(bad));
  }
}

TEST_P(OverlayTest, RamBeneathAnOverlayIsNotDiscarded) {
  ASSERT_TRUE(memory_->MapOverlay(kPage, *shared_, 0));
  EXPECT_FALSE(memory_->DiscardPage(Gfn::Of(kPage)));
  EXPECT_EQ(At(kPage), 0x11);
  ASSERT_TRUE(memory_->RemoveOverlay(kPage));
  EXPECT_EQ(At(kPage), 7);
  EXPECT_TRUE(memory_->DiscardPage(Gfn::Of(kPage)));
  EXPECT_EQ(At(kPage), 0);
}

TEST_P(OverlayTest, TheOverlayOutlivesItsOwner) {
  ASSERT_TRUE(memory_->MapOverlay(kPage, *shared_, 0));
  shared_.reset();
  EXPECT_EQ(At(kPage), 0x11);
}

TEST_P(OverlayTest, SharedPagesMoveWithTheirContent) {
  std::byte* const data = shared_->data();
  SharedPages moved = std::move(*shared_);
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(moved.pages(), 2U);
  auto other = SharedPages::Create(1);
  ASSERT_TRUE(other);
  *other = std::move(moved);
  EXPECT_EQ(other->data(), data);
  EXPECT_EQ(other->data()[0], std::byte{0x11});
}

}  // namespace
}  // namespace veneer
