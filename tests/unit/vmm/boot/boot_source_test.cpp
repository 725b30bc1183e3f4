#include "veneer/vmm/boot/boot_source.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include <asm/bootparam.h>
#include <gtest/gtest.h>

#include "boot_test_util.h"

namespace veneer::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kBase = 0x1000000;

class BootSourceTest : public ::testing::Test {
 protected:
  static BootMachine Machine() {
    BootMachine machine;
    machine.acpi.processors.push_back({.uid = 0, .apic_id = 0});
    machine.ram = {{Gpa{0}, 64 * kMiB}};
    machine.special = {{Gpa{0xfeffc000}, 4 * kPageSize, E820Type::kReserved}};
    machine.smbios = SmbiosConfig{.xen_version = "4.17"};
    return machine;
  }

  std::unique_ptr<GuestMemory> memory_ = FlatMemory(64);
};

TEST_F(BootSourceTest, ADirectKernelFindsTheMachinesTables) {
  ElfSpec spec;
  spec.entry = kBase;
  spec.segments.push_back(TestSegment{kBase, Pattern(20000, 1), 0x10000, true});
  const TempFile kernel(MakeElf64(spec));
  BootConfig config;
  config.kernel = kernel.path();
  const auto source = MakeDirectKernel(config);
  const BootMachine machine = Machine();
  EXPECT_THAT(source->LayOut(machine.ram), IsEmpty());
  const auto boot = source->Prepare(machine, *memory_);
  ASSERT_TRUE(boot) << boot.error().message;
  EXPECT_FALSE(boot->starts_another);
  const boot_params params = *memory_->Read<boot_params>(boot->entry.info);
  EXPECT_EQ(memory_->Read<std::uint64_t>(Gpa{params.acpi_rsdp_addr}), 0x2052545020445352U)
      << "\"RSD PTR \"";
  EXPECT_EQ(memory_->Read<std::uint32_t>(kSmbiosDefault), 0x5f4d535fU) << "\"_SM_\"";
  EXPECT_THAT(boot->e820, Contains(machine.special[0]));
  EXPECT_THAT(boot->e820,
              Contains(E820Entry{kLegacyAreaBase, kLegacyAreaEnd.value - kLegacyAreaBase.value,
                                 E820Type::kReserved}));
}

TEST_F(BootSourceTest, AKernelThatUnpacksItselfStartsAnother) {
  BzImageSpec spec;
  spec.payload = PackGzip(Pattern(5000, 1));
  const TempFile kernel(MakeBzImage(spec));
  BootConfig config;
  config.kernel = kernel.path();
  config.entry = KernelEntry::kDecompressor;
  const auto boot = MakeDirectKernel(config)->Prepare(Machine(), *memory_);
  ASSERT_TRUE(boot) << boot.error().message;
  EXPECT_TRUE(boot->starts_another);
}

TEST_F(BootSourceTest, APvhLoaderHasRoomForPagesWhereTheMapSaysNothing) {
  const auto source = MakePvhLoader("grub");
  const std::vector<GuestMemory::Range> small = {{Gpa{0}, 64 * kMiB}};
  const std::vector<GuestMemory::Range> large = {{Gpa{0}, kPciHoleBase.value},
                                                 {kPciHoleEnd, 64 * kMiB}};
  for (const auto& [ram, end] :
       {std::pair(small, Gpa{64 * kMiB}), std::pair(large, kPciHoleBase)}) {
    const auto room = source->LayOut(ram);
    ASSERT_EQ(room.size(), 1U);
    EXPECT_EQ(room[0].base, end);
    EXPECT_GE(room[0].size, 2 * kPageSize);
  }
}

TEST_F(BootSourceTest, APvhLoaderIsEnteredByItsNoteAndStartsAnother) {
  ElfSpec spec;
  spec.segments.push_back(TestSegment{0x100000, Pattern(20000, 1), 0x10000, true});
  spec.notes = MakePvhNote(0x100040, 4);
  const TempFile loader(MakeElf32(spec));
  const auto boot = MakePvhLoader(loader.path())->Prepare(Machine(), *memory_);
  ASSERT_TRUE(boot) << boot.error().message;
  EXPECT_EQ(boot->entry.protocol, BootProtocol::kPvh);
  EXPECT_EQ(boot->entry.rip, 0x100040U);
  EXPECT_TRUE(boot->starts_another);
}

