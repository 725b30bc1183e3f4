#include "support/kernel_images.h"

#include <xen/elfnote.h>

#include <algorithm>
#include <cstring>

#include <asm/bootparam.h>
#include <bzlib.h>
#include <elf.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "veneer/vmm/base/check.h"

namespace veneer::testing {
namespace {

template <typename T>
void Append(Bytes& to, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void AppendBytes(Bytes& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void AppendSize(Bytes& to, std::size_t size) { Append(to, static_cast<std::uint32_t>(size)); }

template <typename T>
void Put(Bytes& to, std::size_t offset, const T& value) {
  VENEER_CHECK(offset + sizeof(value) <= to.size());
  std::memcpy(to.data() + offset, &value, sizeof(value));
}

template <typename Ehdr, typename Phdr, typename Addr>
Bytes MakeElf(const ElfSpec& spec, std::uint16_t machine) {
  std::vector<Phdr> table;
  const bool has_note = spec.notes || spec.notes_in_segment;
  const std::size_t count = spec.segments.size() + (has_note ? 1 : 0);
  std::size_t offset = sizeof(Ehdr) + count * sizeof(Phdr);
  for (const TestSegment& segment : spec.segments) {
    Phdr header{};
    header.p_type = PT_LOAD;
    header.p_flags = static_cast<Elf64_Word>(segment.executable ? PF_R | PF_X : PF_R | PF_W);
    header.p_offset = static_cast<Addr>(offset);
    header.p_paddr = header.p_vaddr = static_cast<Addr>(segment.paddr);
    header.p_filesz = static_cast<Addr>(segment.data.size());
    header.p_memsz =
        segment.memory_size != 0 ? static_cast<Addr>(segment.memory_size) : header.p_filesz;
    table.push_back(header);
    offset += segment.data.size();
  }
  if (has_note) {
    Phdr header{};
    header.p_type = PT_NOTE;
    header.p_align = static_cast<Addr>(spec.notes_align);
    if (spec.notes) {
      header.p_offset = static_cast<Addr>(offset);
      header.p_filesz = static_cast<Addr>(spec.notes->size());
    } else {
      header.p_offset =
          static_cast<Addr>(table.at(*spec.notes_in_segment).p_offset + spec.note_offset);
      header.p_filesz = static_cast<Addr>(spec.note_size);
    }
    table.push_back(header);
  }
  Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = sizeof(Addr) == 8 ? ELFCLASS64 : ELFCLASS32;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = spec.type;
  header.e_machine = machine;
  header.e_entry = static_cast<Addr>(spec.entry);
  header.e_phoff = sizeof(Ehdr);
  header.e_phentsize = sizeof(Phdr);
  header.e_phnum = static_cast<Elf64_Half>(table.size());
  Bytes file;
  Append(file, header);
  AppendBytes(file, std::as_bytes(std::span(table)));
  for (const TestSegment& segment : spec.segments) {
    AppendBytes(file, segment.data);
  }
  if (spec.notes) {
    AppendBytes(file, *spec.notes);
  }
  return file;
}

void AppendPadded(Bytes& to, std::span<const std::byte> bytes) {
  AppendBytes(to, bytes);
  to.resize((to.size() + 3) / 4 * 4);
}

template <typename T>
T* As(const std::byte* bytes) {
  // Compression libraries have byte types of their own, and some are careless about const.
  return reinterpret_cast<T*>(const_cast<std::byte*>(bytes));
}

}  // namespace

Bytes Pattern(std::size_t count, std::uint32_t seed) {
  Bytes bytes(count);
  std::uint32_t state = seed * 2654435761U + 1;
  for (std::byte& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::byte>((state >> 24U) | 1U);  // never zero
  }
  return bytes;
}

Bytes CompressiblePattern(std::size_t count, std::uint32_t seed) {
  Bytes bytes = Pattern(count, seed);
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 64 >= 16) {
      bytes[i] = static_cast<std::byte>(i / 4096 % 255 + 1);
    }
  }
  return bytes;
}

Bytes MakeElf64(const ElfSpec& spec) {
  return MakeElf<Elf64_Ehdr, Elf64_Phdr, std::uint64_t>(spec, spec.machine);
}

Bytes MakeElf32(const ElfSpec& spec) {
  return MakeElf<Elf32_Ehdr, Elf32_Phdr, std::uint32_t>(
      spec, spec.machine == EM_X86_64 ? std::uint16_t{EM_386} : spec.machine);
}

Bytes MakeNote(std::string_view owner_with_nul, std::uint32_t type,
               std::span<const std::byte> value) {
  Bytes note;
  Append(note, Elf64_Nhdr{static_cast<Elf64_Word>(owner_with_nul.size()),
                          static_cast<Elf64_Word>(value.size()), type});
  AppendPadded(note, std::as_bytes(std::span(owner_with_nul)));
  AppendPadded(note, value);
  return note;
}

Bytes MakePvhNote(std::uint64_t entry, std::size_t value_bytes) {
  using namespace std::string_view_literals;
  return MakeNote("Xen\0"sv, XEN_ELFNOTE_PHYS32_ENTRY,
                  std::as_bytes(std::span(&entry, 1)).first(value_bytes));
}

std::size_t PayloadOffset(const BzImageSpec& spec) {
  constexpr std::size_t kStartupCode = 0x400;  // before the payload
  return (spec.setup_sects + std::size_t{1}) * 512 + kStartupCode;
}

Bytes MakeBzImage(const BzImageSpec& spec) {
  const std::size_t kernel_offset = (spec.setup_sects + std::size_t{1}) * 512;
  const std::size_t payload_offset = PayloadOffset(spec);
  setup_header header{};
  header.setup_sects = spec.setup_sects;
  header.boot_flag = 0xaa55;
  header.jump = static_cast<std::uint16_t>(0xeb | spec.header_length << 8U);
  header.header = 0x53726448;
  header.version = spec.version;
  header.loadflags = spec.loadflags;
  header.xloadflags = spec.xloadflags;
  header.cmdline_size = spec.cmdline_size;
  header.initrd_addr_max = spec.initrd_addr_max;
  header.pref_address = spec.pref_address;
  header.init_size = spec.init_size;
  header.kernel_alignment = 0x200000;
  header.relocatable_kernel = 1;
  header.payload_offset = static_cast<std::uint32_t>(payload_offset - kernel_offset);
  header.payload_length = static_cast<std::uint32_t>(spec.payload.size());
  const std::size_t paragraphs = (payload_offset - kernel_offset + spec.payload.size() + 15) / 16;
  header.syssize = static_cast<std::uint32_t>(paragraphs);

  Bytes file = Pattern(kernel_offset + paragraphs * 16, 7);
  Put(file, offsetof(boot_params, hdr), header);
  std::copy(spec.payload.begin(), spec.payload.end(),
            file.begin() + static_cast<std::ptrdiff_t>(payload_offset));
  return file;
}

Bytes PackGzip(std::span<const std::byte> data) {
  z_stream stream{};
  VENEER_CHECK(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes out(deflateBound(&stream, data.size()));
  stream.next_in = As<Bytef>(data.data());
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = As<Bytef>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  VENEER_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Bytes PackXz(std::span<const std::byte> data) {
  lzma_options_lzma options;
  VENEER_CHECK(lzma_lzma_preset(&options, 1) == 0);
  lzma_filter filters[] = {
      {LZMA_FILTER_X86, nullptr}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  Bytes out(lzma_stream_buffer_bound(data.size()));
  std::size_t size = 0;
  VENEER_CHECK(lzma_stream_buffer_encode(
                   filters, LZMA_CHECK_CRC32, nullptr, As<const std::uint8_t>(data.data()),
                   data.size(), As<std::uint8_t>(out.data()), &size, out.size()) == LZMA_OK);
  out.resize(size);
  AppendSize(out, data.size());
  return out;
}

Bytes PackLzma(std::span<const std::byte> data) {
  lzma_options_lzma options;
  VENEER_CHECK(lzma_lzma_preset(&options, 1) == 0);
  lzma_stream stream = LZMA_STREAM_INIT;
  VENEER_CHECK(lzma_alone_encoder(&stream, &options) == LZMA_OK);
  Bytes out(lzma_stream_buffer_bound(data.size()) + 64);
  stream.next_in = As<const std::uint8_t>(data.data());
  stream.avail_in = data.size();
  stream.next_out = As<std::uint8_t>(out.data());
  stream.avail_out = out.size();
  VENEER_CHECK(lzma_code(&stream, LZMA_FINISH) == LZMA_STREAM_END);
  out.resize(stream.total_out);
  lzma_end(&stream);
  AppendSize(out, data.size());
  return out;
}

Bytes PackBzip2(std::span<const std::byte> data) {
  Bytes out(data.size() + data.size() / 100 + 600);
  auto size = static_cast<unsigned>(out.size());
  VENEER_CHECK(BZ2_bzBuffToBuffCompress(As<char>(out.data()), &size, As<char>(data.data()),
                                        static_cast<unsigned>(data.size()), 1, 0, 0) == BZ_OK);
  out.resize(size);
  AppendSize(out, data.size());
  return out;
}

Bytes PackLz4(std::span<const std::byte> data) {
  constexpr std::size_t kBlock = std::size_t{8} << 20U;
  Bytes out;
  Append(out, std::uint32_t{0x184c2102});
  for (std::size_t done = 0; done < data.size(); done += kBlock) {
    const auto block = data.subspan(done, std::min(kBlock, data.size() - done));
    Bytes packed(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(block.size()))));
    const int size =
        LZ4_compress_default(As<const char>(block.data()), As<char>(packed.data()),
                             static_cast<int>(block.size()), static_cast<int>(packed.size()));
    VENEER_CHECK(size > 0);
    packed.resize(static_cast<std::size_t>(size));
    AppendSize(out, packed.size());
    AppendBytes(out, packed);
  }
  AppendSize(out, data.size());
  return out;
}

Bytes PackZstd(std::span<const std::byte> data) {
  Bytes out(ZSTD_compressBound(data.size()));
  const std::size_t size = ZSTD_compress(out.data(), out.size(), data.data(), data.size(), 3);
  VENEER_CHECK(ZSTD_isError(size) == 0U);
  out.resize(size);
  AppendSize(out, data.size());
  return out;
}

}  // namespace veneer::testing
