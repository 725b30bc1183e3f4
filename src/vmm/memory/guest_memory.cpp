#include "veneer/memory/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "veneer/base/check.h"
#include "veneer/memory/racing_copy.h"

namespace veneer {

Result<std::unique_ptr<GuestMemory>> GuestMemory::Create(std::span<const Range> ranges,
                                                         const Options& options) {
  std::unique_ptr<GuestMemory> memory(new GuestMemory());
  std::uint64_t total = 0;
  for (const Range& range : ranges) {
    VENEER_CHECK(range.base.PageOffset() == 0 && range.size % kPageSize == 0 && range.size > 0);
    total += range.size;
  }
  memory->fd_.Reset(memfd_create("veneer-ram", MFD_CLOEXEC));
  if (!memory->fd_.valid()) {
    return ErrnoError(errno, "cannot make a memory file for the guest's RAM");
  }
  if (ftruncate(memory->fd_.get(), static_cast<off_t>(total)) != 0) {
    return ErrnoError(errno, fmt::format("cannot reserve {} MiB for the guest", total >> 20U));
  }
  std::uint64_t offset = 0;
  for (const Range& range : ranges) {
    void* host = mmap(nullptr, range.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                      memory->fd_.get(), static_cast<off_t>(offset));
    if (host == MAP_FAILED) {
      return ErrnoError(errno, fmt::format("cannot map {} MiB for the guest", range.size >> 20U));
    }
    if (options.huge_pages) {
      // A wish: the kernel may be built or set up without it.
      static_cast<void>(madvise(host, range.size, MADV_HUGEPAGE));
    }
    static_cast<void>(madvise(host, range.size, MADV_DONTDUMP));
    memory->regions_.push_back(
        MemoryRegion{range.base, range.size, offset, static_cast<std::byte*>(host)});
    offset += range.size;
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
