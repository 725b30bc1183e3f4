// NBD disks: the export of an NBD server, on another host or on this one.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "nbd_channel.h"
#include "nbd_connection.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/mutex.h"

namespace veneer {

// Whether a disk's path is an address such as nbd://host/export, see nbd_connect_uri(3).
bool IsNbdUri(std::string_view path);

class NbdImage final : public DiskImage {
 public:
  // `uri` may be another address than the path in `config`, which is then only what messages say.
  static Result<std::unique_ptr<DiskImage>> Open(const DiskConfig& config, const std::string& uri);

  Facts facts() const override;
  // By another connection, since NBD tells the size only at its beginning.
  Result<void> Refresh() override;
  void Interrupt() override { owner_.Interrupt(); }
  Result<std::unique_ptr<DiskChannel>> OpenChannel() override;

 private:
  NbdImage(const DiskConfig& config, const std::string& uri) : uri_(uri), owner_(config.path) {}
  Result<void> Check(const NbdConnection::Facts& server, const DiskConfig& config) const;
  void Learn(const NbdConnection::Facts& server, const DiskConfig& config);

  const std::string uri_;
  NbdChannel::Owner owner_;
  Facts fixed_;  // but for the size
  std::atomic<std::uint64_t> bytes_{0};
  Mutex mutex_;
  // The connection it was opened with, for the first channel: some servers take one client only,
  // and go when it goes.
  std::unique_ptr<NbdConnection> first_ GUARDED_BY(mutex_);
};

}  // namespace veneer
