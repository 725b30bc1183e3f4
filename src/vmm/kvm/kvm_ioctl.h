// <linux/kvm.h> for C++: request numbers that come out right, and a call that survives signals.
//
// Some kernel headers declare flexible arrays through a macro that adds an empty struct. Empty
// structs have size 1 in C++ and 0 in C, so sizeof and with it the request numbers differ. The
// numbers below are built from the size the kernel sees.
#pragma once

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace veneer::kvm {

inline constexpr unsigned long kGetSupportedCpuid = _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, 8);
inline constexpr unsigned long kGetMsrs = _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x88, 8);
inline constexpr unsigned long kSetMsrs = _IOC(_IOC_WRITE, KVMIO, 0x89, 8);
inline constexpr unsigned long kSetCpuid2 = _IOC(_IOC_WRITE, KVMIO, 0x90, 8);
inline constexpr unsigned long kGetXsave = _IOC(_IOC_READ, KVMIO, 0xa4, 4096);
inline constexpr unsigned long kSetXsave = _IOC(_IOC_WRITE, KVMIO, 0xa5, 4096);
inline constexpr unsigned long kSetGsiRouting = _IOC(_IOC_WRITE, KVMIO, 0x6a, 8);
static_assert(kSetGsiRouting == 0x4008ae6a);
static_assert(kGetSupportedCpuid == 0xc008ae05);
static_assert(kGetMsrs == 0xc008ae88);
static_assert(kSetMsrs == 0x4008ae89);
static_assert(kSetCpuid2 == 0x4008ae90);
static_assert(kGetXsave == 0x9000aea4);
static_assert(kSetXsave == 0x5000aea5);
// Those that are used as the header has them.
static_assert(KVM_GET_REGS == 0x8090ae81 && KVM_SET_REGS == 0x4090ae82);
static_assert(KVM_GET_SREGS == 0x8138ae83 && KVM_SET_SREGS == 0x4138ae84);
static_assert(KVM_GET_LAPIC == 0x8400ae8e && KVM_SET_LAPIC == 0x4400ae8f);
static_assert(KVM_GET_VCPU_EVENTS == 0x8040ae9f && KVM_SET_VCPU_EVENTS == 0x4040aea0);
static_assert(KVM_SET_GUEST_DEBUG == 0x4048ae9b);
static_assert(KVM_GET_XCRS == 0x8188aea6 && KVM_SET_XCRS == 0x4188aea7);
static_assert(KVM_X86_SET_MSR_FILTER == 0x4188aec6);
static_assert(KVM_SET_USER_MEMORY_REGION == 0x4020ae46);
static_assert(KVM_TRANSLATE == 0xc018ae85);

// A header of 8 bytes followed by `Entry`s, as KVM's variable-length arguments are laid out.
template <typename Entry>
class CountedArray {
 public:
  explicit CountedArray(std::size_t capacity) : bytes_(kHeader + capacity * sizeof(Entry)) {
    SetCount(capacity);
  }
  void* data() { return bytes_.data(); }
  std::uint32_t count() const { return *reinterpret_cast<const std::uint32_t*>(bytes_.data()); }
  Entry* entries() {
    // The kernel's layout: entries follow the header, which keeps them 8-byte aligned.
    return reinterpret_cast<Entry*>(bytes_.data() + kHeader);
  }

 private:
  static constexpr std::size_t kHeader = 8;
  void SetCount(std::size_t count) {
    *reinterpret_cast<std::uint32_t*>(bytes_.data()) = static_cast<std::uint32_t>(count);
  }
  std::vector<std::byte> bytes_;
};

// ioctl() that is tried again when a signal interrupts it. Returns the result, or -errno.
template <typename Argument>
int Ioctl(int fd, unsigned long request, Argument argument) {
  int result = 0;
  do {
    result = ioctl(fd, request, argument);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? -errno : result;
}

}  // namespace veneer::kvm
