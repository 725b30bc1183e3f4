// HYPERVISOR_xen_version (xen/version.h, xen/features.h).
#include <algorithm>
#include <string_view>

#include "arguments.h"
#include "table.h"

namespace veneer {
namespace {

// Copies `text` into a field of a structure, always ending it with a zero.
template <std::size_t kSize>
void FillText(char (&field)[kSize], std::string_view text) {
  const std::size_t length = std::min(text.size(), kSize - 1);
  std::copy_n(text.begin(), length, field);
  field[length] = '\0';
}

template <std::size_t kSize>
struct TextField {
  char text[kSize];
};
using ExtraVersion = TextField<sizeof(xen_extraversion_t)>;
using Capabilities = TextField<sizeof(xen_capabilities_info_t)>;
using ChangeSet = TextField<sizeof(xen_changeset_info_t)>;
using CommandLine = TextField<sizeof(xen_commandline_t)>;

CallResult Version(Call& call) {
  const XenDomainOptions& options = call.domain.options();
  return (std::int64_t{options.version_major} << 16) | options.version_minor;
}

CallResult GetExtraVersion(Call& call, ExtraVersion& out) {
  FillText(out.text, call.domain.options().extra_version);
  return 0;
}

CallResult GetCompileInfo(Call&, xen_compile_info_t& out) {
  FillText(out.compiler, "C++");
  FillText(out.compile_by, "veneer");
  FillText(out.compile_domain, "");
  FillText(out.compile_date, "");
  return 0;
}

CallResult GetCapabilities(Call&, Capabilities& out) {
  FillText(out.text, "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64");
  return 0;
}

CallResult GetChangeSet(Call&, ChangeSet& out) {
  FillText(out.text, "unavailable");
  return 0;
}

CallResult GetPlatformParameters(Call&, PlatformParameters& out) {
  out.virt_start = 0;  // HVM guests share no part of their address space
  return 0;
}

// Since Xen 4.18, whose headers Debian 12 does not have: areas of a vCPU can be registered by
// physical address.
constexpr unsigned kFeatureRunstatePhysArea = 18;
constexpr unsigned kFeatureVcpuTimePhysArea = 19;

CallResult GetFeatures(Call& call, xen_feature_info_t& info) {
  if (info.submap_idx >= XENFEAT_NR_SUBMAPS) {
    return Errno(XEN_EINVAL);
  }
  // Without hvm_pirqs: interrupts of emulated devices take the ordinary way.
  info.submap = (1U << XENFEAT_writable_page_tables) | (1U << XENFEAT_auto_translated_physmap) |
                (1U << XENFEAT_supervisor_mode_kernel) | (1U << XENFEAT_memory_op_vnode_supported) |
                (1U << XENFEAT_not_direct_mapped) | (1U << kFeatureRunstatePhysArea);
  if (call.domain.options().time) {
    info.submap |= (1U << XENFEAT_hvm_safe_pvclock) | (1U << kFeatureVcpuTimePhysArea);
  }
  if (call.domain.options().callback_vector) {
    info.submap |= 1U << XENFEAT_hvm_callback_vector;
  }
  return 0;
}

CallResult GetPageSize(Call& call) {
  return call.frame.args[1] == 0 ? std::int64_t{kPageSize} : Errno(XEN_EINVAL);
}

struct DomainHandle {
  std::uint8_t bytes[16];
};
CallResult GetHandle(Call& call, DomainHandle& out) {
  std::copy(call.domain.options().handle.begin(), call.domain.options().handle.end(), out.bytes);
  return 0;
}

CallResult GetCommandLine(Call&, CommandLine& out) {
  FillText(out.text, "");
  return 0;
}

CallResult GetBuildId(Call&) { return Errno(XEN_ENODATA); }

constexpr HypercallRow kRows[] = {
    {__HYPERVISOR_xen_version, XENVER_version, "xen_version.version", Version},
    {__HYPERVISOR_xen_version, XENVER_extraversion, "xen_version.extraversion",
     Out<GetExtraVersion>},
    {__HYPERVISOR_xen_version, XENVER_compile_info, "xen_version.compile_info",
     Out<GetCompileInfo>},
    {__HYPERVISOR_xen_version, XENVER_capabilities, "xen_version.capabilities",
     Out<GetCapabilities>},
    {__HYPERVISOR_xen_version, XENVER_changeset, "xen_version.changeset", Out<GetChangeSet>},
    {__HYPERVISOR_xen_version, XENVER_platform_parameters, "xen_version.platform_parameters",
     Out<GetPlatformParameters>},
    {__HYPERVISOR_xen_version, XENVER_get_features, "xen_version.get_features", InOut<GetFeatures>},
    {__HYPERVISOR_xen_version, XENVER_pagesize, "xen_version.pagesize", GetPageSize},
    {__HYPERVISOR_xen_version, XENVER_guest_handle, "xen_version.guest_handle", Out<GetHandle>},
    {__HYPERVISOR_xen_version, XENVER_commandline, "xen_version.commandline", Out<GetCommandLine>},
    {__HYPERVISOR_xen_version, XENVER_build_id, "xen_version.build_id", GetBuildId},
};

}  // namespace

std::span<const HypercallRow> VersionRows() { return kRows; }

}  // namespace veneer
