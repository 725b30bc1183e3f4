// The architectural state of an x86-64 vCPU, in plain types (no <linux/kvm.h> needed).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace veneer {

// General registers, indexed by their encoding in machine code (Intel SDM vol. 2, 2.1.5).
enum class Reg : std::uint8_t {
  kRax,
  kRcx,
  kRdx,
  kRbx,
  kRsp,
  kRbp,
  kRsi,
  kRdi,
  kR8,
  kR9,
  kR10,
  kR11,
  kR12,
  kR13,
  kR14,
  kR15,
};

struct Registers {
  std::array<std::uint64_t, 16> gpr{};
  std::uint64_t rip = 0;
  std::uint64_t rflags = 2;

  std::uint64_t& operator[](Reg reg) { return gpr[static_cast<std::size_t>(reg)]; }
  std::uint64_t operator[](Reg reg) const { return gpr[static_cast<std::size_t>(reg)]; }
};

inline constexpr std::uint64_t kRflagsCarry = 1U << 0;
inline constexpr std::uint64_t kRflagsFixed = 1U << 1;  // always set
inline constexpr std::uint64_t kRflagsParity = 1U << 2;
inline constexpr std::uint64_t kRflagsAdjust = 1U << 4;
inline constexpr std::uint64_t kRflagsZero = 1U << 6;
inline constexpr std::uint64_t kRflagsSign = 1U << 7;
inline constexpr std::uint64_t kRflagsTrap = 1U << 8;
inline constexpr std::uint64_t kRflagsInterrupt = 1U << 9;
inline constexpr std::uint64_t kRflagsOverflow = 1U << 11;
inline constexpr std::uint64_t kRflagsResume = 1U << 16;
inline constexpr std::uint64_t kRflagsAlignmentCheck = 1U << 18;

// A segment register with its hidden part, as KVM keeps it.
struct Segment {
  std::uint64_t base = 0;
  std::uint32_t limit = 0;  // bytes, already scaled by granularity
  std::uint16_t selector = 0;
  std::uint8_t type = 0;  // descriptor type, 4 bits
  bool present = false;
  std::uint8_t dpl = 0;
  bool default_size = false;  // D/B
  bool system = true;         // S: true for code and data
  bool long_mode = false;     // L
  bool granularity = false;   // G
  bool available = false;     // AVL
};

struct DescriptorTable {
  std::uint64_t base = 0;
  std::uint16_t limit = 0;
};

struct SystemRegisters {
  Segment cs, ds, es, fs, gs, ss, tr, ldt;
  DescriptorTable gdt, idt;
  std::uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0;
  std::uint64_t efer = 0;
  std::uint64_t apic_base = 0;
};

inline constexpr std::uint64_t kCr0ProtectedMode = 1U << 0;
inline constexpr std::uint64_t kCr0NumericError = 1U << 5;
inline constexpr std::uint64_t kCr0ExtensionType = 1U << 4;
inline constexpr std::uint64_t kCr0WriteProtect = 1U << 16;
inline constexpr std::uint64_t kCr0Paging = 1U << 31;
inline constexpr std::uint64_t kCr4PhysicalAddressExtension = 1U << 5;
inline constexpr std::uint64_t kCr4GlobalPages = 1U << 7;
inline constexpr std::uint64_t kCr4Osfxsr = 1U << 9;
inline constexpr std::uint64_t kCr4Osxmmexcpt = 1U << 10;
inline constexpr std::uint64_t kCr4Osxsave = 1U << 18;
inline constexpr std::uint64_t kEferSyscall = 1U << 0;
inline constexpr std::uint64_t kEferLongModeEnable = 1U << 8;
inline constexpr std::uint64_t kEferLongModeActive = 1U << 10;
inline constexpr std::uint64_t kEferNoExecute = 1U << 11;

// The XSAVE area in its standard (non-compacted) format (Intel SDM vol. 1, 13.4): legacy region in
// the first 512 bytes, header at 512, then the extended components.
using XsaveArea = std::array<std::byte, 4096>;

// MSR numbers that more than one area needs (Intel SDM vol. 4).
inline constexpr std::uint32_t kMsrEfer = 0xc0000080;
inline constexpr std::uint32_t kMsrStar = 0xc0000081;
inline constexpr std::uint32_t kMsrLstar = 0xc0000082;
inline constexpr std::uint32_t kMsrSfmask = 0xc0000084;

}  // namespace veneer
