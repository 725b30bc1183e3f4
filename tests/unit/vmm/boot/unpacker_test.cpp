#include "src/vmm/boot/unpacker.h"

#include <gtest/gtest.h>

#include "boot_test_util.h"
#include "src/vmm/boot/unpacked_source.h"

namespace veneer::testing {
namespace {

struct Format {
  Compression compression;
  std::string_view name;
  Bytes (*pack)(std::span<const std::byte>);
};

constexpr Format kFormats[] = {
    {Compression::kGzip, "gzip", PackGzip}, {Compression::kXz, "xz", PackXz},
    {Compression::kLzma, "lzma", PackLzma}, {Compression::kBzip2, "bzip2", PackBzip2},
    {Compression::kLz4, "lz4", PackLz4},    {Compression::kZstd, "zstd", PackZstd},
};

Result<Bytes> UnpackAll(Compression compression, std::span<const std::byte> packed,
                        std::size_t read_size) {
  SpanSource source(packed);
  VENEER_TRY_ASSIGN(auto unpacker,
                    MakeUnpacker(compression, PackedRange{&source, 0, packed.size()}));
  Bytes all;
  Bytes piece(read_size);
  while (true) {
    VENEER_TRY_ASSIGN(const std::size_t got, unpacker->Read(piece));
    all.insert(all.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
    if (got < read_size) {
      return all;
    }
  }
}

class EveryFormat : public ::testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Unpacker, EveryFormat, ::testing::ValuesIn(kFormats),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST_P(EveryFormat, IsDetectedAndNamed) {
  const Bytes packed = GetParam().pack(Pattern(100, 1));
  const auto found = DetectCompression(packed);
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, GetParam().compression);
  EXPECT_EQ(CompressionName(*found), GetParam().name);
}

TEST_P(EveryFormat, YieldsWhatWasPacked) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{4096}, std::size_t{500000}}) {
    const Bytes data = CompressiblePattern(size, 2);
    const auto unpacked = UnpackAll(GetParam().compression, GetParam().pack(data), 7777);
    ASSERT_TRUE(unpacked) << unpacked.error().message;
    EXPECT_EQ(*unpacked, data);
  }
}

TEST_P(EveryFormat, LargeInputPassesThroughItsSmallWindows) {
  const Bytes data = Pattern(3000000, 5);  // hardly compressible: many refills
  const auto unpacked = UnpackAll(GetParam().compression, GetParam().pack(data), 1 << 20);
  ASSERT_TRUE(unpacked) << unpacked.error().message;
  EXPECT_EQ(*unpacked, data);
}

TEST_P(EveryFormat, TruncationIsAnErrorWhereverItHappens) {
  const Bytes data = CompressiblePattern(20000, 2);
  const Bytes packed = GetParam().pack(data);
  // Linux's four bytes of size are not part of the data proper, so stay clear of them; and an lz4
  // file that ends between its magic number and the first block is an empty one.
  for (std::size_t keep = 9; keep < packed.size() - 5; keep += 97) {
    const auto unpacked = UnpackAll(GetParam().compression, std::span(packed).first(keep), 1 << 20);
    EXPECT_THAT(UsageMessage(unpacked), ::testing::HasSubstr(std::string(GetParam().name))) << keep;
  }
}

TEST_P(EveryFormat, RangeThatRunsPastTheFileIsAnError) {
  const Bytes packed = GetParam().pack(Pattern(1000, 2));
  SpanSource source(packed);
  auto unpacker = MakeUnpacker(GetParam().compression, PackedRange{&source, 0, packed.size() + 1});
  ASSERT_TRUE(unpacker);
  Bytes out(2000);
  const auto got = (*unpacker)->Read(out);
  if (GetParam().compression == Compression::kLz4) {
    // Reads block by block and has met the end before the missing byte.
    EXPECT_FALSE(got && *got == 2000);
  } else {
    EXPECT_THAT(UsageMessage(got), ::testing::HasSubstr("truncated"));
  }
}

