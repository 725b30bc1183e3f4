#include "veneer/vmm/boot/boot_loader.h"

#include <xen/arch-x86/hvm/start_info.h>

#include <cstring>

#include <asm/bootparam.h>
#include <gtest/gtest.h>

#include "boot_test_util.h"
#include "src/vmm/boot/low_memory.h"

namespace veneer::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kBase = 0x1000000;

Bytes Vmlinux() {
  ElfSpec spec;
  spec.entry = kBase;
  spec.segments.push_back(TestSegment{kBase, Pattern(20000, 1), 0x10000, true});
  spec.notes = MakePvhNote(kBase + 0x100, 8);
  return MakeElf64(spec);
}

class PrepareBootTest : public ::testing::Test {
 protected:
  void UseMemory(std::uint64_t mib) {
    memory_ = std::move(*GuestMemory::Create(*MemoryLayout(mib * kMiB), {.huge_pages = false}));
  }
  Result<PreparedBoot> Prepare() {
    config_.kernel = kernel_.path();
    return PrepareBoot(config_, *memory_);
  }
  boot_params Params(const PreparedBoot& boot) {
    return *memory_->Read<boot_params>(boot.entry.info);
  }
  std::string GuestString(std::uint64_t gpa) {
    std::string text;
    while (const char c = *memory_->Read<char>(Gpa{gpa + text.size()})) {
      text.push_back(c);
    }
    return text;
  }

  TempFile kernel_{Vmlinux()};
  BootConfig config_;
  std::unique_ptr<GuestMemory> memory_ = FlatMemory(64);
};

TEST_F(PrepareBootTest, FillsBootParams) {
  const Bytes initrd = Pattern(5000, 4);
  const TempFile initrd_file(initrd);
  config_.initrds = {initrd_file.path()};
  config_.cmdline = "console=ttyS0 quiet";
  config_.rsdp = Gpa{0xe0000};
  const auto boot = Prepare();
  ASSERT_TRUE(boot) << boot.error().message;
  const boot_params params = Params(*boot);
  const setup_header header = params.hdr;
  EXPECT_EQ(header.boot_flag, 0xaa55);
  EXPECT_EQ(header.header, 0x53726448U);
  EXPECT_EQ(header.type_of_loader, 0xff);
  EXPECT_EQ(header.loadflags & LOADED_HIGH, LOADED_HIGH);
  EXPECT_EQ(std::uint64_t{header.ramdisk_image}, boot->initrd.value);
  EXPECT_EQ(header.ramdisk_size, 5000U);
  EXPECT_EQ(params.ext_ramdisk_image, 0U);
  EXPECT_EQ(std::uint64_t{params.acpi_rsdp_addr}, 0xe0000U);
  EXPECT_EQ(GuestString(header.cmd_line_ptr), "console=ttyS0 quiet");
  EXPECT_EQ(params.sentinel, 0);
  EXPECT_EQ(ReadGuest(*memory_, boot->initrd.value, 5000), initrd);
  ASSERT_EQ(params.e820_entries, boot->e820.size());
  EXPECT_EQ(std::uint64_t{params.e820_table[2].addr}, 0x100000U);
  EXPECT_EQ(std::uint64_t{params.e820_table[2].size}, 63 * kMiB);
  EXPECT_EQ(std::uint32_t{params.e820_table[1].type}, 2U);
}

TEST_F(PrepareBootTest, KeepsDeviceMemoryOutOfTheMap) {
  const std::vector<GuestMemory::Range> ram{{Gpa{0}, 64 * kMiB}};
  std::vector<GuestMemory::Range> all = ram;
  all.push_back({Gpa{0xe0000000}, kMiB});
  memory_ = std::move(*GuestMemory::Create(all, {.huge_pages = false}));
  config_.ram = ram;
  const auto boot = Prepare();
  ASSERT_TRUE(boot) << boot.error().message;
  EXPECT_LE(boot->e820.back().base.value + boot->e820.back().size, 64 * kMiB);
}

TEST_F(PrepareBootTest, WithoutInitrdAndAcpiTheFieldsAreZero) {
  const auto boot = Prepare();
  ASSERT_TRUE(boot);
  const boot_params params = Params(*boot);
  EXPECT_EQ(boot->initrd_size, 0U);
  EXPECT_EQ(std::uint32_t{params.hdr.ramdisk_image}, 0U);
  EXPECT_EQ(std::uint32_t{params.hdr.ramdisk_size}, 0U);
  EXPECT_EQ(std::uint64_t{params.acpi_rsdp_addr}, 0U);
  EXPECT_EQ(GuestString(kCmdlineBase.value), "");
}

