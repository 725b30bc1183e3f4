// Request numbers and layouts as the kernel has them, whatever C++ makes of its headers.
#include "src/vmm/kvm/kvm_ioctl.h"

#include <unistd.h>

#include <cstring>

#include <gtest/gtest.h>

namespace veneer::kvm {
namespace {

// The size that a request number claims for its argument.
constexpr unsigned long ArgumentSize(unsigned long request) { return _IOC_SIZE(request); }

TEST(KvmRequests, CarryTheHeaderSizeWhereEntriesFollow) {
  EXPECT_EQ(ArgumentSize(kGetSupportedCpuid), 8U);
  EXPECT_EQ(ArgumentSize(kSetCpuid2), 8U);
  EXPECT_EQ(ArgumentSize(kGetMsrs), 8U);
  EXPECT_EQ(ArgumentSize(kSetMsrs), 8U);
}

TEST(KvmRequests, CarryTheSizeOfTheStructureThatIsPassed) {
  EXPECT_EQ(ArgumentSize(kGetXsave), sizeof(kvm_xsave::region));
  EXPECT_EQ(ArgumentSize(kSetXsave), sizeof(kvm_xsave::region));
  EXPECT_EQ(ArgumentSize(KVM_SET_USER_MEMORY_REGION), sizeof(kvm_userspace_memory_region));
  EXPECT_EQ(ArgumentSize(KVM_IOEVENTFD), sizeof(kvm_ioeventfd));
  EXPECT_EQ(ArgumentSize(KVM_SIGNAL_MSI), sizeof(kvm_msi));
  EXPECT_EQ(ArgumentSize(KVM_ENABLE_CAP), sizeof(kvm_enable_cap));
  EXPECT_EQ(ArgumentSize(KVM_GET_CLOCK), sizeof(kvm_clock_data));
  EXPECT_EQ(ArgumentSize(KVM_CREATE_PIT2), sizeof(kvm_pit_config));
}

TEST(KvmRequests, AllBelongToKvm) {
  for (const unsigned long request :
       {kGetSupportedCpuid, kGetMsrs, kSetMsrs, kSetCpuid2, kGetXsave, kSetXsave}) {
    EXPECT_EQ(_IOC_TYPE(request), 0xaeU);
  }
}

TEST(CountedArray, BeginsWithItsCountAndKeepsEntriesAfterEightBytes) {
  CountedArray<kvm_msr_entry> array(3);
  EXPECT_EQ(array.count(), 3U);
  array.entries()[0].index = 0x11223344;
  array.entries()[2].data = 0x5566778899aabbcc;
  std::uint32_t words[2 + 3 * 4];
  static_assert(sizeof words == 8 + 3 * sizeof(kvm_msr_entry));
  std::memcpy(words, array.data(), sizeof words);
  EXPECT_EQ(words[0], 3U);
  EXPECT_EQ(words[1], 0U);
  EXPECT_EQ(words[2], 0x11223344U);
  EXPECT_EQ(words[12], 0x99aabbccU);
  EXPECT_EQ(words[13], 0x55667788U);
}

TEST(CountedArray, MayBeEmpty) {
  CountedArray<kvm_cpuid_entry2> array(0);
  EXPECT_EQ(array.count(), 0U);
}

TEST(CountedArray, StartsOutAsZeros) {
  CountedArray<kvm_cpuid_entry2> array(2);
  EXPECT_EQ(array.entries()[1].function, 0U);
  EXPECT_EQ(array.entries()[1].padding[2], 0U);
}

TEST(KvmIoctl, ReturnsTheErrorAsANegativeNumber) {
  EXPECT_EQ(Ioctl(-1, KVM_GET_API_VERSION, 0), -EBADF);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_EQ(Ioctl(ends[0], KVM_GET_API_VERSION, 0), -ENOTTY);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace veneer::kvm
