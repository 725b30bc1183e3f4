#include "veneer/vmm/boot/kernel_image.h"

#include <array>

#include "bzimage.h"
#include "efi_program.h"
#include "elf_file.h"
#include "elf_loader.h"
#include "file_kind.h"
#include "kernel_loader.h"

namespace veneer {

Result<LoadedKernel> LoadKernelFrom(ByteSource& source, KernelEntry entry, GuestMemory& memory) {
  std::array<std::byte, kBzImageHeadBytes> buffer{};
  VENEER_TRY_ASSIGN(const std::size_t got, source.ReadSome(0, buffer));
  const std::span<const std::byte> head = std::span(buffer).first(got);
  if (HasElfMagic(head)) {
    if (entry == KernelEntry::kDecompressor) {
      return UsageError("this is a plain ELF kernel, which has no decompressor to be entered at");
    }
    return LoadElf(source, entry, memory);
  }
  if (HasBzImageMagic(head)) {
    return LoadBzImage(source, entry, memory);
  }
  std::array<std::byte, kEfiHeadBytes> more{};
  VENEER_TRY_ASSIGN(const std::size_t in_all, source.ReadSome(0, more));
  return UsageError("a bzImage or an ELF vmlinux is needed, and this is {}",
                    DescribeFile(std::span(more).first(in_all)));
}

Result<LoadedKernel> LoadKernel(const std::string& path, KernelEntry entry, GuestMemory& memory) {
  auto file = FileSource::Open(path);
  auto kernel = file ? LoadKernelFrom(**file, entry, memory)
                     : Result<LoadedKernel>(tl::unexpected(std::move(file).error()));
  if (!kernel) {
    return WithContext(std::move(kernel).error(), fmt::format("cannot use kernel '{}'", path));
  }
  return kernel;
}

}  // namespace veneer
