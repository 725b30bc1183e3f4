#include "qemu_image.h"

#include <fcntl.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "image_format.h"
#include "image_lock.h"
#include "nbd_image.h"
#include "qcow2_check.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

// "... Is another process using the image [PATH]?"
constexpr std::string_view kInUse = "Is another process using the image";

tl::unexpected<Error> Refusal(const DiskConfig& config, const ImageFormat& format,
                              const std::string& complaint) {
  if (complaint.find(kInUse) != std::string::npos) {
    return UsageError("disk '{}' (or a file it is based on) is in use by another program",
                      config.path);
  }
  return RefusedByQemu(config.path, format.key, complaint);
}

// What QEMU calls a raw image, which is one of its formats here only under an overlay.
constexpr ImageFormat kRaw{DiskFormat::kRaw, "raw", "a raw image", ImageFormat::Use::kWrite};

Result<void> LookAt(const DiskConfig& config, const ImageFormat& format) {
  const bool written = !config.readonly && !config.overlay;
  if (format.use == ImageFormat::Use::kReadOnly && written) {
    return UsageError("disk '{}': {} can only be read; write readonly=on, or overlay=on",
                      config.path, format.name);
  }
  const UniqueFd file(
      open(config.path.c_str(), (written ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) {
    return UsageError("cannot open disk '{}': {}", config.path,
                      std::generic_category().message(errno));
  }
  if (format.format == DiskFormat::kRaw) {
    return {};
  }
  const ImageFormat* const found = ProbeImageFormat(config.path);
  if (found == nullptr || found->format != format.format) {
    return UsageError(
        "disk '{}' is not {}; leave out format={}, or make one of it with qemu-img convert -O {}",
        config.path, format.name, format.key, format.key);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<DiskImage>> QemuImage::Open(const DiskConfig& config) {
  const ImageFormat* const format =
      config.format == DiskFormat::kRaw ? &kRaw : FindImageFormat(config.format);
  VENEER_CHECK(format != nullptr);
  VENEER_TRY(LookAt(config, *format));
  std::unique_ptr<QemuImage> image(new QemuImage());
  if (format->format == DiskFormat::kQcow2) {
    VENEER_TRY_ASSIGN(const Qcow2Facts facts, CheckQcow2(config.path, !config.probed));
    image->cluster_bytes_ = facts.cluster_bytes;
    VENEER_TRY(image->LockBase(facts.raw_base, config.path));
  }
  if (config.overlay) {
    image->cluster_bytes_ = 0;  // of the overlay: QEMU's own choice
    VENEER_TRY(image->LockBase(config.path, config.path));
  }
  // One more than queues: to look at the size.
  VENEER_TRY_ASSIGN(image->server_,
                    QemuNbd::Start(config, std::string(format->key), config.queues + 1));
  auto served = NbdImage::Open(config, image->server_->uri());
  if (!served) {
    // Why there is no server says more than that there is none.
    if (const std::string complaint = image->server_->Stop(); !complaint.empty()) {
      return Refusal(config, *format, complaint);
    }
    return tl::unexpected(std::move(served).error());
  }
  image->image_ = std::move(*served);
  image->server_->ExpectToLast();
  return image;
}

// The files of other formats are locked by QEMU itself.
Result<void> QemuImage::LockBase(const std::string& path, const std::string& disk) {
  if (path.empty()) {
    return {};
  }
  UniqueFd base(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!base.valid()) {
    return UsageError("disk '{}': cannot open its backing file '{}': {}", disk, path,
                      std::generic_category().message(errno));
  }
  VENEER_TRY(LockImage(base.get(), true, path));
  bases_.push_back(std::move(base));
  return {};
}

DiskImage::Facts QemuImage::facts() const {
  Facts facts = image_->facts();
  if (facts.discard_granularity > 0 && cluster_bytes_ > 0) {
    facts.discard_granularity = cluster_bytes_;  // less frees nothing
  }
  return facts;
}

}  // namespace veneer
