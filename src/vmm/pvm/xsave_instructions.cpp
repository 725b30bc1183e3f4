// XSAVE, XRSTOR, their optimised, compacted and supervisor forms, XGETBV and XSETBV (Intel SDM vol.
// 1, 13.7 to 13.12).
//
// Supervisor components and those beyond an XsaveArea (AMX tiles) count as in their initial state:
// KVM's XSAVE interface for this area does not carry them.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "fpu_availability.h"
#include "fpu_state.h"
#include "handlers.h"
#include "legacy_area.h"
#include "xsave_layout.h"

namespace veneer {
namespace {

constexpr std::size_t kXsaveAlignment = 64;
constexpr std::uint64_t kCompacted = std::uint64_t{1} << 63;
constexpr std::uint32_t kMsrXss = 0xda0;
constexpr std::uint64_t kLegacyComponents = kXfeatureX87 | kXfeatureSse;

std::uint64_t EdxEax(const Registers& registers) {
  return registers[Reg::kRdx] << 32U | (registers[Reg::kRax] & 0xffffffff);
}

struct SaveFlavour {
  bool skip_initial = false;  // components in their initial state are not written
  bool compacted = false;
  bool supervisor = false;
};

SaveFlavour FlavourOf(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_XSAVEOPT:
    case ZYDIS_MNEMONIC_XSAVEOPT64:
      return {.skip_initial = true};
    case ZYDIS_MNEMONIC_XSAVEC:
    case ZYDIS_MNEMONIC_XSAVEC64:
      return {.skip_initial = true, .compacted = true};
    case ZYDIS_MNEMONIC_XSAVES:
    case ZYDIS_MNEMONIC_XSAVES64:
    case ZYDIS_MNEMONIC_XRSTORS:
    case ZYDIS_MNEMONIC_XRSTORS64:
      return {.skip_initial = true, .compacted = true, .supervisor = true};
    default:
      return {};
  }
}

// The components that the guest has switched on.
std::uint64_t EnabledComponents(InstructionContext& context, bool supervisor) {
  std::uint64_t enabled = context.vcpu().GetXcr0();
  if (supervisor) {
    enabled |= context.vcpu().GetMsr(kMsrXss).value_or(0);
  }
  return enabled & ~kCompacted;
}

std::optional<Faulted> Refusal(InstructionContext& context, bool supervisor) {
  if (const auto fault = FpuUnavailable(context, FpuKind::kXsave)) {
    return fault;
  }
  if (supervisor && context.cpl() != 0) {
    return GeneralProtection();
  }
  return std::nullopt;
}

// Calls `visit(number, component, offset in the image)` for each extended component of `components`
// that an XsaveArea has. `present`: the components of a compacted image, 0 for a
// standard one.
template <typename Visitor>
void ForEachExtended(std::uint64_t components, std::uint64_t present, Visitor visit) {
  const XsaveLayout& layout = HostXsaveLayout();
  std::uint64_t left = components & layout.known() & ~kLegacyComponents;
  for (; left != 0; left &= left - 1) {
    const auto number = static_cast<unsigned>(std::countr_zero(left));
    const XsaveComponent& component = *layout.Find(number);
    visit(number, component,
          present == 0 ? component.standard_offset : layout.CompactedOffset(number, present));
  }
}

std::size_t ImageSize(std::uint64_t components, std::uint64_t present) {
  std::size_t size = kXsaveExtended;
  ForEachExtended(components, present,
                  [&](unsigned, const XsaveComponent& component, std::size_t offset) {
                    size = std::max(size, offset + component.size);
                  });
  return size;
}

std::uint64_t ComponentsInUse(const XsaveArea& area, bool compacted) {
  std::uint64_t in_use = LoadField<std::uint64_t>(area, kXsaveStateBv) & HostXsaveLayout().known();
  if (compacted && LoadField<std::uint32_t>(area, kFxMxcsr) != kMxcsrReset) {
    in_use |= kXfeatureSse;
  }
  return in_use;
}

// Fills `image`, which holds what the guest's memory held before.
void WriteImage(InstructionContext& context, const SaveFlavour& flavour, std::uint64_t requested,
                std::uint64_t present, std::span<std::byte> image) {
  const XsaveArea& area = context.fpu();
  const LegacyForm form = LegacyFormOf(context);
  const std::uint64_t in_use = ComponentsInUse(area, flavour.compacted) & requested;
  const std::uint64_t saved = flavour.skip_initial ? in_use : requested;
  if ((saved & kXfeatureX87) != 0) {
    SaveX87(area, image, form);
  }
  if ((saved & kXfeatureSse) != 0) {
    SaveXmm(area, image, form);
  }
  const std::uint64_t with_mxcsr =
      flavour.compacted ? saved & kXfeatureSse : requested & (kXfeatureSse | kXfeatureAvx);
  if (with_mxcsr != 0) {
    SaveMxcsr(area, image);
  }
  const std::uint64_t current = ComponentsInUse(area, false);
  ForEachExtended(
      saved, present, [&](unsigned number, const XsaveComponent& component, std::size_t offset) {
        const std::span<std::byte> to = image.subspan(offset, component.size);
        if ((current >> number & 1U) == 0) {
          std::ranges::fill(to, std::byte{0});
        } else {
          std::ranges::copy(std::span(area).subspan(component.standard_offset, component.size),
                            to.begin());
        }
      });
  if (flavour.compacted) {
    StoreField<std::uint64_t>(image, kXsaveStateBv, in_use);
    StoreField<std::uint64_t>(image, kXsaveCompactionBv, present);
    return;
  }
  const auto before = LoadField<std::uint64_t>(image, kXsaveStateBv);
  StoreField<std::uint64_t>(image, kXsaveStateBv, (before & ~requested) | in_use);
}

Completion Save(InstructionContext& context) {
  const SaveFlavour flavour = FlavourOf(context.mnemonic());
  if (const auto fault = Refusal(context, flavour.supervisor)) {
    return *fault;
  }
  const std::uint64_t requested =
      EdxEax(context.registers()) & EnabledComponents(context, flavour.supervisor);
  const std::uint64_t present = flavour.compacted ? requested | kCompacted : 0;
  const std::size_t size = ImageSize(requested, present);
  if (size > LinearRange::kMaxSize) {
    return NotKnown{};
  }
  LinearMemory::Resolved range =
      context.Resolve(context.operand(0), size, AccessKind::kWrite, kXsaveAlignment);
  if (!range) {
    return range.error();
  }
  std::vector<std::byte> image(size);
  range->CopyOut(image);
  WriteImage(context, flavour, requested, present, image);
  range->CopyIn(image);
  return Completed{};
}

struct Header {
  std::uint64_t in_use;      // XSTATE_BV
  std::uint64_t compaction;  // XCOMP_BV
  std::array<std::uint64_t, 6> reserved;

