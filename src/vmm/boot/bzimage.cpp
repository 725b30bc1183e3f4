#include "bzimage.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <asm/bootparam.h>

#include "elf_file.h"
#include "elf_loader.h"
#include "guest_copy.h"
#include "guest_fit.h"
#include "unpacked_source.h"
#include "unpacker.h"

namespace veneer {
namespace {

constexpr std::size_t kHeaderOffset = offsetof(boot_params, hdr);
constexpr std::size_t kMagicOffset = kHeaderOffset + offsetof(setup_header, header);
constexpr std::uint32_t kMagic = 0x53726448;  // "HdrS"
constexpr std::size_t kBootFlagOffset = kHeaderOffset + offsetof(setup_header, boot_flag);
constexpr std::uint16_t kBootFlag = 0xaa55;
constexpr std::size_t kSectorBytes = 512;
constexpr unsigned kDefaultSetupSectors = 4;
constexpr std::size_t kFixedHeaderEnd = 0x202;  // the length byte at 0x201 counts from here
constexpr std::uint64_t k64BitEntryOffset = 0x200;
constexpr std::uint64_t kMaxUnpackedBytes = std::uint64_t{1} << 30U;

constexpr std::uint16_t kProtocolPayload = 0x208;  // first to have payload_offset
constexpr std::uint16_t kProtocolXloadflags = 0x20c;

using Head = std::array<std::byte, kBzImageHeadBytes>;

template <typename T>
T Field(std::span<const std::byte> head, std::size_t offset) {
  T value;
  std::memcpy(&value, head.data() + offset, sizeof(value));
  return value;
}

struct BzImage {
  setup_header header;
  std::vector<std::byte> raw_header;
  std::uint64_t kernel_offset = 0;  // of the protected-mode part, in the file
  std::uint64_t kernel_size = 0;    // bytes
};

Result<BzImage> ReadHeader(ByteSource& source) {
  Head head{};
  VENEER_TRY(source.ReadAt(0, head));
  // What lies past the end that the header states is code, not fields.
  const std::size_t stated_end = kFixedHeaderEnd + std::to_integer<std::size_t>(head[0x201]);
  const std::size_t end = std::min(stated_end, head.size());
  std::fill(head.begin() + static_cast<std::ptrdiff_t>(end), head.end(), std::byte{0});

  BzImage image{};
  image.header = Field<setup_header>(head, kHeaderOffset);
  image.raw_header.assign(head.begin() + kHeaderOffset,
                          head.begin() + static_cast<std::ptrdiff_t>(end));
  const setup_header& header = image.header;
  if (header.version < kProtocolPayload) {
    return UsageError(
        "this kernel's boot protocol {}.{:02} is too old: 2.08 (Linux 2.6.26) or newer is needed",
        header.version >> 8U, header.version & 0xffU);
  }
  if ((header.loadflags & LOADED_HIGH) == 0) {
    return UsageError("this is a zImage, which loads into low memory: use a bzImage");
  }
  const unsigned sectors = header.setup_sects != 0 ? header.setup_sects : kDefaultSetupSectors;
  image.kernel_offset = (sectors + std::uint64_t{1}) * kSectorBytes;
  image.kernel_size = std::uint64_t{header.syssize} * 16;
  return image;
}

KernelLimits Limits(const setup_header& header) {
  KernelLimits limits;
  if (header.cmdline_size != 0) {
    limits.cmdline_max = header.cmdline_size;
  }
  if (header.initrd_addr_max != 0) {
    limits.initrd_last = Gpa{header.initrd_addr_max};
  }
  return limits;
}

Result<LoadedKernel> Unpack(ByteSource& source, const BzImage& image, KernelEntry entry,
                            GuestMemory& memory) {
  const PackedRange packed{&source, image.kernel_offset + image.header.payload_offset,
                           image.header.payload_length};
  if (image.header.payload_length == 0) {
    return UsageError("this bzImage has no kernel inside (its payload is empty)");
  }
  std::array<std::byte, 16> magic{};
  VENEER_TRY_ASSIGN(const std::size_t got, source.ReadSome(packed.offset, magic));
  VENEER_TRY_ASSIGN(const Compression compression, DetectCompression(std::span(magic).first(got)));
  VENEER_TRY_ASSIGN(auto unpacker, MakeUnpacker(compression, packed));
  // Every byte unpacked goes to RAM, but for headers and relocations: more than that cannot fit.
  UnpackedSource unpacked(std::move(unpacker), std::min(kMaxUnpackedBytes, memory.TotalBytes()));
  std::array<std::byte, 16> inner{};
  VENEER_TRY_ASSIGN(const std::size_t inner_size, unpacked.ReadSome(0, inner));
  if (!HasElfMagic(std::span(inner).first(inner_size))) {
    return UsageError("what the bzImage holds ({} data) is not an ELF kernel",
                      CompressionName(compression));
  }
  VENEER_TRY_ASSIGN(LoadedKernel kernel, LoadElf(unpacked, entry, memory));
  VENEER_TRY(unpacked.Finish());
  kernel.description = fmt::format("bzImage ({})", CompressionName(compression));
  return kernel;
}

Result<LoadedKernel> LoadPacked(ByteSource& source, const BzImage& image, GuestMemory& memory) {
  const setup_header& header = image.header;
  if (header.version < kProtocolXloadflags || (header.xloadflags & XLF_KERNEL_64) == 0) {
    return UsageError(
        "this kernel's own decompressor has no 64-bit entry (it is a 32-bit kernel, "
        "or older than Linux 3.8)");
  }
  if (image.kernel_size <= k64BitEntryOffset) {
    return UsageError("this bzImage is damaged: its header says the kernel has {} bytes",
                      image.kernel_size);
  }
  const Gpa base{header.pref_address};
  const std::uint64_t needed = std::max<std::uint64_t>(header.init_size, image.kernel_size);
  VENEER_TRY(CheckKernelFits(base, needed, memory));
  VENEER_TRY(CopyToGuest(source, image.kernel_offset, image.kernel_size, memory, base));
  LoadedKernel kernel;
  kernel.entry = base + k64BitEntryOffset;
  kernel.segments.push_back(LoadedSegment{base, image.kernel_size, needed, true});
  kernel.end = base + needed;
  kernel.description = "bzImage (unpacks itself)";
  return kernel;
}

}  // namespace

bool HasBzImageMagic(std::span<const std::byte> head) {
  return head.size() >= kMagicOffset + sizeof(kMagic) &&
         Field<std::uint32_t>(head, kMagicOffset) == kMagic &&
         Field<std::uint16_t>(head, kBootFlagOffset) == kBootFlag;
}

Result<LoadedKernel> LoadBzImage(ByteSource& source, KernelEntry entry, GuestMemory& memory) {
  VENEER_TRY_ASSIGN(BzImage image, ReadHeader(source));
  auto kernel = entry == KernelEntry::kDecompressor ? LoadPacked(source, image, memory)
                                                    : Unpack(source, image, entry, memory);
  if (kernel) {
    kernel->limits = Limits(image.header);
    kernel->setup_header = std::move(image.raw_header);
  }
  return kernel;
}

}  // namespace veneer
