// Writes every frame of a link to a file that tcpdump and Wireshark read (pcap, with nanoseconds;
// draft-ietf-opsawg-pcap).
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "veneer/host/net/net_link.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/output_file.h"

namespace veneer {

// Thread-safe.
class CaptureFile {
 public:
  // Empties the file, or makes it. `max_bytes`, 0 for none: as OutputFile::Open() has it; each of
  // the files is whole. UsageError if it cannot be written.
  static Result<std::unique_ptr<CaptureFile>> Create(const std::string& path,
                                                     std::uint64_t max_bytes);
  // The first `size` bytes of `pieces`, with the time of the call. The first failure is logged, and
  // is the end of the capture.
  void Write(std::span<const iovec> pieces, std::size_t size);

 private:
  CaptureFile(std::string path, OutputFile file) : path_(std::move(path)), file_(std::move(file)) {}
  // Another file begins if the limit wants it.
  Result<void> MakeRoom(std::size_t bytes) REQUIRES(mutex_);
  // The end of the capture.
  void Fail(std::string_view why);

  const std::string path_;
  Mutex mutex_;  // keeps frames of several queues apart
  OutputFile file_ GUARDED_BY(mutex_);
  std::atomic<bool> failed_{false};
};

// A link with a capture around it.
class CaptureLink final : public NetLink {
 public:
  // The first two: of CaptureFile::Create().
  static Result<std::unique_ptr<NetLink>> Open(const std::string& path, std::uint64_t max_bytes,
                                               std::unique_ptr<NetLink> link);

  Facts facts() const override { return link_->facts(); }
  Result<void> SetReceiverOffloads(const NetOffloads& offloads) override {
    return link_->SetReceiverOffloads(offloads);
  }
  Result<std::unique_ptr<NetChannel>> OpenChannel(unsigned queue) override;

 private:
  CaptureLink(std::unique_ptr<CaptureFile> file, std::unique_ptr<NetLink> link)
      : file_(std::move(file)), link_(std::move(link)) {}
  const std::unique_ptr<CaptureFile> file_;
  const std::unique_ptr<NetLink> link_;
};

}  // namespace veneer
