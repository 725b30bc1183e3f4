#include "src/vmm/cli/boot_trouble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using enum BootTrouble::Heard;

std::string_view Say(BootTrouble& trouble, std::string_view text) {
  return trouble.OnOutput(std::as_bytes(std::span(text)));
}

TEST(BootTrouble, ABiosWithoutABootSectorIsNoticedOnce) {
  BootTrouble trouble(BootKind::kFirmware, kFromItself);
  EXPECT_THAT(Say(trouble, "Booting from Hard Disk...\n"), IsEmpty());
  EXPECT_THAT(Say(trouble, "No bootable device.  Retrying in 60 seconds.\n"),
              HasSubstr("boot sector"));
  EXPECT_THAT(Say(trouble, "No bootable device.  Retrying in 60 seconds.\n"), IsEmpty());
}

TEST(BootTrouble, WordsMayComeInPieces) {
  BootTrouble trouble(BootKind::kPvhLoader, kFromItself);
  const std::string text = "GNU GRUB\n   Minimal BASH-like line editing is supported. For";
  std::string warned;
  for (const char c : text) {
    warned += Say(trouble, std::string_view(&c, 1));
  }
  EXPECT_THAT(warned, HasSubstr("grub.cfg"));
}

TEST(BootTrouble, ALoaderThatABiosBootsIsHeardOnTheSerialPort) {
  BootTrouble rescue(BootKind::kFirmware, kOnTheSerialPort);
  EXPECT_THAT(Say(rescue, "Booting...\nerror: no such partition.\ngrub res"), IsEmpty());
  EXPECT_THAT(Say(rescue, "cue> "), HasSubstr("no partition"));
  BootTrouble prompt(BootKind::kFirmware, kOnTheSerialPort);
  EXPECT_THAT(Say(prompt, "grub> "), HasSubstr("grub.cfg"));
}

TEST(BootTrouble, WhatASystemSaysLaterIsItsOwnAffair) {
  BootTrouble trouble(BootKind::kFirmware, kOnTheSerialPort);
  EXPECT_THAT(Say(trouble, std::string(100'000, '.')), IsEmpty());
  EXPECT_THAT(Say(trouble, "grub> "), IsEmpty());
}

TEST(BootTrouble, AKernelHasNoSuchSigns) {
  for (const BootTrouble::Heard heard : {kFromItself, kOnTheSerialPort}) {
    BootTrouble trouble(BootKind::kKernel, heard);
    EXPECT_THAT(Say(trouble, "No bootable device. Minimal BASH-like line editing is supported"),
                IsEmpty());
    EXPECT_THAT(Say(trouble, "grub> "), IsEmpty());
  }
}

}  // namespace
}  // namespace veneer
