#include "veneer/xencompat/entry/call_sites.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <Zydis/Zydis.h>

#include "send_stub.h"
#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {
namespace {

constexpr std::size_t kSlot = 16;             // alignment of functions in 64-bit kernels
constexpr std::size_t kNarrowAlignment = 4;   // and the least there is in 32-bit ones
constexpr std::size_t kInstructionSize = 3;   // VMCALL, VMMCALL
constexpr std::uint32_t kVmcall = 0xc1010f;   // 0f 01 c1
constexpr std::uint32_t kVmmcall = 0xd9010f;  // 0f 01 d9
constexpr std::uint32_t kEndbr64 = 0xfa1e0ff3;
constexpr std::uint32_t kEndbr32 = 0xfb1e0ff3;
// The two functions of a pair stand next to each other, at most with call padding between them.
constexpr std::size_t kPairDistance = 128;
// A filler must be long enough to be the linker's, not an accident.
constexpr std::size_t kMinFiller = 192;
constexpr std::size_t kBodyAlignment = 32;

std::uint32_t Load32(const std::byte* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

std::uint8_t At(std::span<const std::byte> text, std::size_t offset) {
  return std::to_integer<std::uint8_t>(text[offset]);
}

bool IsHypercall(std::uint32_t word) {
  const std::uint32_t instruction = word & 0xffffff;
  return instruction == kVmcall || instruction == kVmmcall;
}

// A copy of the 16 bytes that a function may have: the guest may change the original at any time.
// What lies beyond the end of the text is zero, which is neither code of ours nor padding.
using Slot = std::array<std::byte, kSlot>;

// Up to where, from `begin` on, the slot holds nothing but what assemblers and compilers pad with.
std::size_t PaddingEnd(const Slot& slot, std::size_t begin, GuestWidth width) {
  const bool wide = width == GuestWidth::k64;
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, wide ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32,
                   wide ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
  while (begin < slot.size()) {
    ZydisDecodedInstruction instruction;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, slot.data() + begin,
                                                    slot.size() - begin, &instruction)) ||
        (instruction.mnemonic != ZYDIS_MNEMONIC_NOP &&
         instruction.mnemonic != ZYDIS_MNEMONIC_INT3)) {
      break;
    }
    begin += instruction.length;
  }
  return begin;
}

bool IsEndbr(std::uint32_t word) { return word == kEndbr64 || word == kEndbr32; }

// The return behind a hypercall instruction.
struct Return {
  std::size_t end = 0;  // first byte behind it, within the slot
  // Of the jump to a return thunk, relative to the slot; none: a plain RET.
  std::optional<std::int64_t> target;
};

std::optional<Return> FindReturn(const Slot& slot, std::size_t at) {
  const auto opcode = std::to_integer<std::uint8_t>(slot[at]);
  if (opcode == kOpcodeRet) {
    return Return{at + 1, std::nullopt};
  }
  if (opcode == kOpcodeJmp32 && at + 5 <= slot.size()) {
    const auto displacement = static_cast<std::int32_t>(Load32(slot.data() + at + 1));
    return Return{at + 5, static_cast<std::int64_t>(at) + 5 + displacement};
  }
  return std::nullopt;
}

struct Candidate {
  HypercallSite site;
  std::size_t start = 0;        // offset of the function in the text
  std::size_t return_end = 0;   // offset in the text
  std::size_t padding_end = 0;  // of what may be overwritten behind the return
  std::optional<std::int64_t> return_target;
};

// Where the function would start whose hypercall instruction stands at `instruction`.
std::optional<std::size_t> StartOf(std::span<const std::byte> text, std::size_t instruction,
                                   GuestWidth width) {
  if (text.size() < sizeof(std::uint32_t) || instruction > text.size() - sizeof(std::uint32_t)) {
    return std::nullopt;
  }
  const bool endbr = instruction >= sizeof(kEndbr64) &&
                     IsEndbr(Load32(text.data() + instruction - sizeof(kEndbr64)));
  const std::size_t start = endbr ? instruction - sizeof(kEndbr64) : instruction;
  return start % (width == GuestWidth::k64 ? kSlot : kNarrowAlignment) == 0 ? std::optional(start)
                                                                            : std::nullopt;
}

