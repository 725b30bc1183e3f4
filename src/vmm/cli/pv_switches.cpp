#include "pv_switches.h"

#include <array>

#include "veneer/vmm/base/option_list.h"

namespace veneer {
namespace {

// Aligned because GCC 12 warns of the virtual call that a pointer to a member could make: it would
// read a pointer from an object that has no room for one.
class alignas(void*) SwitchParser {
 public:
  Result<PvSwitches> Parse(std::string_view text) {
    VENEER_TRY(SetOptions(SplitOptionList(text), kKeys, *this));
    return switches_;
  }

 private:
  template <bool PvSwitches::*kMember>
  Result<void> Set(std::string_view key, std::string_view value) {
    VENEER_TRY_ASSIGN(switches_.*kMember, ParseOptionSwitch(key, value));
    return {};
  }
  static constexpr std::array<OptionKey<SwitchParser>, 5> kKeys{{
      {"disk", &SwitchParser::Set<&PvSwitches::disk>},
      {"net", &SwitchParser::Set<&PvSwitches::net>},
      {"time", &SwitchParser::Set<&PvSwitches::time>},
      {"console", &SwitchParser::Set<&PvSwitches::console>},
      {"callback", &SwitchParser::Set<&PvSwitches::callback>},
  }};

  PvSwitches switches_;
};

}  // namespace

Result<PvSwitches> ParsePvSwitches(std::string_view text) { return SwitchParser().Parse(text); }

Result<void> CheckPvSwitches(const MachineConfig& config) {
  const XenConfig& xen = config.xen;
  for (const DiskConfig& disk : config.disks) {
    if (ShownAsIde(disk) || ShownAsPv(config, disk)) {
      continue;
    }
    return UsageError("--disk: {} the guest has no PV disks; give '{}' bus=ide, or bus=both",
                      xen.enabled ? "with --pv disk=off" : "without Xen (--xen off)", disk.path);
  }
  for (const NetConfig& nic : config.nics) {
    if (!ShownAsE1000(nic) && !ShownAsPv(config, nic)) {
      return UsageError("--net: {} the guest has no PV NICs; give it model=e1000, or model=both",
                        xen.enabled ? "with --pv net=off" : "without Xen (--xen off)");
    }
  }
  if (!xen.pv.console && xen.console.kind != CharacterTarget::Kind::kOff) {
    return UsageError("--console: with --pv console=off there is no PV console");
  }
  if (!xen.pv.callback && xen.callback == CallbackChoice::kVector) {
    return UsageError("--callback vector and --pv callback=off contradict each other");
  }
  return {};
}

}  // namespace veneer
