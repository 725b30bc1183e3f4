// What Veneer adds to the guest's kernel command line, and why.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace veneer {

struct CmdlineAddition {
  std::string text;
  std::string reason;
};

// How a panic shows: with kPanicSignature in the BIOS' warm-boot flag when the machine is reset.
inline constexpr std::string_view kPanicMarker = "reboot=panic_warm";

// Whether `cmdline` has a parameter of that name ("panic" for "panic=1" and for "panic").
bool HasParameter(std::string_view cmdline, std::string_view name);

// What the additions depend on.
struct CmdlineNeeds {
  bool emulated_kernel = false;  // see HostProfile
  bool memory_grows = false;     // by hotplug
  // Several vCPUs, to which Xen events come by the platform device's interrupt alone.
  bool shares_event_line = false;
};

// Additions for such a guest, leaving out whatever the user decided already.
std::vector<CmdlineAddition> CmdlineAdditions(std::string_view cmdline, const CmdlineNeeds& needs);

// `cmdline` with the additions in front, so that the user's own words come last and win; what
// follows "--" belongs to init.
std::string WithAdditions(std::string_view cmdline, const std::vector<CmdlineAddition>& additions);

}  // namespace veneer
