#include "qcow2_image.h"

#include <fcntl.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

#include "nbd_image.h"

namespace veneer {
namespace {

// "... Is another process using the image [PATH]?"
constexpr std::string_view kInUse = "Is another process using the image";

tl::unexpected<Error> Refusal(const std::string& disk, const std::string& complaint) {
  if (complaint.find(kInUse) != std::string::npos) {
    return UsageError("disk '{}' (or a file it is based on) is in use by another program", disk);
  }
  return UsageError("disk '{}' cannot be opened: {}", disk, complaint);
}

Result<void> LookAt(const DiskConfig& config) {
  const UniqueFd file(
      open(config.path.c_str(), (config.readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) {
    return UsageError("cannot open disk '{}': {}", config.path,
                      std::generic_category().message(errno));
  }
  if (!ReadQcow2Header(config.path)) {
    return UsageError(
        "disk '{}' is no qcow2 image; leave out format=qcow2, or make one of it with qemu-img "
        "convert -O qcow2",
        config.path);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<DiskImage>> Qcow2Image::Open(const DiskConfig& config) {
  VENEER_TRY(LookAt(config));
  VENEER_TRY_ASSIGN(const Qcow2Facts facts,
                    CheckQcow2(config.path, config.format == DiskFormat::kQcow2));
  std::unique_ptr<Qcow2Image> image(new Qcow2Image(facts));
  // One more than queues: to look at the size.
  VENEER_TRY_ASSIGN(image->server_, QemuNbd::Start(config, "qcow2", config.queues + 1));
  auto served = NbdImage::Open(config, image->server_->uri());
  if (!served) {
    // Why there is no server says more than that there is none.
    if (const std::string complaint = image->server_->Stop(); !complaint.empty()) {
      return Refusal(config.path, complaint);
    }
    return tl::unexpected(std::move(served).error());
  }
  image->image_ = std::move(*served);
  image->server_->ExpectToLast();
  return image;
}

DiskImage::Facts Qcow2Image::facts() const {
  Facts facts = image_->facts();
  if (facts.discard_granularity > 0) {
    facts.discard_granularity = format_.cluster_bytes;  // less frees nothing
  }
  return facts;
}

}  // namespace veneer
