#include "vcpu_infos.h"

#include <cstddef>

#include "shared_bits.h"

namespace veneer {
namespace {

static_assert(sizeof(vcpu_info_t) == 64 && sizeof(vcpu_info_x86_32_t) == 64);
static_assert(offsetof(vcpu_info_t, evtchn_upcall_pending) ==
              offsetof(vcpu_info_x86_32_t, evtchn_upcall_pending));
static_assert(offsetof(vcpu_info_t, evtchn_upcall_mask) ==
              offsetof(vcpu_info_x86_32_t, evtchn_upcall_mask));
static_assert(offsetof(shared_info_t, vcpu_info) == 0 &&
              offsetof(shared_info_x86_32_t, vcpu_info) == 0);

constexpr std::uint8_t kUpcallPending = 1;

}  // namespace

VcpuInfos::VcpuInfos(std::span<std::byte> shared_info, std::uint32_t vcpus)
    : shared_info_(shared_info), slots_(vcpus) {
  StartOver();
}

void VcpuInfos::StartOver() {
  width_ = GuestWidth::k64;
  for (std::uint32_t vcpu = 0; vcpu < vcpus(); ++vcpu) {
    slots_[vcpu] = Slot{};
    if (vcpu < XEN_LEGACY_MAX_VCPUS) {
      slots_[vcpu].info = shared_info_.data() + vcpu * kSize;
    }
  }
}

std::span<std::byte> VcpuInfos::At(std::uint32_t vcpu) const {
  std::byte* info = slots_[vcpu].info;
  return info == nullptr ? std::span<std::byte>() : std::span(info, kSize);
}

std::byte* VcpuInfos::Selector(std::byte* info) const {
  return info + (width_ == GuestWidth::k64 ? offsetof(vcpu_info_t, evtchn_pending_sel)
                                           : offsetof(vcpu_info_x86_32_t, evtchn_pending_sel));
}

void VcpuInfos::Move(std::uint32_t vcpu, std::byte* to) {
  Slot& slot = slots_[vcpu];
  // Word by word: the guest may be looking, and a 32-bit guest's structure is aligned to 4 only.
  for (std::size_t offset = 0; offset < kSize; offset += sizeof(std::uint32_t)) {
    const std::uint32_t word =
        slot.info == nullptr ? 0 : SharedWord<std::uint32_t>(slot.info + offset).load();
    SharedWord<std::uint32_t>(to + offset).store(word);
  }
  if (slot.info == nullptr) {
    SharedWord<std::uint8_t>(to + offsetof(vcpu_info_t, evtchn_upcall_mask)).store(1);
  }
  slot = Slot{to, true};
  SelectAll(vcpu);
}

void VcpuInfos::SelectAll(std::uint32_t vcpu) {
  std::byte* selector = Selector(slots_[vcpu].info);
  const std::size_t selector_size =
      width_ == GuestWidth::k64 ? sizeof(std::uint64_t) : sizeof(std::uint32_t);
  for (std::size_t offset = 0; offset < selector_size; offset += sizeof(std::uint32_t)) {
    SharedWord<std::uint32_t>(selector + offset).store(~std::uint32_t{0});
  }
}

bool VcpuInfos::Select(std::uint32_t vcpu, std::uint32_t word) {
  std::byte* info = slots_[vcpu].info;
  // Without a vcpu_info nothing is lost: registering one marks every word.
  return info != nullptr && !TestAndSetBit(Selector(info), word);
}

bool VcpuInfos::MarkPending(std::uint32_t vcpu) {
  std::byte* info = slots_[vcpu].info;
  if (info == nullptr) {
    return false;
  }
  const auto pending =
      SharedWord<std::uint8_t>(info + offsetof(vcpu_info_t, evtchn_upcall_pending));
  return (pending.fetch_or(kUpcallPending) & kUpcallPending) == 0;
}

bool VcpuInfos::Pending(std::uint32_t vcpu) const {
  std::byte* info = slots_[vcpu].info;
  return info != nullptr &&
         SharedWord<std::uint8_t>(info + offsetof(vcpu_info_t, evtchn_upcall_pending)).load() != 0;
}

std::optional<VcpuInfos::Flags> VcpuInfos::Look(std::uint32_t vcpu) const {
  std::byte* const info = slots_[vcpu].info;
  if (info == nullptr) {
    return std::nullopt;
  }
  std::byte* const selector = Selector(info);
  const auto word = [selector](std::size_t index) -> std::uint64_t {
    return SharedWord<std::uint32_t>(selector + index * sizeof(std::uint32_t)).load();
  };
  return Flags{
      .pending = Pending(vcpu),
      .masked =
          SharedWord<std::uint8_t>(info + offsetof(vcpu_info_t, evtchn_upcall_mask)).load() != 0,
      .selector = width_ == GuestWidth::k64 ? word(0) | word(1) << 32U : word(0)};
}

}  // namespace veneer
