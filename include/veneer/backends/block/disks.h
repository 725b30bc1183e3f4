// All PV disks of one guest.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "veneer/backends/block/block_backend.h"

namespace veneer {

// Belongs to the control thread of BlockBackend.
class Disks {
 public:
  explicit Disks(BlockBackend::Parts parts) : parts_(std::move(parts)) {}
  Disks(const Disks&) = delete;
  Disks& operator=(const Disks&) = delete;
  ~Disks();

  // Opens the image and shows it to the guest, at once if that runs. Returns the name it got
  // ("xvda"). UsageError for a name in use, and what opening says.
  Result<std::string> Add(DiskConfig config);
  // The same with an image that is open already.
  Result<std::string> Add(DiskConfig config, std::unique_ptr<DiskImage> image);
  // Asks the guest to let go, and closes the image when it has; `removed` is called then.
  // UsageError if there is no such disk, or it is being removed already.
  Result<void> Remove(std::string_view vdev, std::function<void()> removed);
  // Tries again what failed and was held back (on-error=pause).
  void Retry();
  // The image has another size.
  Result<void> Resize(std::string_view vdev);

  // Asks each queue of each for how its rings stand.
  void Report(Inquiry& inquiry);

  // The guest has been replaced by another: all back-ends start over, and `done` is called once
  // they have. The guest must not run meanwhile.
  void StartOver(const std::function<void()>& done);

  struct Entry {
    DiskConfig config;
    std::uint64_t bytes = 0;
    XenbusState state = XenbusState::kUnknown;
    bool removing = false;
  };
  std::map<std::string, Entry> List() const;

 private:
  struct Disk {
    DiskImage* image = nullptr;  // the back-end's
    std::unique_ptr<BlockBackend> backend;
    bool removing = false;
  };
  Result<std::string> NameFor(const DiskConfig& config) const;
  Result<Disk*> Find(std::string_view vdev);

  BlockBackend::Parts parts_;
  std::map<std::string, Disk, std::less<>> disks_;
};

}  // namespace veneer
