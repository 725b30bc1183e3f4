// Any bytes as a kernel file: nothing but an error or a kernel inside guest memory may come of it.
//
// The first byte chooses how the rest is wrapped, so that the fuzzer need not discover checksums
// and compression by itself: as it is, as the payload of a bzImage, or as the ELF file that such a
// payload unpacks to.
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "src/vmm/boot/kernel_loader.h"
#include "support/kernel_images.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace {

using veneer::testing::Bytes;

constexpr std::uint64_t kMemoryBytes = std::uint64_t{8} << 20U;

// One guest memory for all runs, cleared after each: making one each time would be most of the
// cost.
veneer::GuestMemory& Memory() {
  static const auto memory = std::move(*veneer::GuestMemory::CreateFlat(kMemoryBytes));
  return *memory;
}

Bytes Wrap(unsigned how, const Bytes& bytes) {
  using Pack = Bytes (*)(std::span<const std::byte>);
  constexpr Pack kPacks[] = {
      veneer::testing::PackGzip,  veneer::testing::PackXz,  veneer::testing::PackLzma,
      veneer::testing::PackBzip2, veneer::testing::PackLz4, veneer::testing::PackZstd,
  };
  veneer::testing::BzImageSpec spec;
  spec.pref_address = 0x200000;
  const unsigned way = how % 8;
  if (way == 0) {
    return bytes;
  }
  spec.payload = way == 1 ? bytes : kPacks[way - 2](bytes);
  return veneer::testing::MakeBzImage(spec);
}

void CheckKernel(const veneer::LoadedKernel& kernel) {
  VENEER_CHECK(!kernel.segments.empty());
  veneer::Gpa previous_end{0x100000};
  bool entry_inside = false;
  for (const veneer::LoadedSegment& segment : kernel.segments) {
    VENEER_CHECK(segment.base >= previous_end);
    VENEER_CHECK(segment.file_size <= segment.memory_size);
    VENEER_CHECK(!Memory().Pin(segment.base, segment.memory_size).empty());
    previous_end = segment.base + segment.memory_size;
    entry_inside |= kernel.entry >= segment.base && kernel.entry < previous_end;
  }
  VENEER_CHECK(entry_inside);
  VENEER_CHECK(kernel.end == previous_end);
  VENEER_CHECK(kernel.setup_header.size() <= 0x290 - 0x1f1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto input = std::as_bytes(std::span(data, size));
  const auto how = std::to_integer<unsigned>(input[0]);
  const Bytes file = Wrap(how, Bytes(input.begin() + 1, input.end()));
  const auto entry = static_cast<veneer::KernelEntry>(how / 8 % 3);
  veneer::SpanSource source(file);
  const auto kernel = veneer::LoadKernelFrom(source, entry, Memory());
  if (kernel) {
    CheckKernel(*kernel);
  } else {
    VENEER_CHECK(kernel.error().kind == veneer::ErrorKind::kUsage);
  }
  const std::span<std::byte> all = Memory().Pin(veneer::Gpa{0}, kMemoryBytes);
  VENEER_CHECK(madvise(all.data(), all.size(), MADV_DONTNEED) == 0);
  return 0;
}

namespace {

// A file that loads, for the fuzzer to start from.
Bytes SeedElf() {
  veneer::testing::ElfSpec spec;
  spec.entry = 0x200000;
  spec.segments.push_back({0x200000, veneer::testing::Pattern(64, 1), 0x2000, true});
  spec.segments.push_back({0x300000, veneer::testing::Pattern(64, 2), 0, false});
  spec.notes = veneer::testing::MakePvhNote(0x200010, 8);
  return veneer::testing::MakeElf64(spec);
}

}  // namespace

// libFuzzer mutates from what it is given: replace a useless start by one that loads.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  if (size < 16) {
    const unsigned how = seed % 24;
    Bytes start = SeedElf();
    if (how % 8 == 1) {
      start = veneer::testing::PackGzip(start);
    } else if (seed % 5 == 0) {
      // A whole bzImage, so that its header is mutated too.
      start = Wrap(2 + seed % 6, start);
    }
    if (start.size() + 1 <= max_size) {
      data[0] = static_cast<std::uint8_t>(how);
      std::copy_n(reinterpret_cast<const std::uint8_t*>(start.data()), start.size(), data + 1);
      size = start.size() + 1;
    }
  }
  return LLVMFuzzerMutate(data, size, max_size);
}
