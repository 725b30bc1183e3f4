#include "file_kind.h"

#include <array>
#include <cstring>

#include "efi_program.h"

namespace veneer {
namespace {

using namespace std::string_view_literals;

struct Kind {
  std::size_t offset;
  std::string_view magic;
  std::string_view description;
};

// The first match counts.
constexpr std::array kKinds = {
    Kind{0, "070701"sv, "an initramfs (cpio archive)"sv},
    Kind{0, "070702"sv, "an initramfs (cpio archive)"sv},
    Kind{0, "\x1f\x8b"sv, "a gzip file, perhaps an initrd or a packed vmlinux: unpack it"sv},
    Kind{0, "\xfd\x37zXZ\0"sv, "an xz file, perhaps an initrd or a packed vmlinux: unpack it"sv},
    Kind{0, "\x28\xb5\x2f\xfd"sv,
         "a zstd file, perhaps an initrd or a packed vmlinux: unpack it"sv},
    Kind{0, "\x02\x21\x4c\x18"sv,
         "an lz4 file, perhaps an initrd or a packed vmlinux: unpack it"sv},
    Kind{0, "BZh"sv, "a bzip2 file, perhaps an initrd or a packed vmlinux: unpack it"sv},
    Kind{0, "hsqs"sv, "a squashfs image"sv},
    Kind{0, "QFI\xfb"sv, "a qcow2 disk image"sv},
    Kind{0, "\x27\x05\x19\x56"sv, "a U-Boot image"sv},
    Kind{0, "!<arch>\n"sv, "a package or library archive"sv},
    Kind{0, "#!"sv, "a script"sv},
    Kind{0x24, "\x18\x28\x6f\x01"sv, "a 32-bit ARM kernel"sv},
    Kind{0x38, "ARM\x64"sv, "an ARM64 kernel"sv},
    Kind{0x30, "RISCV\0"sv, "a RISC-V kernel"sv},
    Kind{0, "MZ"sv, "an EFI or Windows program, not a Linux kernel"sv},
    Kind{0x1fe, "\x55\xaa"sv, "a boot sector or disk image"sv},
};

}  // namespace

std::string_view DescribeFile(std::span<const std::byte> head) {
  if (const std::string_view efi = DescribeEfiProgram(head); !efi.empty()) {
    return efi;
  }
  for (const Kind& kind : kKinds) {
    if (head.size() >= kind.offset + kind.magic.size() &&
        std::memcmp(head.data() + kind.offset, kind.magic.data(), kind.magic.size()) == 0) {
      return kind.description;
    }
  }
  return "nothing that looks like a kernel";
}

}  // namespace veneer
