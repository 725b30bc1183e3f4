#include "uring_channel.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "veneer/host/sandbox/bound_ring.h"
#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

constexpr unsigned kSubmissions = 128;
// As many as one queue can have under way; the kernel keeps more than that aside.
constexpr unsigned kCompletions = 1024;
constexpr unsigned kCollectAtOnce = 64;

// The page cache's: a write of less may have to wait for a read.
constexpr std::uint64_t kPageBytes = 4096;

// Indices of the registered files.
constexpr int kFile = 0;
constexpr int kDirectFile = 1;

int Initialise(io_uring& ring) {
  io_uring_params params{};
  // Completions are worked off when this thread asks for them, not by interrupting it.
  params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED;
  params.cq_entries = kCompletions;
  int error = io_uring_queue_init_params(kSubmissions, &ring, &params);
  if (error == -EINVAL) {  // a host before Linux 6.1
    params = {};
    params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
    params.cq_entries = kCompletions;
    error = io_uring_queue_init_params(kSubmissions, &ring, &params);
  }
  if (error == -EINVAL) {  // before 5.10
    params = {};
    params.flags = IORING_SETUP_CQSIZE;
    params.cq_entries = kCompletions;
    error = io_uring_queue_init_params(kSubmissions, &ring, &params);
  }
  return error;
}

tl::unexpected<Error> NoRing(int error) {
  return ErrnoError(error,
                    "cannot make an io_uring (is it switched off, see "
                    "/proc/sys/kernel/io_uring_disabled?)");
}

}  // namespace

Result<void> UringChannel::Check() {
  io_uring ring{};
  if (const int error = Initialise(ring); error != 0) {
    return NoRing(-error);
  }
  io_uring_queue_exit(&ring);
  return {};
}

Result<std::unique_ptr<DiskChannel>> UringChannel::Create(const Files& files) {
  std::unique_ptr<UringChannel> channel(new UringChannel(files));
  if (const int error = Initialise(channel->ring_); error != 0) {
    return NoRing(-error);
  }
  channel->made_ = true;
  const std::array<int, 2> fds{files.file, files.direct_file};
  const unsigned count = files.direct_file >= 0 ? 2 : 1;
  if (const int error = io_uring_register_files(&channel->ring_, fds.data(), count); error != 0) {
    return ErrnoError(-error, "cannot register a disk with io_uring");
  }
  VENEER_TRY_ASSIGN(channel->ready_, EventFd::Create());
  if (const int error = io_uring_register_eventfd(&channel->ring_, channel->ready_.get());
      error != 0) {
    return ErrnoError(-error, "cannot register an eventfd with io_uring");
  }
  constexpr std::array<std::uint8_t, 6> kOperations{IORING_OP_READ,  IORING_OP_WRITE,
                                                    IORING_OP_READV, IORING_OP_WRITEV,
                                                    IORING_OP_FSYNC, IORING_OP_FALLOCATE};
  if (const int error = BindRing(channel->ring_, kOperations); error != 0) {
    return ErrnoError(-error, "cannot start an io_uring");
  }
  if (channel->ring_.cq.kflags == nullptr) {
    return HostError("disks need io_uring of Linux 5.8 or later");
  }
  // This thread's, which is the one to use it: saves looking the ring up at every call. An old
  // kernel's refusal costs nothing.
  static_cast<void>(io_uring_register_ring_fd(&channel->ring_));
  channel->Silence(true);
  return channel;
}

UringChannel::~UringChannel() {
  if (made_) {
    // At once, and not when the kernel comes to clean up the ring.
    static_cast<void>(io_uring_unregister_files(&ring_));
    io_uring_queue_exit(&ring_);
  }
}

void UringChannel::Queue(DiskOperation& operation) {
  operation.error = 0;
  if (operation.action == DiskAction::kWrite) {
    if (files_.guard != nullptr && operation.offset == 0 && !GuardHeader(operation)) [[unlikely]] {
      operation.error = EPERM;
    }
  } else if (operation.action == DiskAction::kFlush) {
    operation.error = files_.flushes->error();
  }
  if (operation.error != 0) [[unlikely]] {
    done_.push_back(&operation);
    return;
  }
  Start(operation);
}

bool UringChannel::GuardHeader(DiskOperation& operation) {
  Header& header = headers_.emplace_back();
  header.owner = &operation;
  std::size_t copied = 0;
  std::vector<iovec> rest;
  for (const iovec& part : operation.buffers) {
    const std::size_t length = std::min(part.iov_len, Header::kBytes - copied);
    std::memcpy(header.bytes.data() + copied, part.iov_base, length);
    copied += length;
    if (length < part.iov_len) {
      rest.push_back({static_cast<std::byte*>(part.iov_base) + length, part.iov_len - length});
    }
  }
  if (!files_.guard->Allows(std::span(header.bytes).first(copied))) {
    headers_.pop_back();
    return false;
  }
  header.length = operation.length;
  header.buffers = std::exchange(operation.buffers, std::move(rest));
  operation.buffers.insert(operation.buffers.begin(), iovec{header.bytes.data(), copied});
  return true;
}

