// The guest's end of event channels: shared_info, the vCPU's vcpu_info, and taking events by the
// 2-level or the FIFO ABI.
#pragma once

#include <stdint.h>

#include "xen.h"

namespace micro {

inline constexpr uint32_t kPorts = 4096;

extern volatile uint32_t upcalls;    // interrupts by the per-vCPU vector
extern volatile uint32_t callbacks;  // interrupts by HVM_PARAM_CALLBACK_IRQ's vector
// How often each port was found pending.
extern volatile uint32_t events_seen[kPorts];
// Of its last time: the number among all events.
extern volatile uint32_t event_order[kPorts];

shared_info_t& SharedInfo();
vcpu_info_t& VcpuInfo();
// From now on vcpu_info is here.
void UseVcpuInfo(vcpu_info_t* info);

// Lays shared_info over a page of the guest's.
bool MapSharedInfo();

// What the upcall does: takes every pending event. With interrupts off.
void TakeEvents();

// The FIFO ABI, once its pages are set up; nullptr: back to the 2-level ABI.
void UseFifo(evtchn_fifo_control_block_t* control, volatile event_word_t* words);

// Lets interrupts in until `port` has been seen `count` times, for the better part of a second at
// most.
bool WaitForEvent(uint32_t port, uint32_t count);

void Mask(uint32_t port);
void Unmask(uint32_t port);  // the bit only, not the hypercall
bool IsPending(uint32_t port);

// PV clock, ns since the guest's start.
uint64_t SystemTimeNs();

// New ports. 0 if the call fails.
uint32_t BindIpi();
intptr_t Send(uint32_t port);
intptr_t Close(uint32_t port);

}  // namespace micro
