// A boot loader for PVH guests. GRUB's one (grub-core/kern/i386/xen/pvh.c) has the grant table and
// shared_info mapped into the first frames that the memory map says nothing about.
#include <utility>

#include "direct_kernel.h"
#include "veneer/vmm/boot/memory_layout.h"

namespace veneer {
namespace {

// More than the two pages that GRUB maps there.
constexpr std::uint64_t kRoomForSharedPages = 16 * kPageSize;

class PvhLoader final : public BootSource {
 public:
  explicit PvhLoader(std::string path) : path_(std::move(path)) {}

  std::vector<GuestMemory::Range> LayOut(std::span<const GuestMemory::Range> ram) const override {
    return {{EndOfLowRam(ram), kRoomForSharedPages}};
  }

  Result<PreparedBoot> Prepare(const BootMachine& machine, GuestMemory& memory) override {
    BootConfig config;
    config.kernel = path_;
    config.entry = KernelEntry::kPvh;
    VENEER_TRY_ASSIGN(PreparedBoot prepared, PrepareKernel(std::move(config), machine, memory));
    prepared.starts_another = true;
    return prepared;
  }

 private:
  const std::string path_;
};

}  // namespace

std::unique_ptr<BootSource> MakePvhLoader(std::string path) {
  return std::make_unique<PvhLoader>(std::move(path));
}

}  // namespace veneer
