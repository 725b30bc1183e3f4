// Hypercalls of kernels that bring their own VMCALL and VMMCALL instead of using the hypercall page
// (Linux after XSA-466): finding these instructions and making them leave through an I/O port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/entry/ports.h"

namespace veneer {

// One of the kernel's two tiny hypercall functions: an optional ENDBR, the three-byte instruction,
// and a return (RET, or a jump to a return thunk), alone in a 16-byte slot.
struct HypercallSite {
  std::size_t instruction = 0;  // offset of the VMCALL or VMMCALL, bytes
  bool vmmcall = false;         // AMD's form
};

// Looks through `text`, executable bytes of the kernel of which the first is page-aligned in the
// guest's address space. Every other use of these instructions (KVM, Hyper-V, VMware code) sits in
// the midst of a larger function and is left alone. Sites come in pairs, one per CPU vendor and
// both returning the same way; whatever has no partner is not reported.
std::vector<HypercallSite> FindHypercallSites(std::span<const std::byte> text);

enum class SitePatch {
  kSendFast,  // event channel sends leave through HypercallPorts::send
  kPlain,     // there was no room for that: every call leaves through HypercallPorts::call
};

// Rewrites one site that FindHypercallSites() reported for this `text`; nullopt, without a change,
// if it no longer looks like one. The return behind the instruction keeps its place: the kernel has
// it in a list of its own and rewrites it while booting. Room for the longer code is found in the
// padding of the functions around and, for its body, in a filler of int3 further up in the text.
std::optional<SitePatch> PatchHypercallSite(std::span<std::byte> text, const HypercallSite& site,
                                            GuestWidth width, const HypercallPorts& ports);

}  // namespace veneer
