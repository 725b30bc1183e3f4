#include "veneer/vmm/memory/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "veneer/vmm/base/check.h"
#include "veneer/vmm/memory/racing_copy.h"

namespace veneer {
namespace {

constexpr std::uint64_t kHugePage = 2U << 20U;  // bytes

// The first number from `from` on that lies where `like` does within a huge page. One can hold a
// piece of RAM only if that is so of its place in the guest, in the file and in this process.
std::uint64_t AlignLike(std::uint64_t from, std::uint64_t like) {
  return from + ((like - from) & (kHugePage - 1));
}

// Room for `size` bytes at an address that lies in huge pages as `like` does; null if there is
// none.
std::byte* ReserveLike(std::uint64_t size, std::uint64_t like) {
  const std::uint64_t reserved = size + kHugePage;
  void* const room =
      mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    return nullptr;
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(room);
  const std::uint64_t before = AlignLike(begin, like) - begin;
  std::byte* const host = static_cast<std::byte*>(room) + before;
  if (before > 0) {
    munmap(room, before);
  }
  munmap(host + size, reserved - before - size);  // `before` is less than kHugePage
  return host;
}

// One page of this process, with the content of `page`; null if the host has no room.
std::byte* CopyOfPage(const std::byte* page) {
  void* const copy =
      mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) {
    return nullptr;
  }
  CopyRacing(static_cast<std::byte*>(copy), page, kPageSize);
  return static_cast<std::byte*>(copy);
}

}  // namespace

bool GuestMemory::Area::Holds(Gpa gpa, std::uint64_t length) const {
  if (!whole.Contains(gpa, length)) {
    return false;
  }
  const Gpa end = gpa + length;
  Gpa at = std::max(gpa, whole.base + region_size);
  for (; at < end; at = Gpa{(at.value / kPieceSize + 1) * kPieceSize}) {
    if (!Grown(at).load(std::memory_order_acquire)) {
      return false;
    }
  }
  return true;
}

std::optional<MemoryRegion> GuestMemory::Area::PieceAt(Gpa gpa) const {
  const Gpa base{gpa.value / kPieceSize * kPieceSize};
  if (base < whole.base + region_size || !whole.Contains(base, kPieceSize)) {
    return std::nullopt;
  }
  return MemoryRegion{base, kPieceSize, Host(base)};
}

Result<std::unique_ptr<GuestMemory>> GuestMemory::Create(std::span<const Range> ranges,
                                                         const Options& options) {
  std::unique_ptr<GuestMemory> memory(new GuestMemory(options));
  std::uint64_t file_size = 0;
  std::vector<std::uint64_t> offsets;
  for (const Range& range : ranges) {
    VENEER_CHECK(range.base.PageOffset() == 0 && range.size % kPageSize == 0 &&
                 range.room % kPageSize == 0 && range.size + range.room > 0);
    offsets.push_back(AlignLike(file_size, range.base.value));
    file_size = offsets.back() + range.size + range.room;
  }
  VENEER_TRY(memory->OpenBacking(file_size));
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    VENEER_TRY(memory->MapArea(ranges[i], offsets[i]));
  }
  return memory;
}

Result<void> GuestMemory::OpenBacking(std::uint64_t file_size) {
  if (options_.backing == MemoryBacking::kAnonymous) {
    // A private mapping of /dev/zero is anonymous memory to the kernel in all but its name in
    // /proc/PID/smaps, by which the guest's RAM can be told from the VMM's.
    fd_.Reset(open("/dev/zero", O_RDWR | O_CLOEXEC));
    if (!fd_.valid()) {
      return ErrnoError(errno, "cannot open /dev/zero for the guest's RAM");
    }
    return {};
  }
  fd_.Reset(memfd_create("veneer-ram", MFD_CLOEXEC));
  if (!fd_.valid()) {
    return ErrnoError(errno, "cannot make a memory file for the guest's RAM");
  }
  if (ftruncate(fd_.get(), static_cast<off_t>(file_size)) != 0) {
    return ErrnoError(errno, fmt::format("cannot reserve {} MiB for the guest", file_size >> 20U));
  }
  return {};
}