void UringChannel::Start(DiskOperation& operation) {
  if (FitsInline(operation)) {
    return WriteInline(operation);
  }
  if (MayBeLoneRead(operation)) {
    lone_read_ = &operation;
    return;
  }
  if (lone_read_ != nullptr) {
    QueueForRing(*std::exchange(lone_read_, nullptr));
  }
  QueueForRing(operation);
}

void UringChannel::QueueForRing(DiskOperation& operation) {
  if (!waiting_.empty() || !Prepare(operation)) {
    waiting_.push_back(&operation);
  }
}

bool UringChannel::FitsInline(const DiskOperation& operation) const {
  return operation.action == DiskAction::kWrite && operation.offset % kPageBytes == 0 &&
         operation.length % kPageBytes == 0 && !FitsDirect(operation) &&
         inline_writes_.Allowed(HostClock().MonotonicNs());
}

void UringChannel::WriteInline(DiskOperation& operation) {
  const std::uint64_t begin_ns = HostClock().MonotonicNs();
  const ssize_t written =
      pwritev(files_.file, operation.buffers.data(), static_cast<int>(operation.buffers.size()),
              static_cast<off_t>(operation.offset));
  const int result = written < 0 ? -errno : static_cast<int>(written);
  inline_writes_.Took(begin_ns, HostClock().MonotonicNs());
  if (Finish(operation, result)) {
    done_.push_back(&operation);
  }
}

bool UringChannel::MayBeLoneRead(const DiskOperation& operation) const {
  return operation.action == DiskAction::kRead && files_.direct_file < 0 && lone_read_ == nullptr &&
         waiting_.empty() && io_uring_sq_ready(&ring_) == 0;
}

// False: io_uring shall do it. For a single read of what the page cache has, io_uring's way into
// the kernel and back is a tenth of the whole; for several it is cheaper than a call for each.
bool UringChannel::ReadFromCache(DiskOperation& operation) {
  const ssize_t moved =
      preadv2(files_.file, operation.buffers.data(), static_cast<int>(operation.buffers.size()),
              static_cast<off_t>(operation.offset), RWF_NOWAIT);
  if (moved < 0 || static_cast<std::uint64_t>(moved) < operation.length) {
    return false;
  }
  done_.push_back(&operation);
  return true;
}

bool UringChannel::FitsDirect(const DiskOperation& operation) const {
  if (files_.direct_file < 0 || operation.offset % files_.offset_alignment != 0 ||
      operation.length % files_.offset_alignment != 0) {
    return false;
  }
  return std::all_of(operation.buffers.begin(), operation.buffers.end(), [this](const iovec& part) {
    // Only the address's alignment matters.
    return reinterpret_cast<std::uintptr_t>(part.iov_base) % files_.memory_alignment == 0 &&
           part.iov_len % files_.memory_alignment == 0;
  });
}

bool UringChannel::Prepare(DiskOperation& operation) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry == nullptr) {
    return false;
  }
  const auto count = static_cast<unsigned>(operation.buffers.size());
  switch (operation.action) {
    case DiskAction::kRead:
    case DiskAction::kWrite: {
      const int file = FitsDirect(operation) ? kDirectFile : kFile;
      const bool read = operation.action == DiskAction::kRead;
      if (count == 1) {
        const iovec& part = operation.buffers.front();
        const auto length = static_cast<unsigned>(part.iov_len);
        read ? io_uring_prep_read(entry, file, part.iov_base, length, operation.offset)
             : io_uring_prep_write(entry, file, part.iov_base, length, operation.offset);
      } else {
        read ? io_uring_prep_readv(entry, file, operation.buffers.data(), count, operation.offset)
             : io_uring_prep_writev(entry, file, operation.buffers.data(), count, operation.offset);
      }
      break;
    }
    case DiskAction::kFlush:
      // One inode, so that this also covers what went past the page cache.
      io_uring_prep_fsync(entry, kFile, IORING_FSYNC_DATASYNC);
      break;
    case DiskAction::kDiscard:
      io_uring_prep_fallocate(entry, kFile, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              static_cast<off_t>(operation.offset),
                              static_cast<off_t>(operation.length));
      break;
  }
  entry->flags |= IOSQE_FIXED_FILE;
  io_uring_sqe_set_data(entry, &operation);
  return true;
}

void UringChannel::Submit() {
  if (DiskOperation* const read = std::exchange(lone_read_, nullptr);
      read != nullptr && !ReadFromCache(*read)) {
    QueueForRing(*read);
  }
  while (!waiting_.empty() && Prepare(*waiting_.front())) {
    waiting_.pop_front();
  }
  while (io_uring_sq_ready(&ring_) > 0) {
    // Work that waits for this thread is done on the same way, if there is any.
    const bool deferred = (IO_URING_READ_ONCE(*ring_.sq.kflags) & IORING_SQ_TASKRUN) != 0;
    const int submitted =
        deferred ? io_uring_submit_and_get_events(&ring_) : io_uring_submit(&ring_);
    if (submitted == -EBUSY) {
      return;  // completions have to be collected first
    }
    if (submitted <= 0 && submitted != -EINTR) {
      TakeBack();
    }
    while (!waiting_.empty() && Prepare(*waiting_.front())) {
      waiting_.pop_front();
    }
  }
}

