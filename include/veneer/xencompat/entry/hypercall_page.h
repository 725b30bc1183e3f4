// The content of Xen's hypercall page (xen/arch-x86/xen-x86_64.h, xen-x86_32.h): 128 stubs of 32
// bytes, entered by call with the number's slot as address.
#pragma once

#include <cstddef>
#include <span>

#include "veneer/vmm/memory/gpa.h"
#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/entry/ports.h"

namespace veneer {

// Fills a page. Each stub preserves every register but RAX and the flags. `width` is that of the
// code that will call it.
void BuildHypercallPage(std::span<std::byte, kPageSize> page, GuestWidth width,
                        const HypercallPorts& ports);

// The instruction that KVM intercepts on this processor.
enum class HypercallInstruction { kVmcall, kVmmcall };

// The same for a host whose KVM intercepts Xen's hypercalls; the stubs are those of both widths.
void BuildInterceptedPage(std::span<std::byte, kPageSize> page, HypercallInstruction instruction);

}  // namespace veneer
