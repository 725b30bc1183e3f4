// What both widths need of the processor.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace micro {

inline constexpr bool k64 = sizeof(void*) == 8;
// What a hypercall cannot access, while the byte in front of it is RAM: the 64-bit guest has an
// unmapped page there (entry64.S), the 32-bit one, which runs without paging, the end of its RAM.
extern uintptr_t bad_address;
// Mapped, but neither RAM nor a device.
inline constexpr uintptr_t kNotRam = 0xd0000000;
inline constexpr uintptr_t kPageSize = 4096;

inline void Out8(uint16_t port, uint8_t value) {
  asm volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
inline void Out16(uint16_t port, uint16_t value) {
  asm volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
inline void Out32(uint16_t port, uint32_t value) {
  asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
inline uint8_t In8(uint16_t port) {
  uint8_t value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}
inline uint16_t In16(uint16_t port) {
  uint16_t value;
  asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}
inline uint32_t In32(uint16_t port) {
  uint32_t value;
  asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}

struct CpuidResult {
  uint32_t eax, ebx, ecx, edx;
};
inline CpuidResult Cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  CpuidResult result;
  asm volatile("cpuid"
               : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
               : "a"(leaf), "c"(subleaf));
  return result;
}

inline uint64_t Rdtsc() {
  uint32_t low;
  uint32_t high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
  return (uint64_t{high} << 32) | low;
}

inline void EnableInterrupts() { asm volatile("sti" : : : "memory"); }
inline void DisableInterrupts() { asm volatile("cli" : : : "memory"); }
// Interrupts on, and asleep until one comes; off again afterwards.
inline void SleepForInterrupt() { asm volatile("sti; hlt; cli" : : : "memory"); }

// With interrupts on, until `counter` has reached `count`, for the better part of a second at most.
// No short gap would do: a host that interprets the guest looks for interrupts only now and then.
inline bool WaitForCount(const volatile uint32_t& counter, uint32_t count) {
  constexpr uint64_t kPatience = uint64_t{1} << 31;  // TSC ticks
  const uint64_t start = Rdtsc();
  EnableInterrupts();
  while (counter < count && Rdtsc() - start < kPatience) {
    asm volatile("pause" : : : "memory");
  }
  DisableInterrupts();
  return counter >= count;
}

template <typename T>
T Read(const volatile T& value) {
  return value;
}
template <typename T>
T Exchange(volatile T& place, T value) {
  return __atomic_exchange_n(&place, value, __ATOMIC_SEQ_CST);
}
inline void Barrier() { asm volatile("" : : : "memory"); }

}  // namespace micro
