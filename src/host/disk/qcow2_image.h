// qcow2 images: QEMU's own code serves them, as a child of Veneer's, over NBD.
#pragma once

#include <memory>

#include "qcow2_check.h"
#include "qemu_nbd.h"
#include "veneer/host/disk/disk_image.h"

namespace veneer {

class Qcow2Image final : public DiskImage {
 public:
  static Result<std::unique_ptr<DiskImage>> Open(const DiskConfig& config);
  Qcow2Image(const Qcow2Image&) = delete;
  Qcow2Image& operator=(const Qcow2Image&) = delete;
  ~Qcow2Image() override = default;

  Facts facts() const override;
  Result<void> Refresh() override { return image_->Refresh(); }
  Result<std::unique_ptr<DiskChannel>> OpenChannel() override { return image_->OpenChannel(); }

 private:
  explicit Qcow2Image(const Qcow2Facts& facts) : format_(facts) {}

  const Qcow2Facts format_;
  std::unique_ptr<QemuNbd> server_;
  std::unique_ptr<DiskImage> image_;  // what that serves
};

}  // namespace veneer
