#include "veneer/vmm/boot/boot_source.h"

#include <asm/bootparam.h>
#include <gtest/gtest.h>

#include "boot_test_util.h"

namespace veneer::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

constexpr std::uint64_t kBase = 0x1000000;

class BootSourceTest : public ::testing::Test {
 protected:
  static BootMachine Machine() {
    BootMachine machine;
    machine.acpi.processors.push_back({.uid = 0, .apic_id = 0});
    machine.ram = {{Gpa{0}, 64 * kMiB}};
    machine.special = {{Gpa{0xfeffc000}, 4 * kPageSize, E820Type::kReserved}};
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

}  // namespace
}  // namespace veneer::testing
