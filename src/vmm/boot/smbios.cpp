#include "veneer/vmm/boot/smbios.h"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string_view>

#include "acpi/table_bytes.h"
#include "smbios_layout.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr std::string_view kManufacturer = "Xen";
constexpr std::string_view kProduct = "HVM domU";
constexpr std::string_view kReleaseDate = "12/12/2022";  // of Xen 4.17
constexpr std::size_t kTablesAt = 32;                    // behind the entry point

class Structures {
 public:
  template <typename Structure>
  void Add(Structure structure, std::initializer_list<std::string_view> strings = {}) {
    structure.header.handle = count_++;
    const std::size_t begin = bytes_.size();
    Append(bytes_, structure);
    for (const std::string_view text : strings) {
      std::ranges::transform(text, std::back_inserter(bytes_),
                             [](char letter) { return static_cast<std::byte>(letter); });
      bytes_.push_back(std::byte{0});
    }
    // A string of no characters ends them, and there is no other way to have none.
    bytes_.insert(bytes_.end(), strings.size() == 0 ? 2 : 1, std::byte{0});
    largest_ = std::max(largest_, bytes_.size() - begin);
  }

  const TableBytes& bytes() const { return bytes_; }
  std::uint16_t count() const { return count_; }
  std::size_t largest() const { return largest_; }

 private:
  TableBytes bytes_;
  std::uint16_t count_ = 0;
  std::size_t largest_ = 0;
};

Structures MakeStructures(const SmbiosConfig& config) {
  Structures structures;
  structures.Add(smbios::Bios{}, {kManufacturer, config.xen_version, kReleaseDate});
  smbios::System system;
  system.uuid = config.uuid;
  structures.Add(system, {kManufacturer, kProduct, config.xen_version, ToString(config.uuid)});
  structures.Add(smbios::Chassis{}, {kManufacturer});
  structures.Add(smbios::Boot{});
  structures.Add(smbios::End{});
  return structures;
}

TableBytes MakeEntryPoint(const Structures& structures, Gpa tables) {
  smbios::EntryPoint entry;
  entry.largest = static_cast<std::uint16_t>(structures.largest());
  entry.table_length = static_cast<std::uint16_t>(structures.bytes().size());
  entry.table = static_cast<std::uint32_t>(tables.value);
  entry.structures = structures.count();
  TableBytes bytes;
  Append(bytes, entry);
  bytes[offsetof(smbios::EntryPoint, second_checksum)] = std::byte{
      TableChecksum(std::span(bytes).subspan(offsetof(smbios::EntryPoint, second_anchor)))};
  bytes[offsetof(smbios::EntryPoint, checksum)] = std::byte{TableChecksum(bytes)};
  return bytes;
}

}  // namespace

Result<void> WriteSmbios(GuestMemory& memory, Gpa where, const SmbiosConfig& config) {
  const Structures structures = MakeStructures(config);
  TableBytes image = MakeEntryPoint(structures, where + kTablesAt);
  image.resize(kTablesAt);
  image.insert(image.end(), structures.bytes().begin(), structures.bytes().end());
  VENEER_CHECK(image.size() <= kSmbiosLimit && where.value % 16 == 0);
  if (!memory.WriteBytes(where, image)) {
    return UsageError("the SMBIOS tables do not fit: the guest has no RAM at {:#x}; give it more",
                      where.value);
  }
  return {};
}

}  // namespace veneer