  bool compacted() const { return (compaction & kCompacted) != 0; }
};
static_assert(sizeof(Header) == kXsaveHeaderSize);

bool HeaderAllowed(const Header& header, std::uint64_t enabled, bool supervisor) {
  if (!header.compacted()) {
    return !supervisor && (header.in_use & ~enabled) == 0 && header.compaction == 0 &&
           header.reserved[0] == 0;
  }
  const bool reserved_clear =
      std::ranges::all_of(header.reserved, [](std::uint64_t word) { return word == 0; });
  return (header.compaction & ~kCompacted & ~enabled) == 0 &&
         (header.in_use & ~header.compaction) == 0 && (header.in_use & kCompacted) == 0 &&
         reserved_clear;
}

// False for an MXCSR that the processor refuses.
bool ReadMxcsr(const Header& header, std::uint64_t requested, std::span<const std::byte> image,
               XsaveArea& area) {
  if (!header.compacted()) {
    return (requested & (kXfeatureSse | kXfeatureAvx)) == 0 || RestoreMxcsr(image, area);
  }
  if ((requested & kXfeatureSse) == 0) {
    return true;
  }
  if ((header.in_use & kXfeatureSse) != 0) {
    return RestoreMxcsr(image, area);
  }
  StoreField<std::uint32_t>(area, kFxMxcsr, kMxcsrReset);
  return true;
}

// Takes the components of `requested` from `image` or puts them in their initial state.
bool ReadImage(InstructionContext& context, const Header& header, std::uint64_t requested,
               std::span<const std::byte> image) {
  XsaveArea& area = context.ChangeFpu();
  const LegacyForm form = LegacyFormOf(context);
  const std::uint64_t restored = requested & header.in_use & HostXsaveLayout().known();
  if (!ReadMxcsr(header, requested, image, area)) {
    return false;
  }
  if ((restored & kXfeatureX87) != 0) {
    RestoreX87(image, area, form);
  }
  if ((restored & kXfeatureSse) != 0) {
    RestoreXmm(image, area, form);
  }
  const std::uint64_t present = header.compacted() ? header.compaction : 0;
  ForEachExtended(restored, present,
                  [&](unsigned, const XsaveComponent& component, std::size_t offset) {
                    std::ranges::copy(image.subspan(offset, component.size),
                                      std::span(area).subspan(component.standard_offset).begin());
                  });
  const auto before = LoadField<std::uint64_t>(area, kXsaveStateBv);
  StoreField<std::uint64_t>(area, kXsaveStateBv, (before & ~requested) | restored);
  FillInitialLegacyState(area);
  return true;
}

// Reads `to.size()` bytes at `linear`; nullopt if that went well.
std::optional<Completion> Copy(InstructionContext& context, std::uint64_t linear,
                               std::span<std::byte> to) {
  if (to.empty()) {
    return std::nullopt;
  }
  LinearMemory::Resolved range = context.memory().Resolve(linear, to.size(), AccessKind::kRead);
  if (!range) {
    return range.error();
  }
  range->CopyOut(to);
  return std::nullopt;
}

Completion Restore(InstructionContext& context) {
  const bool supervisor = FlavourOf(context.mnemonic()).supervisor;
  if (const auto fault = Refusal(context, supervisor)) {
    return *fault;
  }
  const auto address = context.LinearAddress(context.operand(0), kXsaveExtended);
  if (const auto* faulted = std::get_if<Faulted>(&address)) {
    return *faulted;
  }
  const std::uint64_t linear = std::get<std::uint64_t>(address);
  if (linear % kXsaveAlignment != 0) {
    return GeneralProtection();
  }
  // The part that says how long the rest is first; it is not read again.
  std::vector<std::byte> image(kXsaveExtended);
  if (auto failure = Copy(context, linear, image)) {
    return *failure;
  }
  const auto header = LoadField<Header>(image, kXsaveStateBv);
  const std::uint64_t enabled = EnabledComponents(context, supervisor);
  if (!HeaderAllowed(header, enabled, supervisor)) {
    return GeneralProtection();
  }
  const std::uint64_t requested = EdxEax(context.registers()) & enabled;
  const std::size_t size =
      ImageSize(requested & header.in_use, header.compacted() ? header.compaction : 0);
  if (size > LinearRange::kMaxSize) {
    return NotKnown{};
  }
  image.resize(size);
  const std::span<std::byte> rest = std::span(image).subspan(kXsaveExtended);
  if (auto failure = Copy(context, linear + kXsaveExtended, rest)) {
    return *failure;
  }
  return ReadImage(context, header, requested, image) ? Completion{Completed{}}
                                                      : Completion{GeneralProtection()};
}

Completion GetExtendedControl(InstructionContext& context) {
  if ((context.system().cr4 & kCr4Osxsave) == 0) {
    return InvalidOpcode();
  }
  Registers& registers = context.registers();
  std::uint64_t value = context.vcpu().GetXcr0();
  const std::uint64_t index = registers[Reg::kRcx] & 0xffffffff;
  if (index == 1) {
    value &= ComponentsInUse(context.fpu(), true);
  } else if (index != 0) {
    return GeneralProtection();
  }
  registers[Reg::kRax] = value & 0xffffffff;
  registers[Reg::kRdx] = value >> 32U;
  return Completed{};
}

Completion SetExtendedControl(InstructionContext& context) {
  if ((context.system().cr4 & kCr4Osxsave) == 0) {
    return InvalidOpcode();
  }
  const Registers& registers = context.registers();
  const bool allowed = context.cpl() == 0 && (registers[Reg::kRcx] & 0xffffffff) == 0;
  if (!allowed || !context.vcpu().SetXcr0(EdxEax(registers))) {
    return GeneralProtection();
  }
  return Completed{};
}

}  // namespace

InstructionHandler FindXsaveInstruction(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_XSAVE:
    case ZYDIS_MNEMONIC_XSAVE64:
    case ZYDIS_MNEMONIC_XSAVEOPT:
    case ZYDIS_MNEMONIC_XSAVEOPT64:
    case ZYDIS_MNEMONIC_XSAVEC:
    case ZYDIS_MNEMONIC_XSAVEC64:
    case ZYDIS_MNEMONIC_XSAVES:
    case ZYDIS_MNEMONIC_XSAVES64:
      return Save;
    case ZYDIS_MNEMONIC_XRSTOR:
    case ZYDIS_MNEMONIC_XRSTOR64:
    case ZYDIS_MNEMONIC_XRSTORS:
    case ZYDIS_MNEMONIC_XRSTORS64:
      return Restore;
    case ZYDIS_MNEMONIC_XGETBV:
      return GetExtendedControl;
    case ZYDIS_MNEMONIC_XSETBV:
      return SetExtendedControl;
    default:
      return nullptr;
  }
}

}  // namespace veneer
