// HYPERVISOR_xen_version.
#include "arch.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"

namespace micro {
namespace {

bool Contains(const char* text, const char* part) {
  for (; *text != '\0'; ++text) {
    uint32_t i = 0;
    while (part[i] != '\0' && text[i] == part[i]) {
      ++i;
    }
    if (part[i] == '\0') {
      return true;
    }
  }
  return false;
}

alignas(8) char buffer[1024];

}  // namespace

void TestVersion() {
  Check("version/version", VersionOp(XENVER_version, 0), Cpuid(0x40000001).eax);
  Check("version/extraversion", VersionOp(XENVER_extraversion, buffer), 0);
  CheckTrue("version/extraversion-text", buffer[0] == '.');
  Check("version/compile_info", VersionOp(XENVER_compile_info, buffer), 0);
  Check("version/capabilities", VersionOp(XENVER_capabilities, buffer), 0);
  CheckTrue("version/capabilities-text",
            Contains(buffer, "hvm-3.0-x86_64") && Contains(buffer, "hvm-3.0-x86_32"));
  Check("version/changeset", VersionOp(XENVER_changeset, buffer), 0);
  xen_platform_parameters_t parameters{1};
  Check("version/platform_parameters", VersionOp(XENVER_platform_parameters, &parameters), 0);
  Check("version/virt_start", static_cast<int64_t>(parameters.virt_start), 0);
  xen_feature_info_t features{};
  Check("version/get_features", VersionOp(XENVER_get_features, &features), 0);
  constexpr uint32_t kExpected =
      (1U << XENFEAT_writable_page_tables) | (1U << XENFEAT_auto_translated_physmap) |
      (1U << XENFEAT_supervisor_mode_kernel) | (1U << XENFEAT_hvm_safe_pvclock);
  Check("version/features", features.submap & (kExpected | (1U << XENFEAT_hvm_pirqs)), kExpected);
  features.submap_idx = XENFEAT_NR_SUBMAPS;
  Check("version/features-beyond", VersionOp(XENVER_get_features, &features), -XEN_EINVAL);
  Check("version/pagesize", VersionOp(XENVER_pagesize, 0), kPageSize);
  Check("version/guest_handle", VersionOp(XENVER_guest_handle, buffer), 0);
  Check("version/commandline", VersionOp(XENVER_commandline, buffer), 0);
  Check("version/build_id", VersionOp(XENVER_build_id, 0), -XEN_ENODATA);
  Check("version/unknown", VersionOp(99, buffer), -XEN_ENOSYS);
  const uintptr_t bad_list[] = {bad_address, bad_address - 1, kNotRam};
  for (const uintptr_t bad : bad_list) {
    Check("version/bad-pointer", VersionOp(XENVER_extraversion, bad), -XEN_EFAULT);
  }
  Check("version/bad-pointer-in-out", VersionOp(XENVER_get_features, bad_address - 4), -XEN_EFAULT);
}

}  // namespace micro