TEST_F(PrepareBootTest, KeepsWhatABzImagesHeaderSays) {
  BzImageSpec spec;
  spec.payload = PackGzip(Vmlinux());
  spec.header_length = 0x7f;  // longer than any setup_header known here
  const Bytes file = MakeBzImage(spec);
  const TempFile kernel(file);
  config_.kernel = kernel.path();
  const auto boot = PrepareBoot(config_, *memory_);
  ASSERT_TRUE(boot) << boot.error().message;
  const boot_params params = Params(*boot);
  EXPECT_EQ(params.hdr.version, 0x20f);
  EXPECT_EQ(std::uint32_t{params.hdr.init_size}, spec.init_size);
  EXPECT_EQ(params.hdr.type_of_loader, 0xff);
  EXPECT_EQ(std::uint64_t{params.hdr.setup_data}, 0U);
  // Fields that the header has and we do not know are the kernel's own.
  EXPECT_EQ(ReadGuest(*memory_, boot->entry.info.value + 0x270, 0x11),
            Bytes(file.begin() + 0x270, file.begin() + 0x281));
  EXPECT_EQ(ReadGuest(*memory_, boot->entry.info.value + 0x281, 8), Bytes(8));
}

TEST_F(PrepareBootTest, FillsPvhStartInfo) {
  const TempFile initrd_file(Pattern(5000, 4));
  config_.entry = KernelEntry::kPvh;
  config_.initrds = {initrd_file.path()};
  config_.cmdline = "xen";
  config_.rsdp = Gpa{0xe0000};
  const auto boot = Prepare();
  ASSERT_TRUE(boot) << boot.error().message;
  EXPECT_EQ(boot->entry.protocol, BootProtocol::kPvh);
  EXPECT_EQ(boot->entry.rip, kBase + 0x100);
  const auto info = *memory_->Read<hvm_start_info>(boot->entry.info);
  EXPECT_EQ(info.magic, 0x336ec578U);
  EXPECT_EQ(info.version, 1U);
  EXPECT_EQ(info.flags, 0U);
  EXPECT_EQ(info.rsdp_paddr, 0xe0000U);
  EXPECT_EQ(GuestString(info.cmdline_paddr), "xen");
  ASSERT_EQ(info.nr_modules, 1U);
  const auto module = *memory_->Read<hvm_modlist_entry>(Gpa{info.modlist_paddr});
  EXPECT_EQ(module.paddr, boot->initrd.value);
  EXPECT_EQ(module.size, 5000U);
  ASSERT_EQ(info.memmap_entries, boot->e820.size());
  for (std::size_t i = 0; i < boot->e820.size(); ++i) {
    const auto entry = *memory_->Read<hvm_memmap_table_entry>(
        Gpa{info.memmap_paddr + i * sizeof(hvm_memmap_table_entry)});
    EXPECT_EQ(entry.addr, boot->e820[i].base.value);
    EXPECT_EQ(entry.size, boot->e820[i].size);
    EXPECT_EQ(entry.type, static_cast<std::uint32_t>(boot->e820[i].type));
    EXPECT_EQ(entry.reserved, 0U);
  }
}

TEST_F(PrepareBootTest, PvhWithoutInitrdHasNoModules) {
  config_.entry = KernelEntry::kPvh;
  const auto boot = Prepare();
  ASSERT_TRUE(boot);
  const auto info = *memory_->Read<hvm_start_info>(boot->entry.info);
  EXPECT_EQ(info.nr_modules, 0U);
  EXPECT_EQ(info.modlist_paddr, 0U);
}

TEST_F(PrepareBootTest, LongModeStateMapsTheFirstFourGiB) {
  const auto boot = Prepare();
  ASSERT_TRUE(boot);
  const BootEntry& entry = boot->entry;
  EXPECT_EQ(entry.rip, kBase);
  EXPECT_EQ(entry.rsp % 16, 0U);
  const auto pml4e = *memory_->Read<std::uint64_t>(entry.page_table);
  EXPECT_EQ(pml4e & 0xfff, 3U);
  for (const std::uint64_t address :
       {std::uint64_t{0}, kBase, std::uint64_t{0x7fffffff}, std::uint64_t{0xffffffff}}) {
    const auto pdpte =
        *memory_->Read<std::uint64_t>(Gpa{(pml4e & ~0xfffULL) + (address >> 30U) * 8});
    EXPECT_EQ(pdpte & 0xfff, 3U);
    const auto pde =
        *memory_->Read<std::uint64_t>(Gpa{(pdpte & ~0xfffULL) + (address >> 21U) % 512 * 8});
    EXPECT_EQ(pde, (address & ~0x1fffffULL) | 0x83U);
  }
  EXPECT_EQ(*memory_->Read<std::uint64_t>(Gpa{(pml4e & ~0xfffULL) + 4 * 8}), 0U);
}

std::uint64_t Descriptor(const GuestMemory& memory, const BootEntry& entry,
                         std::uint16_t selector) {
  EXPECT_LE(selector + 7, entry.gdt_limit);
  return *memory.Read<std::uint64_t>(entry.gdt_base + selector);
}