std::optional<Candidate> CheckCandidate(std::span<const std::byte> text, std::size_t instruction,
                                        GuestWidth width) {
  const std::optional<std::size_t> start = StartOf(text, instruction, width);
  if (!start || (width == GuestWidth::k64 && text.size() - *start < kSlot)) {
    return std::nullopt;
  }
  Slot slot{};
  const std::size_t length = std::min(slot.size(), text.size() - *start);
  std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(*start), length, slot.begin());
  const std::size_t within = instruction - *start;
  if ((within != 0) != IsEndbr(Load32(slot.data())) || !IsHypercall(Load32(slot.data() + within))) {
    return std::nullopt;
  }
  const std::optional<Return> found = FindReturn(slot, within + kInstructionSize);
  if (!found) {
    return std::nullopt;
  }
  // Functions of a 64-bit kernel are alone in their slot. Those of a 32-bit one may stand closer,
  // and then what follows belongs to the next: only a whole slot is known to be free.
  const std::size_t padding_end = PaddingEnd(slot, found->end, width);
  const std::size_t least = width == GuestWidth::k64 ? kSlot
                                                     : (found->end + kNarrowAlignment - 1) /
                                                           kNarrowAlignment * kNarrowAlignment;
  if (padding_end < least) {
    return std::nullopt;
  }
  Candidate candidate;
  candidate.site = {instruction, (Load32(slot.data() + within) & 0xffffff) == kVmmcall};
  candidate.start = *start;
  candidate.return_end = *start + found->end;
  candidate.padding_end =
      *start % kSlot == 0 && padding_end == kSlot ? *start + kSlot : candidate.return_end;
  if (found->target) {
    candidate.return_target = static_cast<std::int64_t>(*start) + *found->target;
  }
  return candidate;
}

// A quick look at eight bytes of a slot: may it hold a hypercall at its start or behind an ENDBR?
// Free of branches, because this runs for a million slots and ENDBRs are everywhere.
bool MayHoldHypercall(const std::byte* slot) {
  constexpr std::uint32_t kMask = 0xffffffU & ~(kVmcall ^ kVmmcall);
  constexpr std::uint32_t kCommon = kVmcall & kMask;
  const bool at_start = (Load32(slot) & kMask) == kCommon;
  const bool behind_endbr = (Load32(slot + sizeof(kEndbr64)) & kMask) == kCommon;
  return static_cast<unsigned>(at_start) + static_cast<unsigned>(behind_endbr) != 0;
}

bool ArePair(const Candidate& a, const Candidate& b) {
  return a.site.vmmcall != b.site.vmmcall && a.return_target == b.return_target;
}

// Looks at what may be a function, in the order of addresses, and keeps those that have a partner.
class PairFinder {
 public:
  PairFinder(std::span<const std::byte> text, GuestWidth width) : text_(text), width_(width) {}

  // False: there is no reason to look at more.
  bool Look(std::size_t instruction) {
    if (const auto candidate = CheckCandidate(text_, instruction, width_)) {
      Add(*candidate);
    }
    return ++looks_ < kMostLooks && sites_.size() < kMaxHypercallSites;
  }
  std::vector<HypercallSite> TakeSites() {
    Forget(waiting_.size());
    return std::move(sites_);
  }

 private:
  // A kernel has a few dozen such instructions. A look takes a microsecond where all is padding.
  static constexpr std::size_t kMostLooks = 1U << 16U;

  struct Waiting {
    Candidate candidate;
    bool paired = false;
  };

  void Add(const Candidate& candidate) {
    const auto near = std::ranges::find_if(waiting_, [&](const Waiting& other) {
      return candidate.site.instruction - other.candidate.site.instruction <= kPairDistance;
    });
    Forget(static_cast<std::size_t>(near - waiting_.begin()));
    Waiting added{candidate};
    for (Waiting& other : waiting_) {
      if (ArePair(candidate, other.candidate)) {
        added.paired = other.paired = true;
      }
    }
    waiting_.push_back(added);
  }
  // The first `count` find no partner any more.
  void Forget(std::size_t count) {
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
    for (auto it = waiting_.begin(); it != end; ++it) {
      if (it->paired && sites_.size() < kMaxHypercallSites) {
        sites_.push_back(it->candidate.site);
      }
    }
    waiting_.erase(waiting_.begin(), end);
  }

  const std::span<const std::byte> text_;
  const GuestWidth width_;
  std::size_t looks_ = 0;
  std::vector<Waiting> waiting_;  // within the distance of a pair
  std::vector<HypercallSite> sites_;
};

std::vector<HypercallSite> FindWideSites(std::span<const std::byte> text) {
  PairFinder finder(text, GuestWidth::k64);
  for (std::size_t slot = 0; slot + kSlot <= text.size(); slot += kSlot) {
    if (!MayHoldHypercall(text.data() + slot)) [[likely]] {
      continue;
    }
    if (!finder.Look(slot) || !finder.Look(slot + sizeof(kEndbr64))) {
      break;
    }
  }
  return finder.TakeSites();
}

std::vector<HypercallSite> FindNarrowSites(std::span<const std::byte> text) {
  PairFinder finder(text, GuestWidth::k32);
  for (std::size_t at = 0; at + sizeof(std::uint32_t) <= text.size(); at += kNarrowAlignment) {
    if (IsHypercall(Load32(text.data() + at)) && !finder.Look(at)) [[unlikely]] {
      break;
    }
  }
  return finder.TakeSites();
}

