#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <vector>

#include "load.h"

namespace veneer::bench {
namespace {

constexpr std::size_t kMostDepth = 128;
constexpr std::size_t kAlignment = 4096;  // of buffers and offsets, for any disk's O_DIRECT

class AioContext {
 public:
  explicit AioContext(unsigned depth) { syscall(SYS_io_setup, depth, &context_); }
  AioContext(const AioContext&) = delete;
  AioContext& operator=(const AioContext&) = delete;
  ~AioContext() { syscall(SYS_io_destroy, context_); }

  bool valid() const { return context_ != 0; }
  // True if all were taken.
  bool Submit(const std::vector<iocb*>& requests) {
    std::size_t done = 0;
    while (done < requests.size()) {
      const long taken =
          syscall(SYS_io_submit, context_, requests.size() - done, requests.data() + done);
      if (taken <= 0) {
        return false;
      }
      done += static_cast<std::size_t>(taken);
    }
    return true;
  }
  // Waits for one at least; negative on failure.
  long Wait(std::array<io_event, kMostDepth>& events) {
    long got = 0;
    do {
      got = syscall(SYS_io_getevents, context_, 1, events.size(), events.data(), nullptr);
    } while (got < 0 && errno == EINTR);
    return got;
  }

 private:
  aio_context_t context_ = 0;
};

struct File {
  explicit File(const DiskLoad& load)
      : fd(open(load.path.c_str(), (load.write ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { close(fd); }
  const int fd;
};

class Offsets {
 public:
  Offsets(const DiskLoad& load, std::uint64_t blocks) : load_(load), blocks_(blocks) {}
  std::int64_t Next() {
    // xorshift64, whose low bits would do for a power of two as well
    state_ ^= state_ << 13U;
    state_ ^= state_ >> 7U;
    state_ ^= state_ << 17U;
    const std::uint64_t block = (load_.random ? state_ : sequence_++) % blocks_;
    return static_cast<std::int64_t>(block * load_.block_bytes);
  }

 private:
  const DiskLoad& load_;
  const std::uint64_t blocks_;
  std::uint64_t sequence_ = 0;
  std::uint64_t state_ = 0x9e3779b97f4a7c15;
};

}  // namespace

LoadResult RunDiskLoad(const DiskLoad& load) {
  const File file(load);
  if (file.fd < 0) {
    return LoadFailure("open " + load.path + " for direct access");
  }
  const off_t size = lseek(file.fd, 0, SEEK_END);
  const std::uint64_t blocks = size > 0 ? static_cast<std::uint64_t>(size) / load.block_bytes : 0;
  if (blocks == 0 || load.depth == 0 || load.depth > kMostDepth ||
      load.block_bytes % kAlignment != 0) {
    return {.error = load.path + " is too small, or the load is none that can be"};
  }
  AioContext context(load.depth);
  if (!context.valid()) {
    return LoadFailure("set up asynchronous I/O");
  }
  const std::unique_ptr<void, decltype(&std::free)> buffer(
      std::aligned_alloc(kAlignment, load.block_bytes * load.depth), &std::free);
  if (!buffer) {
    return LoadFailure("get memory");
  }
  Offsets offsets(load, blocks);
  std::vector<iocb> requests(load.depth);
  std::vector<iocb*> ready;
  for (unsigned i = 0; i < load.depth; ++i) {
    iocb& request = requests[i];
    request.aio_fildes = static_cast<std::uint32_t>(file.fd);
    request.aio_lio_opcode = load.write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
    request.aio_buf = reinterpret_cast<std::uintptr_t>(buffer.get()) + i * load.block_bytes;
    request.aio_nbytes = load.block_bytes;
    request.aio_data = i;
    request.aio_offset = offsets.Next();
    ready.push_back(&request);
  }
  const std::uint64_t start = NowNs();
  std::uint64_t now = start;
  LoadResult result;
  std::array<io_event, kMostDepth> events{};
  for (std::size_t under_way = 0; !ready.empty() || under_way > 0;) {
    if (!context.Submit(ready)) {
      return LoadFailure("submit a request to " + load.path);
    }
    under_way += ready.size();
    ready.clear();
    const long got = context.Wait(events);
    if (got < 0) {
      return LoadFailure("wait for " + load.path);
    }
    now = NowNs();
    for (long i = 0; i < got; ++i) {
      const io_event& event = events[static_cast<std::size_t>(i)];
      if (event.res != static_cast<std::int64_t>(load.block_bytes)) {
        errno = event.res < 0 ? static_cast<int>(-event.res) : EIO;
        return LoadFailure((load.write ? "write to " : "read from ") + load.path);
      }
      --under_way;
      ++result.operations;
      result.bytes += load.block_bytes;
      if (now - start < load.ns) {
        iocb& request = requests[event.data];
        request.aio_offset = offsets.Next();
        ready.push_back(&request);
      }
    }
  }
  result.ns = now - start;
  return result;
}

}  // namespace veneer::bench