TEST_F(PrepareBootTest, GdtFollowsTheBootProtocol) {
  const auto boot = Prepare();
  ASSERT_TRUE(boot);
  EXPECT_EQ(boot->entry.code_selector, 0x10);
  EXPECT_EQ(boot->entry.data_selector, 0x18);
  const std::uint64_t code = Descriptor(*memory_, boot->entry, boot->entry.code_selector);
  EXPECT_EQ(code >> 53U & 3U, 1U);  // L set, D clear
  EXPECT_EQ(code >> 40U & 0xffU, 0x9bU);
  EXPECT_EQ(Descriptor(*memory_, boot->entry, boot->entry.data_selector) >> 40U & 0xffU, 0x93U);
  EXPECT_EQ(Descriptor(*memory_, boot->entry, boot->entry.task_selector) >> 40U & 0xffU, 0x8bU);
}

TEST_F(PrepareBootTest, PvhCodeIs32BitAndUnpaged) {
  config_.entry = KernelEntry::kPvh;
  const auto boot = Prepare();
  ASSERT_TRUE(boot);
  const std::uint64_t code = Descriptor(*memory_, boot->entry, boot->entry.code_selector);
  EXPECT_EQ(code >> 53U & 3U, 2U);  // L clear, D set
  EXPECT_EQ(boot->entry.page_table, Gpa{0});
}

TEST_F(PrepareBootTest, CommandLineMayBeAsLongAsTheKernelTakes) {
  config_.cmdline = std::string(2047, 'x');
  const auto boot = Prepare();
  ASSERT_TRUE(boot);
  EXPECT_EQ(GuestString(kCmdlineBase.value), config_.cmdline);
  config_.cmdline.push_back('x');
  EXPECT_THAT(UsageMessage(Prepare()), AllOf(HasSubstr("2048"), HasSubstr("at most 2047")));
}

TEST_F(PrepareBootTest, CommandLineLimitOfABzImageCounts) {
  BzImageSpec spec;
  spec.payload = PackGzip(Vmlinux());
  spec.cmdline_size = 10;
  const TempFile small(MakeBzImage(spec));
  config_.kernel = small.path();
  config_.cmdline = "12345678901";
  EXPECT_THAT(UsageMessage(PrepareBoot(config_, *memory_)), HasSubstr("at most 10"));
  spec.cmdline_size = ~0U;
  const TempFile large(MakeBzImage(spec));
  config_.kernel = large.path();
  config_.cmdline = std::string(kCmdlineBytes, 'x');
  EXPECT_THAT(UsageMessage(PrepareBoot(config_, *FlatMemory(64))), HasSubstr("at most 65535"));
}

TEST_F(PrepareBootTest, CommandLineWithAZeroByteIsRefused) {
  config_.cmdline = std::string("a\0b", 3);
  EXPECT_THAT(UsageMessage(Prepare()), HasSubstr("zero byte"));
}

TEST_F(PrepareBootTest, KernelMustNotReachIntoReservedMemory) {
  config_.special = {E820Entry{Gpa{kBase + 0xf000}, 0x1000, E820Type::kAcpiTables}};
  EXPECT_THAT(UsageMessage(Prepare()), HasSubstr("reserved"));
  config_.special[0].base = Gpa{kBase + 0x10000};
  UseMemory(64);
  EXPECT_TRUE(Prepare());
}

TEST_F(PrepareBootTest, MemoryMapThatIsTooLongIsAnErrorOnBothWays) {
  for (std::uint64_t i = 0; i < 90; ++i) {
    config_.special.push_back(E820Entry{Gpa{0x2000000 + i * 0x2000}, 0x1000, E820Type::kReserved});
  }
  EXPECT_THAT(UsageMessage(Prepare()), HasSubstr("more than the 128"));
  config_.entry = KernelEntry::kPvh;
  EXPECT_THAT(UsageMessage(Prepare()), HasSubstr("memory map has 183"));
}

TEST_F(PrepareBootTest, LargeGuestHasItsUpperRamInTheMap) {
  UseMemory(6144);
  const auto boot = Prepare();
  ASSERT_TRUE(boot) << boot.error().message;
  const boot_params params = Params(*boot);
  ASSERT_EQ(params.e820_entries, 4);
  EXPECT_EQ(std::uint64_t{params.e820_table[3].addr}, 0x100000000U);
  EXPECT_EQ(std::uint64_t{params.e820_table[3].size}, 3072 * kMiB);
}

TEST_F(PrepareBootTest, LoaderErrorsNameTheKernel) {
  const TempFile broken(Pattern(4096, 1));
  config_.kernel = broken.path();
  EXPECT_THAT(UsageMessage(PrepareBoot(config_, *memory_)), HasSubstr("kernel '/proc/self/fd/"));
}

}  // namespace
}  // namespace veneer::testing
