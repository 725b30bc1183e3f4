// Statistics files made by hand, as KVM lays them out and as it never should.
#include "src/vmm/kvm/statistics.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "veneer/vmm/base/unique_fd.h"

namespace veneer::kvm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Totals = std::map<std::string, std::uint64_t>;

struct Statistic {
  std::string name;
  std::vector<std::uint64_t> values;
};

// Documentation/virt/kvm/api.rst, 4.134: header, id string, descriptors, data.
class StatsFile {
 public:
  static constexpr std::uint32_t kNameSize = 48;
  static constexpr std::uint32_t kHeaderSize = 24;
  static constexpr std::uint32_t kDescriptorSize = 16 + kNameSize;
  static constexpr std::size_t kCountField = 8;
  static constexpr std::size_t kNameSizeField = 4;
  static constexpr std::size_t kDescriptorOffsetField = 16;
  static constexpr std::size_t kDataOffsetField = 20;

  explicit StatsFile(const std::vector<Statistic>& statistics) {
    const auto count = static_cast<std::uint32_t>(statistics.size());
    const std::uint32_t descriptors = kHeaderSize + kNameSize;
    const std::uint32_t data = descriptors + count * kDescriptorSize;
    bytes_.resize(data);
    const std::uint32_t header[] = {0, kNameSize, count, kHeaderSize, descriptors, data};
    Put(0, header);
    std::memcpy(bytes_.data() + kHeaderSize, "kvm-1/vcpu-0", 12);
    std::uint32_t offset = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::size_t at = descriptors + std::size_t{i} * kDescriptorSize;
      Put(at + 6, static_cast<std::uint16_t>(statistics[i].values.size()));
      Put(at + 8, offset);
      std::memcpy(bytes_.data() + at + 16, statistics[i].name.data(), statistics[i].name.size());
      for (const std::uint64_t value : statistics[i].values) {
        bytes_.resize(bytes_.size() + sizeof value);
        Put(bytes_.size() - sizeof value, value);
        offset += sizeof value;
      }
    }
  }

  template <typename T>
  StatsFile& Put(std::size_t at, const T& value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
    return *this;
  }
  StatsFile& Cut(std::size_t size) {
    bytes_.resize(size);
    return *this;
  }
  std::size_t size() const { return bytes_.size(); }

  void AddTo(Totals& totals) const {
    const UniqueFd fd(memfd_create("stats", MFD_CLOEXEC));
    ASSERT_TRUE(fd.valid());
    ASSERT_EQ(write(fd.get(), bytes_.data(), bytes_.size()), static_cast<ssize_t>(bytes_.size()));
    AddStatistics(fd.get(), totals);
  }
  Totals Read() const {
    Totals totals;
    AddTo(totals);
    return totals;
  }

 private:
  std::vector<std::byte> bytes_;
};

TEST(AddStatistics, ReadsEachByName) {
  EXPECT_THAT(StatsFile({{"exits", {7}}, {"insn_emulation", {1'000'000'000'000}}}).Read(),
              ElementsAre(Pair("exits", 7U), Pair("insn_emulation", 1'000'000'000'000U)));
}

TEST(AddStatistics, SumsOverFiles) {
  Totals totals;
  StatsFile({{"exits", {7}}, {"only_first", {1}}}).AddTo(totals);
  StatsFile({{"exits", {5}}}).AddTo(totals);
  EXPECT_THAT(totals, ElementsAre(Pair("exits", 12U), Pair("only_first", 1U)));
}

TEST(AddStatistics, TakesTheFirstValueOfAHistogram) {
  EXPECT_THAT(StatsFile({{"halt_poll_hist", {3, 4, 5}}, {"after", {9}}}).Read(),
              ElementsAre(Pair("after", 9U), Pair("halt_poll_hist", 3U)));
}

TEST(AddStatistics, TakesANameThatFillsItsField) {
  const std::string name(StatsFile::kNameSize, 'n');
  EXPECT_THAT(StatsFile({{name, {1}}, {"x", {2}}}).Read(),
              ElementsAre(Pair(name, 1U), Pair("x", 2U)));
}

TEST(AddStatistics, TakesAFileWithoutStatistics) { EXPECT_THAT(StatsFile({}).Read(), IsEmpty()); }

TEST(AddStatistics, DoesNothingWithoutAFile) {
  Totals totals{{"kept", 1}};
  AddStatistics(-1, totals);
  EXPECT_THAT(totals, ElementsAre(Pair("kept", 1U)));
}

TEST(AddStatistics, DoesNothingWithATruncatedHeaderOrDescriptor) {
  const StatsFile whole({{"exits", {7}}});
  const std::size_t data = whole.size() - 8;
  for (std::size_t size = 0; size < data; ++size) {
    EXPECT_THAT(StatsFile(whole).Cut(size).Read(), IsEmpty()) << size << " bytes";
  }
}

TEST(AddStatistics, LeavesOutWhatHasNoValueInTheFile) {
  StatsFile file({{"first", {7}}, {"last", {8}}});
  file.Cut(file.size() - 1);
  EXPECT_THAT(file.Read(), ElementsAre(Pair("first", 7U)));
}

TEST(AddStatistics, DoesNothingWithOffsetsOutsideTheFile) {
  EXPECT_THAT(StatsFile({{"exits", {7}}})
                  .Put(StatsFile::kDescriptorOffsetField, std::uint32_t{0xffffffff})
                  .Read(),
              IsEmpty());
  EXPECT_THAT(StatsFile({{"exits", {7}}})
                  .Put(StatsFile::kDataOffsetField, std::uint32_t{0xffffffff})
                  .Read(),
              IsEmpty());
}

TEST(AddStatistics, DoesNotBelieveAbsurdSizes) {
  constexpr std::uint32_t kAbsurd = 0xffffffff;
  EXPECT_THAT(StatsFile({{"exits", {7}}}).Put(StatsFile::kCountField, kAbsurd).Read(), IsEmpty());
  EXPECT_THAT(StatsFile({{"exits", {7}}}).Put(StatsFile::kNameSizeField, kAbsurd).Read(),
              IsEmpty());
  EXPECT_THAT(StatsFile({{"exits", {7}}})
                  .Put(StatsFile::kCountField, kAbsurd)
                  .Put(StatsFile::kNameSizeField, kAbsurd)
                  .Read(),
              IsEmpty());
}

}  // namespace
}  // namespace veneer::kvm
