#include "veneer/vmm/memory/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

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

// Maps a region's part of the file; MAP_FAILED if the host has no room.
void* MapRegion(int fd, const MemoryRegion& region) {
  const std::uint64_t reserved = region.size + kHugePage;
  void* const room =
      mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    return MAP_FAILED;
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(room);
  const std::uint64_t before = AlignLike(begin, region.base.value) - begin;
  std::byte* const host = static_cast<std::byte*>(room) + before;
  if (before > 0) {
    munmap(room, before);
  }
  munmap(host + region.size, reserved - before - region.size);  // `before` is less than kHugePage
  void* const mapped =
      mmap(host, region.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd,
           static_cast<off_t>(region.file_offset));
  if (mapped == MAP_FAILED) {
    munmap(host, region.size);
  }
  return mapped;
}

}  // namespace

Result<std::unique_ptr<GuestMemory>> GuestMemory::Create(std::span<const Range> ranges,
                                                         const Options& options) {
  std::unique_ptr<GuestMemory> memory(new GuestMemory());
  std::vector<MemoryRegion> regions;
  std::uint64_t file_size = 0;
  for (const Range& range : ranges) {
    VENEER_CHECK(range.base.PageOffset() == 0 && range.size % kPageSize == 0 && range.size > 0);
    const std::uint64_t offset = AlignLike(file_size, range.base.value);
    regions.push_back(MemoryRegion{range.base, range.size, offset, nullptr});
    file_size = offset + range.size;
  }
  memory->fd_.Reset(memfd_create("veneer-ram", MFD_CLOEXEC));
  if (!memory->fd_.valid()) {
    return ErrnoError(errno, "cannot make a memory file for the guest's RAM");
  }
  if (ftruncate(memory->fd_.get(), static_cast<off_t>(file_size)) != 0) {
    return ErrnoError(errno, fmt::format("cannot reserve {} MiB for the guest", file_size >> 20U));
  }
  for (MemoryRegion& region : regions) {
    void* const host = MapRegion(memory->fd_.get(), region);
    if (host == MAP_FAILED) {
      return ErrnoError(errno, fmt::format("cannot map {} MiB for the guest", region.size >> 20U));
    }
    if (options.huge_pages) {
      // A wish: the kernel may be built or set up without it.
      static_cast<void>(madvise(host, region.size, MADV_HUGEPAGE));
    }
    static_cast<void>(madvise(host, region.size, MADV_DONTDUMP));
    region.host = static_cast<std::byte*>(host);
    memory->regions_.push_back(region);
  }
  return memory;
}

Result<std::unique_ptr<GuestMemory>> GuestMemory::CreateFlat(std::uint64_t size) {
  const Range range{Gpa{0}, size};
  return Create(std::span(&range, 1), Options{.huge_pages = false});
}

GuestMemory::~GuestMemory() {
  for (const MemoryRegion& region : regions_) {
    munmap(region.host, region.size);
  }
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

Result<void> GuestMemory::MapOverlay(Gpa gpa, const SharedPages& pages, std::size_t index) {
  VENEER_CHECK(index < pages.pages());
  const std::span<std::byte> target = Pin(gpa, kPageSize);
  if (target.empty() || gpa.PageOffset() != 0) {
    return UsageError("no guest RAM at {:#x} to lay a shared page over", gpa.value);
  }
  const std::scoped_lock lock(overlay_mutex_);
  if (mmap(target.data(), kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, pages.fd(),
           static_cast<off_t>(index * kPageSize)) == MAP_FAILED) {
    return ErrnoError(errno, "cannot lay a shared page over guest RAM");
  }
  overlays_.insert(gpa);
  return {};
}

bool GuestMemory::RemoveOverlay(Gpa gpa) {
  const std::scoped_lock lock(overlay_mutex_);
  if (overlays_.erase(gpa) == 0) {
    return false;
  }
  const MemoryRegion* region = Find(gpa, kPageSize);
  VENEER_CHECK(region != nullptr);
  const std::uint64_t offset = gpa.value - region->base.value;
  void* host = mmap(region->host + offset, kPageSize, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd_.get(),
                    static_cast<off_t>(region->file_offset + offset));
  // Replacing a mapping of our own by one of the same size needs no new resources.
  VENEER_CHECK(host != MAP_FAILED);
  return true;
}

bool GuestMemory::HasOverlay(Gpa gpa) const {
  const std::scoped_lock lock(overlay_mutex_);
  return overlays_.contains(gpa);
}

bool GuestMemory::DiscardPage(Gfn gfn) {
  if (!gfn.Addressable()) {
    return false;
  }
  const std::scoped_lock lock(overlay_mutex_);
  const MemoryRegion* region = Find(gfn.Address(), kPageSize);
  if (region == nullptr || overlays_.contains(gfn.Address())) {
    return false;
  }
  const std::uint64_t offset = region->file_offset + (gfn.Address().value - region->base.value);
  return fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                   static_cast<off_t>(offset), static_cast<off_t>(kPageSize)) == 0;
}

}  // namespace veneer
