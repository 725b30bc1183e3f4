// Exceptions and interrupts: a check says what it expects, everything else ends the guest with a
// report.
#pragma once

#include <stdint.h>

namespace micro {

inline constexpr uint8_t kUpcallVector = 0x30;    // per-vCPU upcall vector, with EOI
inline constexpr uint8_t kCallbackVector = 0x31;  // HVM_PARAM_CALLBACK_IRQ, without EOI
inline constexpr uint8_t kTestVector = 0x32;
inline constexpr uint8_t kLineVector = 0x33;  // a line of the I/O APIC
inline constexpr uint8_t kSpuriousVector = 0x3f;
inline constexpr int kNoTrap = -1;
inline constexpr int kUndefinedOpcode = 6;
inline constexpr int kGeneralProtection = 13;
inline constexpr int kPageFault = 14;

extern volatile uint32_t test_interrupts;  // by kTestVector
extern volatile uint32_t lines;            // by kLineVector
extern volatile uint32_t nmis;

// Loads IDT and TSS and switches the local APIC on.
void SetUpTraps();

// kNoTrap, or the vector of the exception it raised.
int TryWriteMsr(uint32_t msr, uint64_t value);
int TryReadMsr(uint32_t msr, uint64_t* value);
int TryUndefined();
int TryLoad(uintptr_t address);
int TryPopulationCount(uintptr_t address);

// Has the I/O APIC turn this level-triggered line into `vector`.
void RouteLine(uint32_t line, uint8_t vector);

void WriteApic(uint32_t offset, uint32_t value);
uint32_t ReadApic(uint32_t offset);

// 64 bit only: calls `target` in ring 3 with IOPL 3 and a hypercall's registers; what it leaves in
// RAX.
extern "C" intptr_t EnterUser(uintptr_t target, uint32_t number, uintptr_t first, uintptr_t second);

}  // namespace micro
