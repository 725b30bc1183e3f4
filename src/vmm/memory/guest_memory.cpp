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

Result<std::unique_ptr<GuestMemory>> GuestMemory::Create(std::span<const Range> ranges,
                                                         const Options& options) {
  std::unique_ptr<GuestMemory> memory(new GuestMemory(options));
  std::uint64_t file_size = 0;
  for (const Range& range : ranges) {
    VENEER_CHECK(range.base.PageOffset() == 0 && range.size % kPageSize == 0 && range.size > 0);
    memory->file_offsets_.push_back(AlignLike(file_size, range.base.value));
    file_size = memory->file_offsets_.back() + range.size;
  }
  if (options.backing == MemoryBacking::kMemfd) {
    memory->fd_.Reset(memfd_create("veneer-ram", MFD_CLOEXEC));
    if (!memory->fd_.valid()) {
      return ErrnoError(errno, "cannot make a memory file for the guest's RAM");
    }
    if (ftruncate(memory->fd_.get(), static_cast<off_t>(file_size)) != 0) {
      return ErrnoError(errno,
                        fmt::format("cannot reserve {} MiB for the guest", file_size >> 20U));
    }
  } else {
    // A private mapping of /dev/zero is anonymous memory to the kernel in all but its name in
    // /proc/PID/smaps, by which the guest's RAM can be told from the VMM's.
    memory->fd_.Reset(open("/dev/zero", O_RDWR | O_CLOEXEC));
    if (!memory->fd_.valid()) {
      return ErrnoError(errno, "cannot open /dev/zero for the guest's RAM");
    }
  }
  for (const Range& range : ranges) {
    VENEER_TRY(memory->MapRegion(range));
  }
  return memory;
}

Result<void> GuestMemory::MapRegion(const Range& range) {
  const auto failed = [&range] {
    return ErrnoError(errno, fmt::format("cannot map {} MiB for the guest", range.size >> 20U));
  };
  std::byte* const host = ReserveLike(range.size, range.base.value);
  if (host == nullptr) {
    return failed();
  }
  const bool file = options_.backing == MemoryBacking::kMemfd;
  const std::uint64_t offset = file ? file_offsets_[regions_.size()] : 0;
  if (mmap(host, range.size, PROT_READ | PROT_WRITE,
           (file ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE | MAP_FIXED, fd_.get(),
           static_cast<off_t>(offset)) == MAP_FAILED) {
    const int error = errno;
    munmap(host, range.size);
    errno = error;
    return failed();
  }
  // Wishes: the kernel may be built or set up without them.
  static_cast<void>(
      madvise(host, range.size, options_.huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE));
  static_cast<void>(madvise(host, range.size, MADV_DONTDUMP));
  regions_.push_back(MemoryRegion{range.base, range.size, host});
  return {};
}

Result<std::unique_ptr<GuestMemory>> GuestMemory::CreateFlat(std::uint64_t size) {
  const Range range{Gpa{0}, size};
  return Create(std::span(&range, 1), Options{.huge_pages = false});
}

GuestMemory::~GuestMemory() {
  for (const MemoryRegion& region : regions_) {
    munmap(region.host, region.size);
  }
  for (const auto& [gpa, covered] : overlays_) {
    if (covered.page != nullptr) {
      munmap(covered.page, kPageSize);
    }
  }
}

std::uint64_t GuestMemory::ResidentBytes() const {
  std::uint64_t pages = 0;
  for (const MemoryRegion& region : regions_) {
    std::vector<unsigned char> resident(region.size / kPageSize);
    if (mincore(region.host, region.size, resident.data()) == 0) {
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

const MemoryRegion* GuestMemory::Find(Gpa gpa, std::uint64_t length) const {
  for (const MemoryRegion& region : regions_) {
    if (region.Contains(gpa, length)) {
      return &region;
    }
  }
  return nullptr;
}

std::span<std::byte> GuestMemory::Pin(Gpa gpa, std::uint64_t length) const {
  const MemoryRegion* region = Find(gpa, length);
  if (region == nullptr || length == 0) {
    return {};
  }
  return {region->host + (gpa.value - region->base.value), length};
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

std::uint64_t GuestMemory::FileOffset(const MemoryRegion& region, Gpa gpa) const {
  const auto index = static_cast<std::size_t>(&region - regions_.data());
  return file_offsets_[index] + (gpa.value - region.base.value);
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
  const MemoryRegion* region = Find(gpa, kPageSize);
  VENEER_CHECK(region != nullptr);
  std::byte* const target = region->host + (gpa.value - region->base.value);
  // Either way the guest sees the one page or the other, never none: both calls replace the mapping
  // in one step. They need no new resources.
  void* host = nullptr;
  if (overlay->second.page != nullptr) {
    host =
        mremap(overlay->second.page, kPageSize, kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    static_cast<void>(madvise(target, kPageSize, MADV_DONTDUMP));
  } else {
    host = mmap(target, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
                fd_.get(), static_cast<off_t>(FileOffset(*region, gpa)));
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
  const MemoryRegion* region = Find(gfn.Address(), kPageSize);
  if (region == nullptr || overlays_.contains(gfn.Address())) {
    return false;
  }
  return GiveBack(*region, gfn.Address());
}

bool GuestMemory::GiveBack(const MemoryRegion& region, Gpa gpa) {
  if (options_.backing == MemoryBacking::kMemfd) {
    return fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     static_cast<off_t>(FileOffset(region, gpa)),
                     static_cast<off_t>(kPageSize)) == 0;
  }
  KeepSmall(region, gpa);
  return madvise(region.host + (gpa.value - region.base.value), kPageSize, MADV_DONTNEED) == 0;
}

// The kernel's khugepaged fills what has been given back to have a huge page again: not in a piece
// of which the guest has given back something.
void GuestMemory::KeepSmall(const MemoryRegion& region, Gpa gpa) {
  const std::uint64_t piece = gpa.value / kHugePage;
  if (!options_.huge_pages || !small_.insert(piece).second) {
    return;
  }
  const std::uint64_t begin = std::max(piece * kHugePage, region.base.value);
  const std::uint64_t end = std::min((piece + 1) * kHugePage, region.base.value + region.size);
  static_cast<void>(
      madvise(region.host + (begin - region.base.value), end - begin, MADV_NOHUGEPAGE));
}

}  // namespace veneer
