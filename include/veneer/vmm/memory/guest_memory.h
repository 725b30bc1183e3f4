// The guest's RAM, read and written by bounds-checked copies.
//
// The guest runs while the VMM reads, so every value read here is a snapshot: copy once, then check
// the copy.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <type_traits>
#include <vector>

#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"
#include "veneer/vmm/memory/gpa.h"

namespace veneer {

// A contiguous piece of guest RAM, as KVM gets it as a memory slot.
struct MemoryRegion {
  Gpa base;
  std::uint64_t size = 0;     // bytes, page multiple
  std::byte* host = nullptr;  // mapping of the region in this process; lies as `base` does in 2 MiB

  bool Contains(Gpa gpa, std::uint64_t length) const {
    return gpa >= base && gpa.value - base.value <= size &&
           length <= size - (gpa.value - base.value);
  }
};

// A page (or several) of the VMM's that can be laid over guest RAM, for example Xen's shared_info:
// the guest then sees this memory at that address, through its ordinary memory slot.
// Not thread-safe against unmapping; owned by the area that shares the page.
class SharedPages {
 public:
  // `pages` zeroed pages in a memfd of their own.
  static Result<SharedPages> Create(std::size_t pages);
  SharedPages(SharedPages&& other) noexcept;
  SharedPages& operator=(SharedPages&& other) noexcept;
  SharedPages(const SharedPages&) = delete;
  SharedPages& operator=(const SharedPages&) = delete;
  ~SharedPages();

  std::byte* data() { return host_; }
  std::span<std::byte> bytes() { return {host_, pages_ * kPageSize}; }
  std::size_t pages() const { return pages_; }
  int fd() const { return fd_.get(); }

 private:
  SharedPages(UniqueFd fd, std::byte* host, std::size_t pages);
  UniqueFd fd_;
  std::byte* host_ = nullptr;
  std::size_t pages_ = 0;
};

// What the host gives for the guest's RAM.
enum class MemoryBacking {
  // Memory of this process alone. The only kind that distributions give huge pages to, and each of
  // those saves a guest with nested paging 511 page faults.
  kAnonymous,
  // A file in memory (memfd), which other processes could be given. Huge pages only if the host's
  // transparent_hugepage/shmem_enabled says so.
  kMemfd,
};

// Who shows the guest its RAM: KVM, by memory slots.
class MemorySlots {
 public:
  virtual ~MemorySlots() = default;
  // Any thread, one at a time. HostError if the host refuses.
  virtual Result<void> AddSlot(const MemoryRegion& region) = 0;
};

// Reads, writes and pins are thread-safe. Overlays, discards and growth serialise among themselves.
class GuestMemory {
 public:
  // What Grow() adds at once, and the alignment of that: the section in which Linux on x86-64 adds
  // memory, so that a guest has no more of them than it asks for.
  static constexpr std::uint64_t kPieceSize = std::uint64_t{128} << 20U;  // bytes

  struct Range {
    Gpa base;
    std::uint64_t size = 0;  // bytes of RAM, page multiple; 0 only before room
    // Addresses behind it, bytes, page multiple, that are without RAM until Grow() puts some there.
    // They cost the host nothing before.
    std::uint64_t room = 0;
  };
  struct Options {
    MemoryBacking backing = MemoryBacking::kAnonymous;
    bool huge_pages = true;         // ask for transparent huge pages
    std::uint64_t most_pieces = 0;  // how many Grow() may add in all
  };

  // `ranges` ascending and disjoint.
  static Result<std::unique_ptr<GuestMemory>> Create(std::span<const Range> ranges,
                                                     const Options& options);
  // `size` bytes at 0, for tests and micro guests.
  static Result<std::unique_ptr<GuestMemory>> CreateFlat(std::uint64_t size);
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;
  ~GuestMemory();

  // The RAM that there is from the start.
  std::span<const MemoryRegion> regions() const { return regions_; }
  std::uint64_t TotalBytes() const;
  // Has `slots` show the guest all of its RAM: regions() now, and later what Grow() adds. Before
  // anybody else uses this object; `slots` outlives the last Grow(). The first error ends it.
  Result<void> ShowTo(MemorySlots& slots);
  // Makes the piece of room that `gpa` lies in RAM, zeroed, for as long as this object lives, and
  // says where it is. Nothing where there is no room for a whole piece or RAM already, when
  // Options::most_pieces are there, or when the host refuses (which is logged).
  std::optional<Range> Grow(Gpa gpa);
  // Bytes that the host has given so far, for the whole of the RAM.
  std::uint64_t ResidentBytes() const;