Result<void> GuestMemory::MapArea(const Range& range, std::uint64_t file_offset) {
  const std::uint64_t size = range.size + range.room;
  std::byte* const host = ReserveLike(size, range.base.value);
  if (host == nullptr) {
    return ErrnoError(errno, fmt::format("cannot map {} MiB for the guest", size >> 20U));
  }
  Area& area = areas_.emplace_back();
  area.whole = MemoryRegion{range.base, size, host};
  area.region_size = range.size;
  area.file_offset = file_offset;
  if (range.room > 0) {
    const std::uint64_t last = area.End().value - 1;
    area.grown = std::make_unique<std::atomic<bool>[]>(last / kPieceSize -
                                                       range.base.value / kPieceSize + 1);
  }
  if (range.size == 0) {
    return {};
  }
  const MemoryRegion region{range.base, range.size, host};
  VENEER_TRY(MapRam(area, region));
  regions_.push_back(region);
  return {};
}

Result<void> GuestMemory::MapRam(const Area& area, const MemoryRegion& region) {
  const bool file = options_.backing == MemoryBacking::kMemfd;
  if (mmap(region.host, region.size, PROT_READ | PROT_WRITE,
           (file ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE | MAP_FIXED, fd_.get(),
           static_cast<off_t>(area.FileOffset(region.base))) == MAP_FAILED) {
    return ErrnoError(errno, fmt::format("cannot map {} MiB for the guest", region.size >> 20U));
  }
  // Wishes: the kernel may be built or set up without them.
  static_cast<void>(
      madvise(region.host, region.size, options_.huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE));
  static_cast<void>(madvise(region.host, region.size, MADV_DONTDUMP));
  return {};
}

Result<void> GuestMemory::ShowTo(MemorySlots& slots) {
  for (const MemoryRegion& region : regions_) {
    VENEER_TRY(slots.AddSlot(region));
  }
  slots_ = &slots;
  return {};
}

std::optional<GuestMemory::Range> GuestMemory::Grow(Gpa gpa) {
  const MutexLock lock(overlay_mutex_);
  for (const Area& area : areas_) {
    const std::optional<MemoryRegion> piece = area.PieceAt(gpa);
    if (!piece) {
      continue;
    }
    if (area.Grown(gpa) || pieces_ >= options_.most_pieces) {
      return std::nullopt;
    }
    if (const Result<void> added = Add(area, *piece); !added) {
      LogGuest(limiter_, "the guest's memory does not grow: {}", added.error().message);
      return std::nullopt;
    }
    return Range{piece->base, piece->size};
  }
  return std::nullopt;
}

Result<void> GuestMemory::Add(const Area& area, const MemoryRegion& piece) {
  VENEER_TRY(MapRam(area, piece));
  if (slots_ != nullptr) {
    VENEER_TRY(slots_->AddSlot(piece));
  }
  ++pieces_;
  area.Grown(piece.base).store(true, std::memory_order_release);
  return {};
}

Result<std::unique_ptr<GuestMemory>> GuestMemory::CreateFlat(std::uint64_t size) {
  const Range range{Gpa{0}, size};
  return Create(std::span(&range, 1), Options{.huge_pages = false});
}

GuestMemory::~GuestMemory() {
  for (const Area& area : areas_) {
    munmap(area.whole.host, area.whole.size);
  }
  for (const auto& [gpa, covered] : overlays_) {
    if (covered.page != nullptr) {
      munmap(covered.page, kPageSize);
    }
  }
}

std::uint64_t GuestMemory::ResidentBytes() const {
  std::uint64_t pages = 0;
  for (const Area& area : areas_) {
    std::vector<unsigned char> resident(area.whole.size / kPageSize);
    if (mincore(area.whole.host, area.whole.size, resident.data()) == 0) {
      pages += static_cast<std::uint64_t>(std::count_if(
          resident.begin(), resident.end(), [](unsigned char byte) { return (byte & 1U) != 0; }));
    }
  }
  return pages * kPageSize;
}

std::uint64_t GuestMemory::TotalBytes() const {
  std::uint64_t total = 0;
  for (const MemoryRegion& region : regions_) {
    total += region.size;
  }
  return total;
}

const GuestMemory::Area* GuestMemory::Find(Gpa gpa, std::uint64_t length) const {
  for (const Area& area : areas_) {
    if (area.Holds(gpa, length)) {
      return &area;
    }
  }
  return nullptr;
}

std::span<std::byte> GuestMemory::Pin(Gpa gpa, std::uint64_t length) const {
  const Area* area = Find(gpa, length);
  if (area == nullptr || length == 0) {
    return {};
  }
  return {area->Host(gpa), length};
}

bool GuestMemory::ReadBytes(Gpa gpa, std::span<std::byte> out) const {
  const std::span<std::byte> from = Pin(gpa, out.size());
  if (from.empty()) {
    return out.empty();
  }
  CopyRacing(out.data(), from.data(), out.size());
  return true;
}

bool GuestMemory::WriteBytes(Gpa gpa, std::span<const std::byte> data) {
  const std::span<std::byte> to = Pin(gpa, data.size());
  if (to.empty()) {
    return data.empty();
  }
  CopyRacing(to.data(), data.data(), data.size());
  return true;
}

bool GuestMemory::Fill(Gpa gpa, std::uint64_t length, std::byte value) {
  const std::span<std::byte> to = Pin(gpa, length);
  if (to.empty()) {
    return length == 0;
  }
  std::memset(to.data(), std::to_integer<int>(value), to.size());
  return true;
}

Result<void> GuestMemory::MapOverlay(Gpa gpa, const SharedPages& pages, std::size_t index) {
  VENEER_CHECK(index < pages.pages());
  const std::span<std::byte> target = Pin(gpa, kPageSize);
  if (target.empty() || gpa.PageOffset() != 0) {
    return UsageError("no guest RAM at {:#x} to lay a shared page over", gpa.value);
  }
  const MutexLock lock(overlay_mutex_);
  const bool first = !overlays_.contains(gpa);
  Covered covered;
  if (first && options_.backing == MemoryBacking::kAnonymous) {
    // Mapping over anonymous memory frees it: its content waits elsewhere.
    covered.page = CopyOfPage(target.data());
    if (covered.page == nullptr) {
      return ErrnoError(errno, "cannot keep the guest RAM beneath a shared page");
    }
  }
  if (mmap(target.data(), kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, pages.fd(),
           static_cast<off_t>(index * kPageSize)) == MAP_FAILED) {
    const int error = errno;
    if (covered.page != nullptr) {
      munmap(covered.page, kPageSize);
    }
    return ErrnoError(error, "cannot lay a shared page over guest RAM");
  }
  if (first) {
    overlays_.emplace(gpa, covered);
  }
  return {};
}

bool GuestMemory::RemoveOverlay(Gpa gpa) {
  const MutexLock lock(overlay_mutex_);
  const auto overlay = overlays_.find(gpa);
  if (overlay == overlays_.end()) {
    return false;
  }
  const Area* area = Find(gpa, kPageSize);
  VENEER_CHECK(area != nullptr);
  std::byte* const target = area->Host(gpa);
  // Either way the guest sees the one page or the other, never none: both calls replace the mapping
  // in one step. They need no new resources.
  void* host = nullptr;
  if (overlay->second.page != nullptr) {
    host =
        mremap(overlay->second.page, kPageSize, kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    static_cast<void>(madvise(target, kPageSize, MADV_DONTDUMP));
  } else {
    host = mmap(target, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
                fd_.get(), static_cast<off_t>(area->FileOffset(gpa)));
  }
  VENEER_CHECK(host != MAP_FAILED);
  overlays_.erase(overlay);
  return true;
}

bool GuestMemory::HasOverlay(Gpa gpa) const {
  const MutexLock lock(overlay_mutex_);
  return overlays_.contains(gpa);
}

bool GuestMemory::DiscardPage(Gfn gfn) {
  if (!gfn.Addressable()) {
    return false;
  }
  const MutexLock lock(overlay_mutex_);
  const Area* area = Find(gfn.Address(), kPageSize);
  if (area == nullptr || overlays_.contains(gfn.Address())) {
    return false;
  }
  return GiveBack(*area, gfn.Address());
}

bool GuestMemory::GiveBack(const Area& area, Gpa gpa) {
  if (options_.backing == MemoryBacking::kMemfd) {
    return fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     static_cast<off_t>(area.FileOffset(gpa)), static_cast<off_t>(kPageSize)) == 0;
  }
  KeepSmall(area, gpa);
  return madvise(area.Host(gpa), kPageSize, MADV_DONTNEED) == 0;
}

// The kernel's khugepaged fills what has been given back to have a huge page again: not in a piece
// of which the guest has given back something.
void GuestMemory::KeepSmall(const Area& area, Gpa gpa) {
  const std::uint64_t piece = gpa.value / kHugePage;
  if (!options_.huge_pages || !small_.insert(piece).second) {
    return;
  }
  const Gpa begin = std::max(Gpa{piece * kHugePage}, area.whole.base);
  const Gpa end = std::min(Gpa{(piece + 1) * kHugePage}, area.End());
  static_cast<void>(madvise(area.Host(begin), end.value - begin.value, MADV_NOHUGEPAGE));
}

}  // namespace veneer