// An image with the far jump that a PC's processor begins with.
Bytes MakeBios(std::size_t size) {
  Bytes image(size);
  image[0] = std::byte{0x42};
  image[size - 16] = std::byte{0xea};
  return image;
}

TEST_F(BootSourceTest, FirmwareLiesBelow1MibAndFindsWhatHvmloaderLeaves) {
  const TempFile bios(MakeBios(0x40000));
  const BootMachine machine = Machine();
  const auto boot = MakeFirmware(bios.path())->Prepare(machine, *memory_);
  ASSERT_TRUE(boot) << boot.error().message;
  EXPECT_EQ(boot->entry.protocol, BootProtocol::kReset);
  EXPECT_TRUE(boot->starts_another);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{0xc0000}), 0x42);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{0xffff0}), 0xea);

  const Bytes info = ReadGuest(*memory_, 0x1000, 32);
  EXPECT_EQ(std::memcmp(info.data(), "XenHVMSeaBIOS", 14), 0);
  EXPECT_EQ(info[14], std::byte{32});
  unsigned sum = 0;
  for (const std::byte byte : info) {
    sum += std::to_integer<unsigned>(byte);
  }
  EXPECT_EQ(sum % 256, 0U);
  const auto word = [this](std::uint64_t gpa) { return *memory_->Read<std::uint32_t>(Gpa{gpa}); };
  ASSERT_EQ(word(0x1014), 2U) << "the tables";
  const std::uint32_t rsdp = word(word(0x1010));
  EXPECT_EQ(memory_->Read<std::uint64_t>(Gpa{rsdp}), 0x2052545020445352U) << "\"RSD PTR \"";
  const std::uint32_t smbios = word(word(0x1010) + 4);
  EXPECT_EQ(memory_->Read<std::uint32_t>(Gpa{smbios}), 0x5f4d535fU) << "\"_SM_\"";
  ASSERT_EQ(word(0x101c), boot->e820.size());
  const E820Entry& last = boot->e820.back();
  EXPECT_EQ(word(word(0x1018) + 20 * (boot->e820.size() - 1)), last.base.value);
  EXPECT_THAT(boot->e820, Contains(machine.special[0]));
  for (const E820Entry& entry : boot->e820) {
    for (const std::uint32_t table : {rsdp, smbios}) {
      EXPECT_FALSE(entry.type == E820Type::kRam && entry.base.value <= table &&
                   table < entry.base.value + entry.size)
          << "the tables lie in RAM that the guest takes";
    }
  }
}

TEST_F(BootSourceTest, WhatIsNoBiosIsRefused) {
  for (const std::size_t size : {std::size_t{0x1000}, std::size_t{0x40001}, std::size_t{0x80000}}) {
    const TempFile file(MakeBios(size));
    EXPECT_THAT(UsageMessage(MakeFirmware(file.path())->Prepare(Machine(), *memory_)),
                HasSubstr("no image of a PC's BIOS"));
  }
  Bytes image = MakeBios(0x20000);
  image[0x20000 - 16] = std::byte{0};
  const TempFile file(image);
  EXPECT_THAT(UsageMessage(MakeFirmware(file.path())->Prepare(Machine(), *memory_)),
              HasSubstr("no image of a PC's BIOS"));
}

TEST_F(BootSourceTest, UefiIsNamedForWhatItIs) {
  Bytes image = MakeBios(0x40000);
  const std::string_view signature = "_FVH";
  std::ranges::transform(signature, image.begin() + 40,
                         [](char letter) { return static_cast<std::byte>(letter); });
  const TempFile file(image);
  EXPECT_THAT(UsageMessage(MakeFirmware(file.path())->Prepare(Machine(), *memory_)),
              HasSubstr("UEFI"));
}

}  // namespace
}  // namespace veneer::testing