// The kernel does not take what has been prepared, for want of memory: then system calls do it,
// which need none to begin.
void UringChannel::TakeBack() {
  // Without a thread of the kernel's that polls, it looks at the queue's end when it is told to
  // submit, and not before: what it has not consumed is ours.
  io_uring_sq& queue = ring_.sq;
  const unsigned begin = std::atomic_ref<unsigned>(*queue.khead).load(std::memory_order_acquire);
  std::vector<DiskOperation*> operations;
  for (unsigned at = begin; at != queue.sqe_tail; ++at) {
    // Set by Prepare().
    operations.push_back(
        reinterpret_cast<DiskOperation*>(queue.sqes[at & (kSubmissions - 1)].user_data));
  }
  queue.sqe_head = begin;
  queue.sqe_tail = begin;
  std::atomic_ref<unsigned>(*queue.ktail).store(begin, std::memory_order_release);
  for (DiskOperation* const operation : operations) {
    if (Finish(*operation, PerformNow(*operation))) {
      done_.push_back(operation);
    }
  }
}

// As in a completion: bytes, or an errno value below 0.
int UringChannel::PerformNow(DiskOperation& operation) const {
  const auto count = static_cast<int>(operation.buffers.size());
  const auto offset = static_cast<off_t>(operation.offset);
  ssize_t result = 0;
  switch (operation.action) {
    case DiskAction::kRead:
      result = preadv(files_.file, operation.buffers.data(), count, offset);
      break;
    case DiskAction::kWrite:
      result = pwritev(files_.file, operation.buffers.data(), count, offset);
      break;
    case DiskAction::kFlush:
      result = fdatasync(files_.file);
      break;
    case DiskAction::kDiscard:
      result = fallocate(files_.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                         static_cast<off_t>(operation.length));
      break;
  }
  return result < 0 ? -errno : static_cast<int>(result);
}

void UringChannel::Silence(bool silent) {
  // Shared with the kernel. One locked operation, so that it sees the switch before we look for
  // what it may have kept quiet about.
  std::atomic_ref<unsigned> flags(*ring_.cq.kflags);
  if (silent) {
    flags.fetch_or(IORING_CQ_EVENTFD_DISABLED);
  } else {
    flags.fetch_and(~IORING_CQ_EVENTFD_DISABLED);
  }
  armed_ = !silent;
}

bool UringChannel::Arm() {
  Silence(false);
  return !done_.empty() || io_uring_cq_ready(&ring_) > 0 ||
         (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

void UringChannel::Disarm() {
  if (!armed_) {
    return;
  }
  Silence(true);
  ready_.Drain();
}

std::span<DiskOperation* const> UringChannel::Collect() {
  ended_.clear();
  ended_.swap(done_);
  std::array<io_uring_cqe*, kCollectAtOnce> entries;  // as many as are there are set
  const unsigned count = io_uring_peek_batch_cqe(&ring_, entries.data(), kCollectAtOnce);
  for (unsigned i = 0; i < count; ++i) {
    // Set by Prepare().
    auto* operation = static_cast<DiskOperation*>(io_uring_cqe_get_data(entries[i]));
    if (Finish(*operation, entries[i]->res)) {
      ended_.push_back(operation);
    }
  }
  io_uring_cq_advance(&ring_, count);
  if (lone_read_ != nullptr || io_uring_sq_ready(&ring_) > 0 || !waiting_.empty()) {
    Submit();
  }
  if (!headers_.empty()) [[unlikely]] {
    DropHeaders();
  }
  return ended_;
}

void UringChannel::DropHeaders() {
  std::erase_if(headers_, [this](Header& header) {
    if (std::ranges::find(ended_, header.owner) == ended_.end()) {
      return false;
    }
    if (header.owner->error != 0) {
      header.owner->buffers = std::move(header.buffers);
      header.owner->offset = 0;
      header.owner->length = header.length;
    }
    return true;
  });
}

bool UringChannel::Finish(DiskOperation& operation, int result) {
  if (result == -EINTR || result == -EAGAIN) {
    Start(operation);
    return false;
  }
  if (result < 0) {
    operation.error = -result;
    if (operation.action == DiskAction::kFlush) {
      files_.flushes->Failed(operation.error);
    }
    return true;
  }
  if (operation.action == DiskAction::kFlush || operation.action == DiskAction::kDiscard) {
    return true;
  }
  auto moved = static_cast<std::uint64_t>(result);
  if (moved >= operation.length) {
    return true;
  }
  if (moved == 0) {
    operation.error = EIO;  // the file has become shorter than the disk
    return true;
  }
  operation.offset += moved;
  operation.length -= moved;
  auto part = operation.buffers.begin();
  for (; moved >= part->iov_len; ++part) {
    moved -= part->iov_len;
  }
  part->iov_base = static_cast<std::byte*>(part->iov_base) + moved;
  part->iov_len -= moved;
  operation.buffers.erase(operation.buffers.begin(), part);
  Start(operation);
  return false;
}

}  // namespace veneer
