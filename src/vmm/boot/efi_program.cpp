#include "efi_program.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

namespace veneer {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kPlaceOfPe = 0x3c;  // where the place of the PE header stands, 4 bytes
// From the PE header's signature on.
constexpr std::size_t kMachine = 4;
constexpr std::size_t kSections = 6;
constexpr std::size_t kOptionalBytes = 20;
constexpr std::size_t kHeaderBytes = 24;
constexpr std::size_t kSectionBytes = 40;
constexpr std::size_t kSectionName = 8;

constexpr std::size_t kZbootMagic = 4;
constexpr std::uint16_t kX86_64 = 0x8664;

constexpr std::array kOtherMachines = {
    std::pair<std::uint16_t, std::string_view>{0x014c, "an EFI program for 32-bit x86"},
    std::pair<std::uint16_t, std::string_view>{0x01c2, "an EFI program for 32-bit ARM"},
    std::pair<std::uint16_t, std::string_view>{0x5064, "an EFI program for RISC-V"},
    std::pair<std::uint16_t, std::string_view>{0x6264, "an EFI program for LoongArch"},
    std::pair<std::uint16_t, std::string_view>{0xaa64, "an EFI program for ARM64"},
};

template <typename T>
std::optional<T> ReadAt(std::span<const std::byte> head, std::size_t offset) {
  if (offset > head.size() || head.size() - offset < sizeof(T)) {
    return std::nullopt;
  }
  T value{};
  std::memcpy(&value, head.data() + offset, sizeof(T));
  return value;
}

bool Has(std::span<const std::byte> head, std::size_t offset, std::string_view text) {
  return offset <= head.size() && head.size() - offset >= text.size() &&
         std::memcmp(head.data() + offset, text.data(), text.size()) == 0;
}

// Whether one of the sections whose table begins at `table` is a kernel.
bool HasLinuxSection(std::span<const std::byte> head, std::size_t table, unsigned sections) {
  for (unsigned i = 0; i < sections; ++i) {
    const std::size_t name = table + i * kSectionBytes;
    if (Has(head, name, ".linux\0\0"sv)) {
      return true;
    }
    if (name + kSectionName > head.size()) {
      break;
    }
  }
  return false;
}

}  // namespace

std::string_view DescribeEfiProgram(std::span<const std::byte> head) {
  const auto pe = ReadAt<std::uint32_t>(head, kPlaceOfPe);
  if (!Has(head, 0, "MZ"sv) || !pe || !Has(head, *pe, "PE\0\0"sv)) {
    return {};
  }
  const auto machine = ReadAt<std::uint16_t>(head, *pe + kMachine);
  const auto sections = ReadAt<std::uint16_t>(head, *pe + kSections);
  const auto optional = ReadAt<std::uint16_t>(head, *pe + kOptionalBytes);
  if (!machine || !sections || !optional) {
    return {};
  }
  if (Has(head, kZbootMagic, "zimg"sv)) {
    return "an EFI zboot image, as kernels for ARM64, RISC-V and LoongArch come in: use a kernel "
           "for x86-64";
  }
  const auto* other =
      std::ranges::find(kOtherMachines, *machine, [](const auto& known) { return known.first; });
  if (other != kOtherMachines.end()) {
    return other->second;
  }
  if (*machine == kX86_64 &&
      HasLinuxSection(head, std::size_t{*pe} + kHeaderBytes + *optional, *sections)) {
    return "a unified kernel image (UKI): take its kernel out with 'objcopy -O binary "
           "--only-section=.linux UKI KERNEL', and its initrd likewise from .initrd";
  }
  return "an EFI program, not a Linux kernel";
}

}  // namespace veneer
