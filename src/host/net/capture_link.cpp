#include "capture_link.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "plain_frame.h"
#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/thread.h"

namespace veneer {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

struct FileHeader {
  std::uint32_t magic = 0xa1b23c4d;  // nanoseconds, in this machine's byte order
  std::uint16_t version_major = 2;
  std::uint16_t version_minor = 4;
  std::uint32_t reserved[2] = {0, 0};
  std::uint32_t longest = kMaxFrame;
  std::uint32_t link_type = 1;  // Ethernet
};
static_assert(sizeof(FileHeader) == 24);

struct FrameHeader {
  std::uint32_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  std::uint32_t captured = 0;
  std::uint32_t length = 0;
};

// On a thread that may open files, as a NIC's may not.
Result<void> MakeRoomElsewhere(OutputFile& file, std::size_t bytes) {
  Result<bool> begun = HostError("not begun");
  CallOnMaker([&] { begun = file.MakeRoom(bytes); });
  return begun.map([](bool) {});
}

class CaptureChannel final : public NetChannel {
 public:
  CaptureChannel(CaptureFile& file, std::unique_ptr<NetChannel> channel)
      : file_(file), channel_(std::move(channel)) {}

  NetSent Send(const virtio_net_hdr& header, std::span<const iovec> frame) override {
    const NetSent sent = channel_->Send(header, frame);
    if (sent == NetSent::kSent) {
      file_.Write(frame, TotalBytes(frame));
    }
    return sent;
  }
  std::optional<std::size_t> Receive(virtio_net_hdr& header, std::span<const iovec> room) override {
    const std::optional<std::size_t> size = channel_->Receive(header, room);
    if (size.value_or(0) > 0) {
      file_.Write(room, *size);
    }
    return size;
  }
  bool Arm() override { return channel_->Arm(); }
  void OnReady() override { channel_->OnReady(); }
  int ready_fd() const override { return channel_->ready_fd(); }

 private:
  CaptureFile& file_;
  const std::unique_ptr<NetChannel> channel_;
};

}  // namespace

Result<std::unique_ptr<CaptureFile>> CaptureFile::Create(const std::string& path,
                                                         std::uint64_t max_bytes) {
  const auto refusal = [&path](std::string_view why) {
    return UsageError("cannot write the capture '{}': {}", path, why);
  };
  // A pipe that nobody empties must not hold the guest's traffic up: a regular file does not, and
  // all else has O_NONBLOCK.
  Result<OutputFile> file = OutputFile::Open(path, max_bytes);
  if (!file) {
    return refusal(file.error().message);
  }
  const FileHeader header;
  if (const Result<bool> room = file->MakeRoom(sizeof header); !room) {
    return refusal(room.error().message);
  }
  if (write(file->fd(), &header, sizeof header) != static_cast<ssize_t>(sizeof header)) {
    return refusal(std::strerror(errno));
  }
  return std::unique_ptr<CaptureFile>(new CaptureFile(path, std::move(*file)));
}

Result<void> CaptureFile::MakeRoom(std::size_t bytes) {
  OutputFile& file = file_;
  if (bytes <= file.room()) {
    VENEER_TRY(file.MakeRoom(bytes));
    return {};
  }
  const FileHeader header;
  VENEER_TRY(MakeRoomElsewhere(file, sizeof header + bytes));
  if (write(file.fd(), &header, sizeof header) != static_cast<ssize_t>(sizeof header)) {
    return HostError("{}", std::strerror(errno));
  }
  return {};
}

void CaptureFile::Fail(std::string_view why) {
  if (!failed_.exchange(true)) {
    LogWarning("the capture '{}' ends here: {}", path_, why);
  }
}

void CaptureFile::Write(std::span<const iovec> pieces, std::size_t size) {
  if (failed_.load(std::memory_order_relaxed)) {
    return;
  }
  const std::uint64_t now = HostClock().RealtimeNs();
  FrameHeader header;
  header.seconds = static_cast<std::uint32_t>(now / kNsPerSecond);
  header.nanoseconds = static_cast<std::uint32_t>(now % kNsPerSecond);
  header.captured = header.length = static_cast<std::uint32_t>(size);

  std::vector<iovec> record{{&header, sizeof header}};
  std::size_t left = size;
  for (const iovec& piece : pieces) {
    const std::size_t count = std::min(piece.iov_len, left);
    if (count > 0) {
      record.push_back({piece.iov_base, count});
      left -= count;
    }
  }
  const MutexLock lock(mutex_);
  if (const Result<void> room = MakeRoom(sizeof header + size); !room) {
    return Fail(room.error().message);
  }
  const ssize_t written = writev(file_.fd(), record.data(), static_cast<int>(record.size()));
  if (written != static_cast<ssize_t>(sizeof header + size)) {
    Fail(written < 0 ? std::strerror(errno) : "there is no more room");
  }
}

Result<std::unique_ptr<NetLink>> CaptureLink::Open(const std::string& path, std::uint64_t max_bytes,
                                                   std::unique_ptr<NetLink> link) {
  VENEER_TRY_ASSIGN(std::unique_ptr<CaptureFile> file, CaptureFile::Create(path, max_bytes));
  return std::unique_ptr<NetLink>(new CaptureLink(std::move(file), std::move(link)));
}

Result<std::unique_ptr<NetChannel>> CaptureLink::OpenChannel(unsigned queue) {
  VENEER_TRY_ASSIGN(std::unique_ptr<NetChannel> channel, link_->OpenChannel(queue));
  return std::make_unique<CaptureChannel>(*file_, std::move(channel));
}

}  // namespace veneer
