#include "src/vmm/cli/boot_trouble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string_view Say(BootTrouble& trouble, std::string_view text) {
  return trouble.OnOutput(std::as_bytes(std::span(text)));
}

TEST(BootTrouble, ABiosWithoutABootSectorIsNoticedOnce) {
  BootTrouble trouble(BootKind::kFirmware);
  EXPECT_THAT(Say(trouble, "Booting from Hard Disk...\n"), IsEmpty());
  EXPECT_THAT(Say(trouble, "No bootable device.  Retrying in 60 seconds.\n"),
              HasSubstr("boot sector"));
  EXPECT_THAT(Say(trouble, "No bootable device.  Retrying in 60 seconds.\n"), IsEmpty());
}

TEST(BootTrouble, WordsMayComeInPieces) {
  BootTrouble trouble(BootKind::kPvhLoader);
  const std::string text = "GNU GRUB\n   Minimal BASH-like line editing is supported. For";
  std::string warned;
  for (const char c : text) {
    warned += Say(trouble, std::string_view(&c, 1));
  }
  EXPECT_THAT(warned, HasSubstr("grub.cfg"));
}

TEST(BootTrouble, AKernelHasNoSuchSigns) {
  BootTrouble trouble(BootKind::kKernel);
  EXPECT_THAT(Say(trouble, "No bootable device. Minimal BASH-like line editing is supported"),
              IsEmpty());
}

}  // namespace
}  // namespace veneer