void Write(std::span<std::byte> text, std::size_t offset, const Code& code) {
  std::transform(code.begin(), code.end(), text.begin() + static_cast<std::ptrdiff_t>(offset),
                 [](std::uint8_t byte) { return std::byte{byte}; });
}

bool AllEqual(std::span<const std::byte> text, std::size_t begin, std::size_t end,
              std::uint8_t value) {
  return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(begin),
                     text.begin() + static_cast<std::ptrdiff_t>(end),
                     [value](std::byte byte) { return byte == std::byte{value}; });
}

// A place for five bytes that a short jump from the site can reach: behind the return, or in the
// call padding in front of the function.
std::optional<std::size_t> FindRelay(std::span<const std::byte> text, const Candidate& candidate) {
  constexpr std::size_t kJumpSize = 5;
  if (candidate.padding_end - candidate.return_end >= kJumpSize) {
    return candidate.return_end;
  }
  if (candidate.start >= kSlot &&
      AllEqual(text, candidate.start - kSlot, candidate.start, kOpcodeNop)) {
    return candidate.start - kSlot;
  }
  return std::nullopt;
}

// A place for the body in a filler of int3, nearest below `limit`. Below, because what follows the
// kernel's text in its segment is not executable for long.
std::optional<std::size_t> FindFiller(std::span<const std::byte> text, std::size_t limit) {
  constexpr std::size_t kStride = kMinFiller / 2;
  // Of half-filled places there may be any number; without a filler there still is the plain way.
  constexpr std::size_t kMostSteps = std::size_t{1} << 22U;
  std::size_t steps = 0;
  for (std::size_t probe = limit - limit % kStride; probe >= kStride && steps < kMostSteps;
       probe -= kStride) {
    std::size_t begin = probe;
    std::size_t end = probe;
    while (begin > 0 && end - begin < kMinFiller && At(text, begin - 1) == kOpcodeInt3) {
      --begin;
    }
    while (end < limit && end - begin < kMinFiller && At(text, end) == kOpcodeInt3) {
      ++end;
    }
    steps += 1 + end - begin;
    if (end - begin >= kMinFiller) {
      // Leaves a few bytes of filler in front, so that nothing runs into the body.
      return (begin + 2 * kBodyAlignment - 1) / kBodyAlignment * kBodyAlignment;
    }
  }
  return std::nullopt;
}

// jmp rel32, standing at `from`, to `to`.
Code Jump(std::size_t from, std::size_t to) {
  const auto displacement = static_cast<std::uint32_t>(to - (from + 5));
  return {kOpcodeJmp32, static_cast<std::uint8_t>(displacement),
          static_cast<std::uint8_t>(displacement >> 8),
          static_cast<std::uint8_t>(displacement >> 16),
          static_cast<std::uint8_t>(displacement >> 24)};
}

// What a call does instead of VMCALL: the body stands at `at` and goes on at `back`.
Code Body(std::size_t at, std::size_t back, GuestWidth width, const HypercallPorts& ports) {
  const Code slow = OutEax(ports.call);
  const Code send = SendOrFallThrough(width, ports, static_cast<std::uint8_t>(slow.size()));
  Code code = {
      0x83,
      0xf8,
      __HYPERVISOR_event_channel_op,  // cmp eax, event_channel_op
      0x75,
      static_cast<std::uint8_t>(send.size()),  // jne to the slow part
  };
  Append(code, send);
  Append(code, slow);
  Append(code, Jump(at + code.size(), back));
  return code;
}

}  // namespace

std::vector<HypercallSite> FindHypercallSites(std::span<const std::byte> text, GuestWidth width) {
  return width == GuestWidth::k64 ? FindWideSites(text) : FindNarrowSites(text);
}

std::optional<SitePatch> PatchHypercallSite(std::span<std::byte> text, const HypercallSite& site,
                                            GuestWidth width, const HypercallPorts& ports) {
  const std::optional<Candidate> candidate = CheckCandidate(text, site.instruction, width);
  if (!candidate) {
    return std::nullopt;
  }
  const std::size_t back = site.instruction + kInstructionSize;
  const std::optional<std::size_t> relay = FindRelay(text, *candidate);
  const std::optional<std::size_t> body = FindFiller(text, site.instruction);
  if (!relay || !body) {
    Code code = OutEax(ports.call);
    code.push_back(kOpcodeNop);
    Write(text, site.instruction, code);
    return SitePatch::kPlain;
  }
  Write(text, *body, Body(*body, back, width, ports));
  Write(text, *relay, Jump(*relay, *body));
  const auto short_displacement = static_cast<std::uint8_t>(*relay - (site.instruction + 2));
  Write(text, site.instruction, {kOpcodeJmp8, short_displacement, kOpcodeNop});
  return SitePatch::kSendFast;
}

}  // namespace veneer
