// Debian's qemu-nbd as the program that knows an image format: a child of Veneer's that serves one
// image on a socket nobody else can reach.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>

#include "veneer/host/disk/disk_config.h"
#include "veneer/vmm/base/child_process.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

class QemuNbd {
 public:
  // `disk.path` is an image of the format that qemu-nbd calls `format`; it takes so many
  // connections at a time.
  static Result<std::unique_ptr<QemuNbd>> Start(const DiskConfig& disk, const std::string& format,
                                                unsigned connections);
  QemuNbd(const QemuNbd&) = delete;
  QemuNbd& operator=(const QemuNbd&) = delete;
  // Lets it close the image, and waits for that.
  ~QemuNbd();

  // For NbdConnection, in this process only. One may connect at once: the socket is there already,
  // and a server that does not come to serve it closes it.
  const std::string& uri() const { return uri_; }
  pid_t pid() const { return child_->pid(); }
  // From now on its end is worth a line in the log.
  void ExpectToLast() { lasting_ = true; }
  // At once, whatever it is doing; nothing to complain of.
  void Kill() {
    lasting_ = false;
    child_->Kill();
  }
  // Ends it, and returns in one line what it had to complain about; empty: nothing.
  std::string Stop();

 private:
  explicit QemuNbd(const std::string& disk) : disk_(disk) {}
  Result<UniqueFd> Listen();
  void OnEnd(const ChildProcess::Outcome& outcome) const;

  const std::string disk_;
  UniqueFd address_;  // the socket's inode: connecting to it needs no name
  std::string uri_;
  std::atomic<bool> lasting_{false};
  std::unique_ptr<ChildProcess> child_;
};

// The lines of a program's stderr as a sentence's end, without the program's name in front.
std::string OneLine(const std::string& complaint, const std::string& program);

}  // namespace veneer
