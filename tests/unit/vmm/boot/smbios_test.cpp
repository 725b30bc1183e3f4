// The tables are walked as Linux's dmi_scan.c does it.
#include "veneer/vmm/boot/smbios.h"

#include <cstring>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "boot_test_util.h"
#include "src/vmm/boot/smbios_layout.h"

namespace veneer::testing {
namespace {

struct Structure {
  Bytes bytes;  // without strings
  std::vector<std::string> strings;
};

unsigned Sum(std::span<const std::byte> bytes) {
  unsigned sum = 0;
  for (const std::byte byte : bytes) {
    sum += std::to_integer<unsigned>(byte);
  }
  return sum % 256;
}

class SmbiosTest : public ::testing::Test {
 protected:
  // By type.
  std::map<unsigned, Structure> Walk(Gpa where) {
    std::map<unsigned, Structure> found;
    const auto entry = *memory_->Read<smbios::EntryPoint>(where);
    EXPECT_EQ(std::memcmp(entry.anchor.data(), "_SM_", 4), 0);
    EXPECT_EQ(std::memcmp(entry.second_anchor.data(), "_DMI_", 5), 0);
    const Bytes raw = ReadGuest(*memory_, where.value, entry.length);
    EXPECT_EQ(Sum(raw), 0U);
    EXPECT_EQ(Sum(std::span(raw).subspan(16)), 0U);
    const Bytes table = ReadGuest(*memory_, entry.table, entry.table_length);
    EXPECT_LE(entry.table + entry.table_length, where.value + kSmbiosLimit);
    std::size_t at = 0;
    for (unsigned i = 0; i < entry.structures; ++i) {
      const std::size_t begin = at;
      const auto length = std::to_integer<std::size_t>(table.at(at + 1));
      Structure& structure = found[std::to_integer<unsigned>(table.at(at))];
      structure.bytes.assign(table.begin() + static_cast<std::ptrdiff_t>(at),
                             table.begin() + static_cast<std::ptrdiff_t>(at + length));
      at += length;
      while (table.at(at) != std::byte{0}) {
        structure.strings.emplace_back(reinterpret_cast<const char*>(&table.at(at)));
        at += structure.strings.back().size() + 1;
      }
      at += structure.strings.empty() ? 2 : 1;
      EXPECT_LE(at - begin, entry.largest);
    }
    EXPECT_EQ(at, table.size());
    return found;
  }

  std::unique_ptr<GuestMemory> memory_ = FlatMemory(1);
};

TEST_F(SmbiosTest, SaysWhatXensHvmloaderSays) {
  const SmbiosConfig config{.xen_version = "4.17", .uuid = {1, 2, 3, 4, 5, 6, 7, 8, 9}};
  ASSERT_TRUE(WriteSmbios(*memory_, kSmbiosDefault, config));
  const auto found = Walk(kSmbiosDefault);
  EXPECT_EQ(found.at(0).strings.at(0), "Xen");
  EXPECT_EQ(found.at(0).strings.at(1), "4.17");
  EXPECT_EQ(found.at(1).strings,
            (std::vector<std::string>{"Xen", "HVM domU", "4.17", ToString(config.uuid)}));
  EXPECT_EQ(std::memcmp(found.at(1).bytes.data() + 8, config.uuid.data(), 16), 0);
  EXPECT_EQ(found.at(3).strings.at(0), "Xen");
  EXPECT_TRUE(found.contains(32));
  EXPECT_TRUE(found.contains(127));
}

TEST_F(SmbiosTest, NeedsRam) { EXPECT_FALSE(WriteSmbios(*memory_, Gpa{0x100000}, {})); }

}  // namespace
}  // namespace veneer::testing
