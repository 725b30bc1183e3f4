// A disk in a temporary file, or a fake one, and its front-end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/block_front_end.h"
#include "support/fake_disk_image.h"
#include "support/pv_guest.h"
#include "support/temporary_file.h"
#include "veneer/backends/block/block_backend.h"
#include "veneer/vmm/base/log.h"

namespace veneer {

using testing::BlockFrontEnd;
using testing::BlockRingGuest;
using testing::FakeDiskImage;
using testing::PvGuest;
using testing::TestSegment;

class BlockTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kDiskBytes = std::uint64_t{8} << 20U;
  static constexpr std::uint64_t kSectors = kDiskBytes / 512;

  BlockTest() { config_.vdev = "xvda"; }
  ~BlockTest() override {
    guest_.StopControl();
    backend_.reset();
    EXPECT_EQ(guest_.grants->mappings(), 0U) << "a page was not given back";
  }

  // On a file.
  void MakeFileDisk() {
    config_.path = file_.path();
    auto image = OpenDiskImage(config_);
    ASSERT_TRUE(image.has_value()) << image.error().message;
    Make(std::move(*image));
  }
  FakeDiskImage& MakeFakeDisk() {
    auto image = std::make_unique<FakeDiskImage>(kDiskBytes);
    FakeDiskImage& fake = *image;
    config_.path = "fake";
    Make(std::move(image));
    return fake;
  }
  void Make(std::unique_ptr<DiskImage> image) {
    auto backend = BlockBackend::Create({guest_.store, *guest_.events, *guest_.grants,
                                         guest_.metrics, guest_.poster(), on_failure_},
                                        config_, std::move(image));
    ASSERT_TRUE(backend.has_value()) << backend.error().message;
    backend_ = std::move(*backend);
    guest_.StartControl();
  }
  void Connect(unsigned queues = 1, unsigned page_order = 0) {
    ASSERT_TRUE(front_.Connect(queues, page_order));
  }
  BlockRingGuest& queue() { return front_.queue(); }
  std::uint64_t Count(const std::string& name) { return guest_.Count("disk.xvda." + name); }

  struct Buffer {
    Gfn page;
    GrantRef ref;
  };
  Buffer NewBuffer(bool readonly = false) {
    const Gfn page = guest_.NewPage();
    return {page, guest_.Grant(page, readonly)};
  }
  void Fill(Gfn page, const std::vector<std::byte>& data) {
    std::copy(data.begin(), data.end(), guest_.Page(page).begin());
  }
  std::vector<std::byte> Content(Gfn page, std::size_t offset = 0, std::size_t length = kPageSize) {
    const auto bytes = guest_.Page(page).subspan(offset, length);
    return {bytes.begin(), bytes.end()};
  }

  DiskFailureReceiver on_failure_;
  TemporaryFile file_{kDiskBytes};
  DiskConfig config_;
  PvGuest guest_;
  std::unique_ptr<BlockBackend> backend_;
  BlockFrontEnd front_{guest_};
};

}  // namespace veneer
