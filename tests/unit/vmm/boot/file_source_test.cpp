#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <gtest/gtest.h>

#include "boot_test_util.h"
#include "support/scratch_directory.h"
#include "veneer/vmm/boot/kernel_image.h"

namespace veneer::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(FileSource, ReadsAnywhereAndStopsAtTheEnd) {
  const Bytes content = Pattern(10000, 1);
  const TempFile file(content);
  auto source = FileSource::Open(file.path());
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->size(), 10000U);
  Bytes out(100);
  ASSERT_TRUE((*source)->ReadAt(5000, out));
  EXPECT_EQ(out, Bytes(content.begin() + 5000, content.begin() + 5100));
  EXPECT_EQ(*(*source)->ReadSome(9950, out), 50U);
  EXPECT_EQ(*(*source)->ReadSome(10000, out), 0U);
  EXPECT_EQ(*(*source)->ReadSome(~std::uint64_t{0}, out), 0U);
  EXPECT_THAT(UsageMessage((*source)->ReadAt(9950, out)),
              AllOf(HasSubstr("truncated"), HasSubstr("50 bytes")));
}

TEST(FileSource, FileThatShrinksWhileOpenIsTruncated) {
  const TempFile file(Pattern(10000, 1));
  auto source = FileSource::Open(file.path());
  ASSERT_TRUE(source);
  ASSERT_EQ(ftruncate(file.fd(), 100), 0);
  Bytes out(100);
  EXPECT_THAT(UsageMessage((*source)->ReadAt(50, out)), HasSubstr("truncated"));
}

TEST(FileSource, SpanGivesTheSameAnswersAsAFile) {
  const Bytes content = Pattern(100, 1);
  SpanSource source(content);
  Bytes out(60);
  EXPECT_EQ(*source.ReadSome(70, out), 30U);
  EXPECT_EQ(*source.ReadSome(100, out), 0U);
  EXPECT_EQ(*source.ReadSome(~std::uint64_t{0}, out), 0U);
  EXPECT_TRUE(source.ReadAt(40, out));
}

TEST(LoadKernel, NamesTheFileAndWhatIsWrongWithIt) {
  const auto memory = FlatMemory(32);
  const auto message = [&memory](const std::string& path) {
    return UsageMessage(LoadKernel(path, KernelEntry::kAuto, *memory));
  };
  EXPECT_THAT(message("/nonexistent/vmlinux"),
              AllOf(HasSubstr("'/nonexistent/vmlinux'"), HasSubstr("No such file")));
  EXPECT_THAT(message("/proc"), HasSubstr("directory"));
  EXPECT_THAT(message("/dev/null"), HasSubstr("device"));
  EXPECT_THAT(message(TempFile({}).path()), HasSubstr("empty"));
}

TEST(LoadKernel, FifoDoesNotMakeItWait) {
  const test::ScratchDirectory scratch;
  const std::string path = scratch.File("fifo");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const auto memory = FlatMemory(32);
  EXPECT_THAT(UsageMessage(LoadKernel(path, KernelEntry::kAuto, *memory)), HasSubstr("pipe"));
}

struct Foreign {
  std::size_t offset;
  std::string_view magic;
  std::string_view expected;
};

TEST(LoadKernel, SaysWhatAForeignFileSeemsToBe) {
  using namespace std::string_view_literals;
  const auto memory = FlatMemory(32);
  for (const Foreign& foreign : {
           Foreign{0, "070701"sv, "initramfs"sv},
           Foreign{0, "\x1f\x8b\x08"sv, "gzip"sv},
           Foreign{0, "\xfd\x37zXZ\0"sv, "xz file"sv},
           Foreign{0, "\x28\xb5\x2f\xfd"sv, "zstd"sv},
           Foreign{0x38, "ARM\x64"sv, "ARM64 kernel"sv},
           Foreign{0x24, "\x18\x28\x6f\x01"sv, "32-bit ARM kernel"sv},
           Foreign{0, "MZ"sv, "EFI"sv},
           Foreign{0x1fe, "\x55\xaa"sv, "boot sector"sv},
           Foreign{0, "hello, world"sv, "nothing that looks like a kernel"sv},
       }) {
    Bytes file(0x400);
    std::memcpy(file.data() + foreign.offset, foreign.magic.data(), foreign.magic.size());
    EXPECT_THAT(UsageMessage(Load(file, *memory)), HasSubstr(foreign.expected));
  }
  EXPECT_THAT(UsageMessage(Load(Bytes(1), *memory)), HasSubstr("nothing that looks like"));
}

// An EFI program with the PE header's fields that tell them apart.
Bytes MakeEfiProgram(std::uint16_t machine, std::string_view section, std::string_view at_4 = {}) {
  Bytes file(0x1000);
  const auto put = [&file](std::size_t offset, const auto& value) {
    std::memcpy(file.data() + offset, &value, sizeof value);
  };
  const auto put_text = [&file](std::size_t offset, std::string_view text) {
    std::ranges::copy(std::as_bytes(std::span(text)),
                      file.begin() + static_cast<std::ptrdiff_t>(offset));
  };
  constexpr std::uint32_t kPe = 0x80;
  constexpr std::uint16_t kOptional = 0xf0;
  put_text(0, "MZ");
  put_text(4, at_4);
  put(0x3c, kPe);
  put_text(kPe, "PE");
  put(kPe + 4, machine);
  put(kPe + 6, std::uint16_t{3});
  put(kPe + 20, kOptional);
  put_text(kPe + 24 + kOptional, ".text");
  put_text(kPe + 24 + kOptional + 2 * 40, section);
  return file;
}

TEST(LoadKernel, EfiProgramsAreToldApart) {
  const auto memory = FlatMemory(32);
  const auto message = [&memory](const Bytes& file) { return UsageMessage(Load(file, *memory)); };
  EXPECT_THAT(message(MakeEfiProgram(0x8664, ".linux")), HasSubstr("unified kernel image"));
  EXPECT_THAT(message(MakeEfiProgram(0x8664, ".data")), HasSubstr("an EFI program, not"));
  EXPECT_THAT(message(MakeEfiProgram(0xaa64, ".linux")), HasSubstr("ARM64"));
  EXPECT_THAT(message(MakeEfiProgram(0xaa64, ".data", "zimg")), HasSubstr("zboot"));
  Bytes cut = MakeEfiProgram(0x8664, ".linux");
  cut.resize(0x90);
  EXPECT_THAT(message(cut), HasSubstr("EFI"));
  Bytes wild = MakeEfiProgram(0x8664, ".linux");
  std::memset(wild.data() + 0x3c, 0xff, 4);
  EXPECT_THAT(message(wild), HasSubstr("EFI"));
}

}  // namespace
}  // namespace veneer::testing
