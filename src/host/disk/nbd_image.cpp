#include "nbd_image.h"

#include <algorithm>
#include <array>
#include <utility>

#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

constexpr std::uint64_t kSmallestSector = 512;  // bytes

}  // namespace

bool IsNbdUri(std::string_view path) {
  constexpr std::array<std::string_view, 6> kSchemes{
      "nbd://", "nbds://", "nbd+unix://", "nbds+unix://", "nbd+vsock://", "nbds+vsock://"};
  return std::any_of(kSchemes.begin(), kSchemes.end(),
                     [path](std::string_view scheme) { return path.starts_with(scheme); });
}

Result<std::unique_ptr<DiskImage>> NbdImage::Open(const DiskConfig& config,
                                                  const std::string& uri) {
  std::unique_ptr<NbdImage> image(new NbdImage(config, uri));
  VENEER_TRY_ASSIGN(std::unique_ptr<NbdConnection> first, NbdConnection::Open(uri, config.path));
  VENEER_TRY(image->Check(first->facts(), config));
  image->Learn(first->facts(), config);
  {
    const MutexLock lock(image->mutex_);
    image->first_ = std::move(first);
  }
  return image;
}

Result<void> NbdImage::Check(const NbdConnection::Facts& server, const DiskConfig& config) const {
  if (server.bytes < std::max<std::uint64_t>(kSmallestSector, config.logical_block_bytes)) {
    return UsageError("disk '{}' is empty; give its image a size first", owner_.disk);
  }
  const std::uint64_t shown = config.logical_block_bytes != 0 ? config.logical_block_bytes
                              : IsIdeDisk(config)             ? kSmallestSector
                                                              : kLargestLogicalBlock;
  if (server.least_block > shown) {
    return UsageError(
        "disk '{}' cannot be used: its NBD server takes blocks of {} bytes and up, and the guest's "
        "are {} (give its server another block size, or take away bus or logical-block-size)",
        owner_.disk, server.least_block, shown);
  }
  if (config.queues > 1 && !server.several_connections) {
    return UsageError(
        "disk '{}' can have one queue only, as its NBD server does not allow several connections; "
        "leave out queues={}",
        owner_.disk, config.queues);
  }
  return {};
}

void NbdImage::Learn(const NbdConnection::Facts& server, const DiskConfig& config) {
  fixed_.readonly = config.readonly || server.readonly;
  fixed_.logical_sector =
      config.logical_block_bytes != 0
          ? config.logical_block_bytes
          : (server.least_block > kSmallestSector ? kLargestLogicalBlock : kSmallestSector);
  fixed_.physical_sector = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
      server.preferred_block, fixed_.logical_sector, kLargestLogicalBlock));
  fixed_.discard_granularity =
      config.discard && server.trim && !fixed_.readonly ? fixed_.physical_sector : 0;
  bytes_ = server.bytes / fixed_.logical_sector * fixed_.logical_sector;
  if (bytes_ != server.bytes) {
    LogWarning("disk '{}': the guest does not see its last {} bytes, which are no whole sector",
               owner_.disk, server.bytes % fixed_.logical_sector);
  }
  if (!fixed_.readonly && !server.flush) {
    LogWarning("disk '{}': its NBD server knows no flush, so that the guest's have no effect",
               owner_.disk);
  }
}

DiskImage::Facts NbdImage::facts() const {
  Facts facts = fixed_;
  facts.bytes = bytes_;
  return facts;
}

Result<void> NbdImage::Refresh() {
  VENEER_TRY_ASSIGN(const std::unique_ptr<NbdConnection> connection,
                    NbdConnection::Open(uri_, owner_.disk));
  bytes_ = connection->facts().bytes / fixed_.logical_sector * fixed_.logical_sector;
  return {};
}

Result<std::unique_ptr<DiskChannel>> NbdImage::OpenChannel() {
  std::unique_ptr<NbdConnection> connection;
  {
    const MutexLock lock(mutex_);
    connection = std::move(first_);
  }
  if (connection == nullptr) {
    VENEER_TRY_ASSIGN(connection, NbdConnection::Open(uri_, owner_.disk));
  }
  return NbdChannel::Create(std::move(connection), owner_);
}

}  // namespace veneer
