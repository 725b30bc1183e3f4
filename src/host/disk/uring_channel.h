// io_uring as a way to a file: everything queued goes to the kernel in one call. Whole pages for
// the page cache are written at once, and a read that comes alone is done at once if the page cache
// has it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include <liburing.h>

#include "flush_record.h"
#include "header_guard.h"
#include "inline_writes.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/event_fd.h"

namespace veneer {

class UringChannel final : public DiskChannel {
 public:
  struct Files {
    int file = -1;         // through the page cache
    int direct_file = -1;  // past it, for what is aligned; -1: none
    std::uint32_t offset_alignment = 512;
    std::uint32_t memory_alignment = 512;
    HeaderGuard* guard = nullptr;  // of what is written to the first sector; null: anything may be
    FlushRecord* flushes = nullptr;  // the image's
  };
  // The files stay open as long as the channel, and what they point at is there as long.
  static Result<std::unique_ptr<DiskChannel>> Create(const Files& files);
  // Whether there can be any, which guests would else find out when they connect. HostError.
  static Result<void> Check();
  ~UringChannel() override;

  void Queue(DiskOperation& operation) override;
  void Submit() override;
  std::span<DiskOperation* const> Collect() override;
  bool Arm() override;
  void Disarm() override;
  int ready_fd() const override { return ready_.get(); }

 private:
  explicit UringChannel(const Files& files) : files_(files) {}
  // A copy of a write's first bytes, which the guest could change after they have been looked at.
  struct Header {
    static constexpr std::size_t kBytes = 4096;  // of the largest sector
    DiskOperation* owner;
    std::vector<iovec> buffers;  // the owner's own
    std::uint64_t length;
    alignas(kBytes) std::array<std::byte, kBytes> bytes;
  };

  void Silence(bool silent);
  // False: the guest may not write that.
  bool GuardHeader(DiskOperation& operation);
  // Lets go of the copies of what has ended; an operation that failed is as it was, to be tried
  // again.
  void DropHeaders();
  void Start(DiskOperation& operation);
  void QueueForRing(DiskOperation& operation);
  bool Prepare(DiskOperation& operation);
  bool FitsInline(const DiskOperation& operation) const;
  void WriteInline(DiskOperation& operation);
  bool MayBeLoneRead(const DiskOperation& operation) const;
  bool ReadFromCache(DiskOperation& operation);
  bool FitsDirect(const DiskOperation& operation) const;
  void TakeBack();
  int PerformNow(DiskOperation& operation) const;
  // True if it has ended; otherwise the rest of it has been queued again.
  bool Finish(DiskOperation& operation, int result);

  const Files files_;
  io_uring ring_{};
  // The ring's own file would do, but is not woken for completions that wait for this thread to
  // work them off.
  EventFd ready_;
  bool armed_ = false;
  bool made_ = false;
  std::deque<DiskOperation*> waiting_;  // the submission queue is full
  InlineWrites inline_writes_;
  DiskOperation* lone_read_ = nullptr;  // all that is queued, as far as known
  std::vector<DiskOperation*> done_;    // ended without io_uring, and not collected yet
  std::vector<DiskOperation*> ended_;
  std::list<Header> headers_;  // of writes under way
};

}  // namespace veneer
