// Images of formats other than raw, qcow2 above all: QEMU's own code serves them, as a child of
// Veneer's, over NBD.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "qemu_nbd.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

class QemuImage final : public DiskImage {
 public:
  static Result<std::unique_ptr<DiskImage>> Open(const DiskConfig& config);
  QemuImage(const QemuImage&) = delete;
  QemuImage& operator=(const QemuImage&) = delete;
  ~QemuImage() override = default;

  Facts facts() const override;
  Result<void> Refresh() override { return image_->Refresh(); }
  void Interrupt() override {
    image_->Interrupt();
    server_->Kill();
  }
  Result<std::unique_ptr<DiskChannel>> OpenChannel() override { return image_->OpenChannel(); }

 private:
  QemuImage() = default;
  Result<void> LockBase(const std::string& path, const std::string& disk);

  std::uint32_t cluster_bytes_ = 0;  // what a discard frees at least; 0: not known
  std::vector<UniqueFd> bases_;  // what an overlay lies over, which the server lets others write
  std::unique_ptr<QemuNbd> server_;
  std::unique_ptr<DiskImage> image_;  // what that serves
};

}  // namespace veneer
