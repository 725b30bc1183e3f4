// The 2-level event channel ABI: one pending and one mask bit per port in shared_info, one selector
// bit per word of them in vcpu_info (<xen/xen.h>, struct shared_info).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "port_table.h"
#include "vcpu_infos.h"

namespace veneer {

// What an ABI did with an event, for the caller to finish.
struct Delivery {
  bool newly_pending = false;  // pollers of the port want to know
  bool mark_vcpu = false;      // evtchn_upcall_pending of the port's vCPU is to be set
};

// Not thread-safe against itself; the guest may do what it likes meanwhile.
class TwoLevel {
 public:
  TwoLevel(std::span<std::byte> shared_info, VcpuInfos& infos)
      : shared_info_(shared_info), infos_(infos) {}

  // Ports above have no bits. Depends on the guest's width.
  std::uint32_t MaxPorts() const;
  Delivery SetPending(std::uint32_t number, const Port& port);
  Delivery Unmask(std::uint32_t number, const Port& port);
  void ClearPending(std::uint32_t number);
  bool IsPending(std::uint32_t number) const;
  bool IsMasked(std::uint32_t number) const;

 private:
  std::uint32_t WordBits() const { return infos_.width() == GuestWidth::k64 ? 64 : 32; }
  std::byte* PendingBits() const;
  std::byte* MaskBits() const;

  std::span<std::byte> shared_info_;
  VcpuInfos& infos_;
};

}  // namespace veneer
