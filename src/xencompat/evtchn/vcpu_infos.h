// Where each vCPU's struct vcpu_info lies and how its event fields are touched (<xen/xen.h>).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "veneer/xencompat/abi/xen_headers.h"
#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

// Not thread-safe, but for the shared fields themselves.
class VcpuInfos {
 public:
  static constexpr std::size_t kSize = sizeof(vcpu_info_t);  // for both guest widths

  // At first the vCPUs use their places in `shared_info`, as far as there are any.
  VcpuInfos(std::span<std::byte> shared_info, std::uint32_t vcpus);

  std::uint32_t vcpus() const { return static_cast<std::uint32_t>(slots_.size()); }
  GuestWidth width() const { return width_; }
  void SetWidth(GuestWidth width) { width_ = width; }

  // As when made: every vCPU in its place in shared_info, 64 bits wide.
  void StartOver();

  // Empty if the vCPU has none.
  std::span<std::byte> At(std::uint32_t vcpu) const;
  bool Moved(std::uint32_t vcpu) const { return slots_[vcpu].moved; }
  // Copies the content over, sets every selector bit.
  void Move(std::uint32_t vcpu, std::byte* to);

  // Sets every bit of evtchn_pending_sel; for a vCPU that has a vcpu_info.
  void SelectAll(std::uint32_t vcpu);
  // Sets bit `word` of evtchn_pending_sel; true if it was clear.
  bool Select(std::uint32_t vcpu, std::uint32_t word);
  // Sets evtchn_upcall_pending; true if the vCPU must be interrupted.
  bool MarkPending(std::uint32_t vcpu);
  bool Pending(std::uint32_t vcpu) const;

  // What a vCPU's vcpu_info says at present.
  struct Flags {
    bool pending = false;        // evtchn_upcall_pending
    bool masked = false;         // evtchn_upcall_mask
    std::uint64_t selector = 0;  // evtchn_pending_sel
  };
  // nullopt if the vCPU has none.
  std::optional<Flags> Look(std::uint32_t vcpu) const;

 private:
  struct Slot {
    std::byte* info = nullptr;
    bool moved = false;
  };
  std::byte* Selector(std::byte* info) const;

  const std::span<std::byte> shared_info_;
  std::vector<Slot> slots_;
  GuestWidth width_ = GuestWidth::k64;
};

}  // namespace veneer
