// A PC's BIOS, entered where a processor begins after a reset. SeaBIOS as Xen's HVM guests have it
// (seabios/src/fw/xen.c) finds Xen by CPUID, and in memory what Xen's hvmloader leaves there: the
// tables and the memory map, at an address that both know.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "byte_source.h"
#include "guest_copy.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/boot/boot_source.h"
#include "veneer/vmm/boot/memory_layout.h"

namespace veneer {
namespace {

constexpr Gpa kImageEnd{0x100000};
constexpr std::uint64_t kImageMax = 0x40000;  // from 0xc0000 on
constexpr std::uint64_t kImageUnit = 0x10000;
// Of the image: the first instruction after a reset, a far jump.
constexpr std::uint64_t kResetVectorFromEnd = 16;
constexpr std::byte kFarJump{0xea};

#pragma pack(push, 1)
struct SeaBiosInfo {
  std::array<char, 14> signature{"XenHVMSeaBIOS"};
  std::uint8_t length = sizeof(SeaBiosInfo);
  std::uint8_t checksum = 0;  // the sum of all bytes is 0
  std::uint32_t tables = 0;  // address of the addresses of the tables that a BIOS keeps below 1 MiB
  std::uint32_t tables_count = 0;
  std::uint32_t e820 = 0;  // address
  std::uint32_t e820_count = 0;
};
struct MapEntry {
  std::uint64_t base;
  std::uint64_t size;
  std::uint32_t type;
};
#pragma pack(pop)
static_assert(sizeof(SeaBiosInfo) == 32 && sizeof(MapEntry) == 20);

constexpr Gpa kInfo{0x1000};
constexpr Gpa kTableList{0x1100};
constexpr Gpa kMap{0x1200};

class Firmware final : public BootSource {
 public:
  explicit Firmware(std::string path) : path_(std::move(path)) {}

  std::vector<GuestMemory::Range> LayOut(
      std::span<const GuestMemory::Range> /*ram*/) const override {
    return {};
  }

  Result<PreparedBoot> Prepare(const BootMachine& machine, GuestMemory& memory) override {
    if (Result<void> loaded = LoadImage(memory); !loaded) {
      return WithContext(std::move(loaded).error(),
                         fmt::format("cannot use the firmware '{}'", path_));
    }
    // Above the RAM that is left to the guest below the PCI devices.
    const Gpa tables_base{EndOfLowRam(machine.ram).value - kAcpiTablesLimit};
    VENEER_TRY_ASSIGN(const AcpiTables tables, WriteAcpiTables(memory, tables_base, machine.acpi));
    std::vector<E820Entry> special = machine.special;
    GuestMemory::Range range = tables.range;
    std::vector<Gpa> kept{tables.rsdp};
    if (machine.smbios) {
      const Gpa smbios = range.base + range.size;
      VENEER_TRY(WriteSmbios(memory, smbios, *machine.smbios));
      kept.push_back(smbios);
      range.size += kPageSize;
      VENEER_CHECK(kSmbiosLimit <= kPageSize && range.size <= kAcpiTablesLimit);
    }
    special.push_back(E820Entry{range.base, range.size, E820Type::kReserved});
    PreparedBoot boot;
    boot.e820 = BuildE820(machine.ram, special);
    WriteInfo(boot.e820, kept, memory);
    boot.entry.protocol = BootProtocol::kReset;
    boot.starts_another = true;
    LogInfo("loaded the firmware {}", path_);
    return boot;
  }

 private:
  Result<void> LoadImage(GuestMemory& memory) const {
    VENEER_TRY_ASSIGN(const std::unique_ptr<FileSource> file, FileSource::Open(path_));
    const std::uint64_t size = file->size();
    VENEER_TRY(RefuseUefi(*file));
    std::array<std::byte, 1> first{};
    if (size >= kImageUnit && size <= kImageMax && size % kImageUnit == 0) {
      VENEER_TRY(file->ReadAt(size - kResetVectorFromEnd, first));
    }
    if (first[0] != kFarJump) {
      return UsageError("it is no image of a PC's BIOS, such as SeaBIOS's bios-256k.bin");
    }
    return CopyToGuest(*file, 0, size, memory, Gpa{kImageEnd.value - size});
  }

  static Result<void> RefuseUefi(FileSource& file) {
    // Of a firmware volume: UEFI's Platform Initialization Specification, vol. 3, 3.2.1.
    constexpr std::uint64_t kSignatureAt = 40;
    constexpr std::array<char, 4> kSignature{'_', 'F', 'V', 'H'};
    std::array<char, 4> found{};
    if (file.size() >= kSignatureAt + found.size()) {
      VENEER_TRY(file.ReadAt(kSignatureAt, std::as_writable_bytes(std::span(found))));
    }
    if (found == kSignature) {
      return UsageError(
          "it is a UEFI firmware for QEMU's flash memory, such as Debian's OVMF; name a PC's BIOS, "
          "such as SeaBIOS's bios-256k.bin, or an OVMF that was built for Xen's PVH guests");
    }
    return {};
  }

  // `tables`: those of which the BIOS puts the beginning below 1 MiB.
  static void WriteInfo(std::span<const E820Entry> e820, std::span<const Gpa> tables,
                        GuestMemory& memory) {
    SeaBiosInfo info;
    info.tables = static_cast<std::uint32_t>(kTableList.value);
    info.tables_count = static_cast<std::uint32_t>(tables.size());
    info.e820 = static_cast<std::uint32_t>(kMap.value);
    info.e820_count = static_cast<std::uint32_t>(e820.size());
    std::uint8_t sum = 0;
    for (const std::byte byte : std::as_bytes(std::span(&info, 1))) {
      sum = static_cast<std::uint8_t>(sum + std::to_integer<unsigned>(byte));
    }
    info.checksum = static_cast<std::uint8_t>(0U - sum);
    VENEER_CHECK(memory.Write(kInfo, info));
    Gpa place = kTableList;
    for (const Gpa table : tables) {
      VENEER_CHECK(memory.Write(place, static_cast<std::uint32_t>(table.value)));
      place = place + sizeof(std::uint32_t);
    }
    place = kMap;
    for (const E820Entry& entry : e820) {
      VENEER_CHECK(memory.Write(
          place, MapEntry{entry.base.value, entry.size, static_cast<std::uint32_t>(entry.type)}));
      place = place + sizeof(MapEntry);
    }
  }

  const std::string path_;
};

}  // namespace

std::unique_ptr<BootSource> MakeFirmware(std::string path) {
  return std::make_unique<Firmware>(std::move(path));
}

}  // namespace veneer
