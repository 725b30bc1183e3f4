// What an EFI program is that somebody takes for a kernel (Microsoft, PE Format; systemd, UKI
// specification; Linux, include/linux/pe.h and drivers/firmware/efi/libstub/zboot-header.S).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace veneer {

// Enough of a file for DescribeEfiProgram() to see its sections.
inline constexpr std::size_t kEfiHeadBytes = 4096;

// For the user, as DescribeFile(); empty if the file that begins with `head` is no EFI program.
std::string_view DescribeEfiProgram(std::span<const std::byte> head);

}  // namespace veneer