TEST_P(EveryFormat, DamageNeverYieldsMoreThanAnError) {
  const Bytes data = CompressiblePattern(20000, 2);
  const Bytes packed = GetParam().pack(data);
  for (std::size_t i = 4; i < packed.size(); i += 61) {
    Bytes damaged = packed;
    damaged[i] ^= std::byte{0x41};
    const auto unpacked = UnpackAll(GetParam().compression, damaged, 1 << 20);
    if (!unpacked) {
      EXPECT_EQ(unpacked.error().kind, ErrorKind::kUsage);
    }
  }
}

TEST(Unpacker, UnsupportedFormatsAreNamed) {
  using namespace std::string_view_literals;
  EXPECT_THAT(UsageMessage(DetectCompression(std::as_bytes(std::span("\x89LZO\0"sv)))),
              ::testing::HasSubstr("LZO"));
  EXPECT_THAT(UsageMessage(DetectCompression(Pattern(16, 1))),
              ::testing::HasSubstr("unknown format"));
  EXPECT_FALSE(DetectCompression({}));
}

TEST(Unpacker, Lz4BlockLargerThanTheFormatAllowsIsDamage) {
  Bytes packed = PackLz4(Pattern(100, 1));
  packed.resize(16 << 20);
  const std::uint32_t huge = 12 << 20;
  std::memcpy(packed.data() + 4, &huge, sizeof(huge));
  EXPECT_THAT(UsageMessage(UnpackAll(Compression::kLz4, packed, 1 << 20)),
              ::testing::HasSubstr("damaged"));
}

TEST(Unpacker, Lz4SpansSeveralBlocks) {
  const Bytes data = CompressiblePattern(9 << 20, 4);
  const auto unpacked = UnpackAll(Compression::kLz4, PackLz4(data), 3 << 20);
  ASSERT_TRUE(unpacked) << unpacked.error().message;
  EXPECT_TRUE(*unpacked == data);
}

class UnpackedSourceTest : public ::testing::Test {
 protected:
  UnpackedSource Make(std::uint64_t limit) {
    packed_ = PackZstd(data_);
    packed_source_ = std::make_unique<SpanSource>(packed_);
    return UnpackedSource(
        std::move(*MakeZstdUnpacker(PackedRange{packed_source_.get(), 0, packed_.size()})), limit);
  }
  Bytes Part(std::size_t offset, std::size_t size) const {
    const auto begin = data_.begin() + static_cast<std::ptrdiff_t>(offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(size)};
  }

  Bytes data_ = CompressiblePattern(300000, 6);
  Bytes packed_;
  std::unique_ptr<SpanSource> packed_source_;
};

TEST_F(UnpackedSourceTest, HeadCanBeReadAgainTheRestOnlyForwards) {
  UnpackedSource source = Make(kMiB);
  Bytes out(1000);
  ASSERT_TRUE(source.ReadAt(200000, out));
  EXPECT_EQ(out, Part(200000, 1000));
  ASSERT_TRUE(source.ReadAt(0, out));
  EXPECT_EQ(out, Part(0, 1000));
  ASSERT_TRUE(source.ReadAt(201000, out));
  EXPECT_EQ(out, Part(201000, 1000));
  EXPECT_THAT(UsageMessage(source.ReadAt(200000, out)), ::testing::HasSubstr("overlap"));
}

TEST_F(UnpackedSourceTest, ReadMayCrossTheEndOfTheHead) {
  UnpackedSource source = Make(kMiB);
  Bytes out(UnpackedSource::kHeadBytes);
  ASSERT_TRUE(source.ReadAt(1000, out));
  EXPECT_EQ(out, Part(1000, UnpackedSource::kHeadBytes));
}

TEST_F(UnpackedSourceTest, OffsetBeyondTheEndYieldsNothing) {
  UnpackedSource source = Make(kMiB);
  Bytes out(10);
  EXPECT_EQ(*source.ReadSome(~std::uint64_t{0} - 5, out), 0U);
}

TEST_F(UnpackedSourceTest, MoreThanTheLimitIsAnError) {
  UnpackedSource source = Make(256 << 10);
  EXPECT_THAT(UsageMessage(source.Finish()), ::testing::HasSubstr("does not fit"));
  UnpackedSource exact = Make(300000);
  EXPECT_TRUE(exact.Finish());
}

}  // namespace
}  // namespace veneer::testing