  // Copies; false, without effect on guest memory or with `out` unspecified, if any byte lies
  // outside RAM. A copy may cross pages but not regions.
  [[nodiscard]] bool ReadBytes(Gpa gpa, std::span<std::byte> out) const;
  [[nodiscard]] bool WriteBytes(Gpa gpa, std::span<const std::byte> data);
  [[nodiscard]] bool Fill(Gpa gpa, std::uint64_t length, std::byte value);

  template <typename T>
  [[nodiscard]] std::optional<T> Read(Gpa gpa) const {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    if (!ReadBytes(gpa, std::as_writable_bytes(std::span(&value, 1)))) {
      return std::nullopt;
    }
    return value;
  }

  template <typename T>
  [[nodiscard]] bool Write(Gpa gpa, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return WriteBytes(gpa, std::as_bytes(std::span(&value, 1)));
  }

  // The host view of a range, for bulk payload and for words shared with the guest; empty if any
  // byte lies outside RAM or `length` is 0. Valid as long as this object. The guest can change what
  // it points at at any time.
  std::span<std::byte> Pin(Gpa gpa, std::uint64_t length) const;

  // Lays page `index` of `pages` over the RAM page at `gpa`, which must be page-aligned. The RAM
  // beneath keeps its content and reappears with RemoveOverlay(). An overlay already there is
  // replaced. UsageError for an address outside RAM.
  Result<void> MapOverlay(Gpa gpa, const SharedPages& pages, std::size_t index);
  // True if there was one.
  bool RemoveOverlay(Gpa gpa);
  bool HasOverlay(Gpa gpa) const;

  // Gives the RAM of one page back to the host; the guest reads zeros afterwards. False for an
  // address outside RAM or beneath an overlay.
  bool DiscardPage(Gfn gfn);

 private:
  // What stands for the RAM that an overlay covers.
  struct Covered {
    std::byte* page = nullptr;  // its content, mapped elsewhere; null if a memfd keeps it
  };

  // A region with the room behind it, one span of addresses in this process, too: so what crosses
  // from one piece of RAM to the next is in one place.
  struct Area {
    MemoryRegion whole;             // with its room
    std::uint64_t region_size = 0;  // bytes that are RAM from the start
    std::uint64_t file_offset = 0;  // bytes
    // Which pieces are RAM, by their number from the one that holds the base; null without room.
    std::unique_ptr<std::atomic<bool>[]> grown;

    Gpa End() const { return whole.base + whole.size; }
    std::byte* Host(Gpa gpa) const { return whole.host + (gpa.value - whole.base.value); }
    std::uint64_t FileOffset(Gpa gpa) const { return file_offset + (gpa.value - whole.base.value); }
    std::atomic<bool>& Grown(Gpa gpa) const {
      return grown[gpa.value / kPieceSize - whole.base.value / kPieceSize];
    }
    // Whether all of it is RAM.
    bool Holds(Gpa gpa, std::uint64_t length) const;
    // The whole piece of room around `gpa`.
    std::optional<MemoryRegion> PieceAt(Gpa gpa) const;
  };

  explicit GuestMemory(const Options& options) : options_(options) {}
  Result<void> OpenBacking(std::uint64_t file_size);
  Result<void> MapArea(const Range& range, std::uint64_t file_offset);
  // Puts RAM into addresses that are reserved for it.
  Result<void> MapRam(const Area& area, const MemoryRegion& region);
  Result<void> Add(const Area& area, const MemoryRegion& piece) REQUIRES(overlay_mutex_);
  const Area* Find(Gpa gpa, std::uint64_t length) const;
  bool GiveBack(const Area& area, Gpa gpa) REQUIRES(overlay_mutex_);
  void KeepSmall(const Area& area, Gpa gpa) REQUIRES(overlay_mutex_);

  const Options options_;
  UniqueFd fd_;  // what the regions are mapped from: the memfd, or /dev/zero
  std::vector<Area> areas_;
  std::vector<MemoryRegion> regions_;
  MemorySlots* slots_ = nullptr;  // may be null
  LogLimiter limiter_;
  mutable Mutex overlay_mutex_;
  std::uint64_t pieces_ GUARDED_BY(overlay_mutex_) = 0;  // that have been added
  std::map<Gpa, Covered> overlays_ GUARDED_BY(overlay_mutex_);
  // Numbers of the 2 MiB pieces of the guest that KeepSmall() knows.
  std::set<std::uint64_t> small_ GUARDED_BY(overlay_mutex_);
};

// Access to a word that the guest shares with us and both sides update atomically (a ring index, a
// pending bitmap). `bytes` must be the span of exactly one aligned T.
template <typename T>
std::atomic_ref<T> SharedWord(std::byte* address) {
  // The guest's memory holds a T by the ABI; atomic_ref is how both sides agree to touch it.
  return std::atomic_ref<T>(*reinterpret_cast<T*>(address));
}

}  // namespace veneer
