#include "hypercall_fixture.h"

namespace veneer {
namespace {

using testing::XenGuest;

class VersionCalls : public HypercallTest {
 protected:
  std::int64_t Call(std::uint64_t operation, std::uint64_t address) {
    return guest_.Call(__HYPERVISOR_xen_version, {operation, address});
  }
  std::string Text(std::uint64_t address) {
    std::string text;
    for (char c; (c = static_cast<char>(guest_.Read(address + text.size(), 1))) != '\0';) {
      text.push_back(c);
    }
    return text;
  }
};
VENEER_BOTH_WIDTHS(VersionCalls);

TEST_P(VersionCalls, VersionComesFromTheOptions) {
  EXPECT_EQ(Call(XENVER_version, 0), 0x40011);
  XenGuest newer(GetParam(), 1, [](XenDomainOptions& options) {
    options.version_major = 4;
    options.version_minor = 19;
    options.extra_version = ".1-a-very-long-extra-version";
  });
  EXPECT_EQ(newer.Call(__HYPERVISOR_xen_version, {XENVER_version, 0}), 0x40013);
  const std::uint64_t out = newer.Allocate(16);
  EXPECT_EQ(newer.Call(__HYPERVISOR_xen_version, {XENVER_extraversion, out}), 0);
  EXPECT_EQ(newer.Read(out + 15, 1), 0U) << "a text that is too long is cut, and ends";
  EXPECT_EQ(newer.Read(out, 1), static_cast<std::uint64_t>('.'));
}

TEST_P(VersionCalls, TextsAreWrittenWhole) {
  const struct {
    std::uint64_t operation;
    std::size_t size;
    std::string text;
  } cases[] = {
      {XENVER_extraversion, 16, ".0-veneer"},
      {XENVER_capabilities, 1024, "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64"},
      {XENVER_changeset, 64, "unavailable"},
      {XENVER_commandline, 1024, ""},
  };
  for (const auto& test : cases) {
    const std::uint64_t out = guest_.Allocate(test.size + 1);
    const std::vector<std::byte> ones(test.size + 1, std::byte{0xff});
    ASSERT_TRUE(guest_.virtual_memory->Write(out, ones));
    EXPECT_EQ(Call(test.operation, out), 0);
    EXPECT_EQ(Text(out), test.text);
    EXPECT_EQ(guest_.Read(out + test.size - 1, 1), 0U) << "no byte of the field is left";
    EXPECT_EQ(guest_.Read(out + test.size, 1), 0xffU) << "and none behind it is touched";
  }
}

TEST_P(VersionCalls, CompileInfoIsFourTexts) {
  const std::uint64_t out = guest_.Allocate(144);
  EXPECT_EQ(Call(XENVER_compile_info, out), 0);
  EXPECT_EQ(Text(out), "C++");
  EXPECT_EQ(Text(out + 64), "veneer");
}

TEST_P(VersionCalls, FeaturesOfThisInterface) {
  const std::uint64_t info = guest_.Put(guest_.NewWire().U32(0).U32(0xffffffff));
  EXPECT_EQ(Call(XENVER_get_features, info), 0);
  const std::uint64_t features = guest_.Read(info + 4, 4);
  for (const unsigned on :
       {XENFEAT_writable_page_tables, XENFEAT_auto_translated_physmap,
        XENFEAT_supervisor_mode_kernel, XENFEAT_hvm_safe_pvclock, XENFEAT_hvm_callback_vector}) {
    EXPECT_NE(features & (1U << on), 0U) << on;
  }
  EXPECT_EQ(features & (1U << XENFEAT_hvm_pirqs), 0U);
  EXPECT_EQ(features & (1U << XENFEAT_dom0), 0U);
}

TEST_P(VersionCalls, CallbackVectorIsAChoice) {
  XenGuest other(GetParam(), 1, [](XenDomainOptions& options) {
    options.callback_vector = false;
    options.time = false;
  });
  const std::uint64_t info = other.Put(other.NewWire().U32(0).U32(0));
  EXPECT_EQ(other.Call(__HYPERVISOR_xen_version, {XENVER_get_features, info}), 0);
  EXPECT_EQ(other.Read(info + 4, 4) & (1U << XENFEAT_hvm_callback_vector), 0U);
  EXPECT_EQ(other.Read(info + 4, 4) & (1U << XENFEAT_hvm_safe_pvclock), 0U);
}

TEST_P(VersionCalls, OtherFeatureMapsDoNotExist) {
  for (const std::uint32_t index : {1U, 2U, 0xffffffffU}) {
    const std::uint64_t info = guest_.Put(guest_.NewWire().U32(index).U32(0));
    EXPECT_EQ(Call(XENVER_get_features, info), -XEN_EINVAL);
  }
}

TEST_P(VersionCalls, PlatformParametersHaveTheGuestsWidth) {
  const std::uint64_t out = guest_.Put(guest_.NewWire().U32(~0U).U32(~0U));
  EXPECT_EQ(Call(XENVER_platform_parameters, out), 0);
  EXPECT_EQ(guest_.Read(out, 4), 0U);
  EXPECT_EQ(guest_.Read(out + 4, 4), Wide() ? 0U : 0xffffffffU);
}

TEST_P(VersionCalls, PageSizeWantsNoArgument) {
  EXPECT_EQ(Call(XENVER_pagesize, 0), 4096);
  EXPECT_EQ(Call(XENVER_pagesize, guest_.Allocate(8)), -XEN_EINVAL);
}

TEST_P(VersionCalls, GuestHandleIsTheMachinesUuid) {
  XenGuest other(GetParam(), 1, [](XenDomainOptions& options) {
    for (std::size_t i = 0; i < options.handle.size(); ++i) {
      options.handle[i] = static_cast<std::uint8_t>(i + 1);
    }
  });
  const std::uint64_t out = other.Allocate(16);
  EXPECT_EQ(other.Call(__HYPERVISOR_xen_version, {XENVER_guest_handle, out}), 0);
  EXPECT_EQ(other.Read(out, 8), 0x0807060504030201U);
  EXPECT_EQ(other.Read(out + 8, 8), 0x100f0e0d0c0b0a09U);
}

TEST_P(VersionCalls, ThereIsNoBuildId) { EXPECT_EQ(Call(XENVER_build_id, 0), -XEN_ENODATA); }

TEST_P(VersionCalls, BadPointersFault) {
  for (const std::uint64_t operation :
       {XENVER_extraversion, XENVER_compile_info, XENVER_capabilities, XENVER_changeset,
        XENVER_platform_parameters, XENVER_get_features, XENVER_guest_handle, XENVER_commandline}) {
    EXPECT_EQ(Call(operation, kBad), -XEN_EFAULT) << operation;
    EXPECT_EQ(Call(operation, 0), -XEN_EFAULT) << operation;
    EXPECT_EQ(Call(operation, guest_.Base() + XenGuest::kRam - 3), -XEN_EFAULT)
        << operation << " at the end of what is mapped";
  }
}

}  // namespace
}  // namespace veneer
