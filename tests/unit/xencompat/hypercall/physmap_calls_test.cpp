#include "hypercall_fixture.h"

namespace veneer {
namespace {

using testing::XenGuest;

class PhysmapCalls : public HypercallTest {
 protected:
  std::int64_t Op(std::uint64_t operation, std::uint64_t address) {
    return guest_.Call(__HYPERVISOR_memory_op, {operation, address});
  }
  std::int64_t Add(std::uint64_t space, std::uint64_t index, std::uint64_t gfn,
                   std::uint64_t domid = DOMID_SELF) {
    return Op(XENMEM_add_to_physmap,
              guest_.Put(guest_.NewWire().U16(domid).U16(0).U32(space).Word(index).Word(gfn)));
  }
  std::int64_t Remove(std::uint64_t gfn, std::uint64_t domid = DOMID_SELF) {
    return Op(XENMEM_remove_from_physmap, guest_.Put(guest_.NewWire().U16(domid).Word(gfn)));
  }
  bool Overlaid(std::uint64_t gfn) { return guest_.memory->HasOverlay(Gfn{gfn}.Address()); }
};
VENEER_BOTH_WIDTHS(PhysmapCalls);

TEST_P(PhysmapCalls, SharedInfoAppearsInRam) {
  EXPECT_EQ(Add(XENMAPSPACE_shared_info, 0, 7), 0);
  EXPECT_TRUE(Overlaid(7));
  const std::size_t seconds =
      Wide() ? offsetof(shared_info_t, wc_sec) : offsetof(shared_info_x86_32_t, wc_sec);
  EXPECT_EQ(guest_.memory->Read<std::uint32_t>(Gfn{7}.Address() + seconds), 1'700'000'000U);
  EXPECT_EQ(guest_.machine.times.at(0), Gfn{7}.Address() + 32);
  EXPECT_EQ(guest_.machine.times.at(1), Gfn{7}.Address() + 64 + 32);
}

TEST_P(PhysmapCalls, SharedInfoIsInOnePlace) {
  EXPECT_EQ(Add(XENMAPSPACE_shared_info, 0, 7), 0);
  EXPECT_EQ(Add(XENMAPSPACE_shared_info, 0, 7), 0);
  EXPECT_EQ(Add(XENMAPSPACE_shared_info, 0, kBarFrame), 0);
  EXPECT_FALSE(Overlaid(7));
  EXPECT_TRUE(Overlaid(kBarFrame));
}

TEST_P(PhysmapCalls, AVcpuWithAnInfoOfItsOwnKeepsItsClock) {
  ASSERT_TRUE(guest_.domain->RegisterVcpuInfo(0, 1, Gfn{3}, 0));
  EXPECT_EQ(Add(XENMAPSPACE_shared_info, 0, 7), 0);
  EXPECT_EQ(guest_.machine.times.at(1), Gfn{3}.Address() + 32);
}

TEST_P(PhysmapCalls, GrantFramesGoIntoTheBarHighestFirst) {
  for (const std::uint64_t index : {3ULL, 2ULL, 1ULL, 0ULL}) {
    EXPECT_EQ(Add(XENMAPSPACE_grant_table, index, kBarFrame + index), 0) << index;
    EXPECT_TRUE(Overlaid(kBarFrame + index));
  }
  EXPECT_EQ(guest_.domain->grants().QuerySize(DOMID_SELF).frames, 4U);
}

TEST_P(PhysmapCalls, AGrantFrameIsInOnePlace) {
  EXPECT_EQ(Add(XENMAPSPACE_grant_table, 0, kBarFrame), 0);
  EXPECT_EQ(Add(XENMAPSPACE_grant_table, 0, kBarFrame + 1), 0);
  EXPECT_FALSE(Overlaid(kBarFrame));
  EXPECT_TRUE(Overlaid(kBarFrame + 1));
  EXPECT_EQ(Add(XENMAPSPACE_grant_table, 1, kBarFrame + 1), 0) << "pushes the other out";
  EXPECT_EQ(Add(XENMAPSPACE_grant_table, 0, kBarFrame), 0);
  EXPECT_EQ(Add(XENMAPSPACE_shared_info, 0, kBarFrame), 0) << "pushes it out again";
  EXPECT_TRUE(Overlaid(kBarFrame));
}

TEST_P(PhysmapCalls, WhatCannotBeMapped) {
  EXPECT_EQ(Add(XENMAPSPACE_shared_info, 1, 7), -XEN_EINVAL);
  EXPECT_EQ(Add(XENMAPSPACE_grant_table, 1000, kBarFrame), -XEN_EINVAL);
  EXPECT_EQ(Add(XENMAPSPACE_grant_table, 0x7fffffff, kBarFrame), -XEN_EINVAL);
  EXPECT_EQ(Add(XENMAPSPACE_gmfn, 5, 7), -XEN_EOPNOTSUPP);
  EXPECT_EQ(Add(XENMAPSPACE_gmfn_range, 5, 7), -XEN_EOPNOTSUPP);
  EXPECT_EQ(Add(XENMAPSPACE_gmfn_foreign, 5, 7), -XEN_ENOSYS);
  EXPECT_EQ(Add(XENMAPSPACE_dev_mmio, 5, 7), -XEN_EACCES);
  EXPECT_EQ(Add(6, 0, 7), -XEN_EINVAL);
  EXPECT_EQ(Add(0xffffffff, 0, 7), -XEN_EINVAL);
  EXPECT_FALSE(Overlaid(7));
}

TEST_P(PhysmapCalls, FramesThatHoldNothing) {
  for (const std::uint64_t gfn :
       {XenGuest::kRamPages, XenGuest::kHole.value, std::uint64_t{0xffffffff}, ~std::uint64_t{0}}) {
    EXPECT_EQ(Add(XENMAPSPACE_shared_info, 0, gfn), -XEN_EINVAL) << gfn;
  }
}

TEST_P(PhysmapCalls, AFailedMoveLeavesThePageWhereItWas) {
  ASSERT_EQ(Add(XENMAPSPACE_shared_info, 0, 7), 0);
  EXPECT_EQ(Add(XENMAPSPACE_shared_info, 0, XenGuest::kHole.value), -XEN_EINVAL);
  EXPECT_TRUE(Overlaid(7));
}

TEST_P(PhysmapCalls, DomainsAndPointers) {
  EXPECT_EQ(Add(XENMAPSPACE_shared_info, 0, 7, kGuestDomId.value), 0);
  EXPECT_EQ(Add(XENMAPSPACE_shared_info, 0, 7, 0), -XEN_EPERM);
  EXPECT_EQ(Add(XENMAPSPACE_shared_info, 0, 7, 9), -XEN_ESRCH);
  EXPECT_EQ(Op(XENMEM_add_to_physmap, kBad), -XEN_EFAULT);
  EXPECT_EQ(Op(XENMEM_add_to_physmap | 0x10000ULL << 6, kBad), -XEN_EDOM);
}

TEST_P(PhysmapCalls, RemoveTakesAwayWhateverIsThere) {
  ASSERT_EQ(Add(XENMAPSPACE_grant_table, 0, kBarFrame), 0);
  EXPECT_EQ(Remove(kBarFrame), 0);
  EXPECT_FALSE(Overlaid(kBarFrame));
  EXPECT_EQ(Remove(kBarFrame), -XEN_ENOENT);
  ASSERT_EQ(Add(XENMAPSPACE_shared_info, 0, 7), 0);
  EXPECT_EQ(Remove(7), 0);
  EXPECT_EQ(Remove(7), -XEN_ENOENT);
  EXPECT_EQ(Remove(8), 0) << "RAM";
  EXPECT_FALSE(guest_.domain->physmap().IsRam(Gfn{8}));
  EXPECT_EQ(Remove(XenGuest::kHole.value), -XEN_ENOENT);
  EXPECT_EQ(Remove(~0ULL), -XEN_ENOENT);
  EXPECT_EQ(Remove(9, 0), -XEN_EPERM);
  EXPECT_EQ(Remove(9, 9), -XEN_ESRCH);
  EXPECT_EQ(Op(XENMEM_remove_from_physmap, kBad), -XEN_EFAULT);
  EXPECT_EQ(Op(XENMEM_remove_from_physmap | 1 << 6, kBad), -XEN_EINVAL);
}

class PhysmapBatch : public PhysmapCalls {
 protected:
  struct Lists {
    std::uint64_t indices, frames, errors;
  };
  Lists PutLists(std::uint64_t count, std::uint64_t bad) {
    testing::Wire indices = guest_.NewWire();
    testing::Wire frames = guest_.NewWire();
    for (std::uint64_t i = 0; i < count; ++i) {
      indices.Word(i);
      frames.Word(i == bad ? XenGuest::kHole.value : kBarFrame + i % XenGuest::kBarPages);
    }
    return {guest_.Put(indices), guest_.Put(frames),
            guest_.Put(std::vector(count * 4, std::byte{0x77}))};
  }
  std::int64_t Batch(std::uint64_t space, std::uint64_t count, const Lists& lists,
                     std::uint64_t start = 0, std::uint64_t domid = DOMID_SELF) {
    const std::uint64_t op = guest_.Put(guest_.NewWire()
                                            .U16(domid)
                                            .U16(space)
                                            .U16(count)
                                            .U16(0)
                                            .Word(lists.indices)
                                            .Word(lists.frames)
                                            .Word(lists.errors));
    return Op(XENMEM_add_to_physmap_batch | start << 6, op);
  }
  static constexpr std::uint64_t kNone = ~0ULL;
};
VENEER_BOTH_WIDTHS(PhysmapBatch);

TEST_P(PhysmapBatch, ReportsEachElementWhicheverFails) {
  for (std::uint64_t bad = 0; bad < 4; ++bad) {
    const Lists lists = PutLists(4, bad);
    EXPECT_EQ(Batch(XENMAPSPACE_grant_table, 4, lists), 0);
    for (std::uint64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(static_cast<std::int32_t>(guest_.Read(lists.errors + i * 4, 4)),
                i == bad ? -XEN_EINVAL : 0);
    }
  }
}

TEST_P(PhysmapBatch, LongOnesAreDoneInSlices) {
  const Lists lists = PutLists(150, kNone);
  EXPECT_EQ(Batch(XENMAPSPACE_grant_table, 150, lists), 0);
  EXPECT_EQ(guest_.slices, 3U);
  EXPECT_EQ(guest_.Read(lists.errors, 4), 0U);
  EXPECT_EQ(static_cast<std::int32_t>(guest_.Read(lists.errors + 149 * 4, 4)), -XEN_EINVAL)
      << "beyond the grant table";
}

TEST_P(PhysmapBatch, ArgumentErrors) {
  const Lists lists = PutLists(2, kNone);
  EXPECT_EQ(Batch(XENMAPSPACE_grant_table, 0, lists), 0);
  EXPECT_EQ(Batch(XENMAPSPACE_grant_table, 2, lists, 2), -XEN_EILSEQ);
  EXPECT_EQ(Batch(XENMAPSPACE_grant_table, 2, lists, 3), -XEN_EILSEQ);
  EXPECT_EQ(Batch(XENMAPSPACE_grant_table, 2, lists, 0x10000), -XEN_EDOM);
  EXPECT_EQ(Batch(XENMAPSPACE_gmfn_range, 2, lists), -XEN_EOPNOTSUPP);
  EXPECT_EQ(Batch(XENMAPSPACE_dev_mmio, 2, lists), -XEN_EACCES);
  EXPECT_EQ(Batch(XENMAPSPACE_grant_table, 2, lists, 0, 0), -XEN_EPERM);
  EXPECT_EQ(Batch(XENMAPSPACE_grant_table, 2, lists, 0, 9), -XEN_ESRCH);
  EXPECT_EQ(Batch(XENMAPSPACE_grant_table, 2, {kBad, lists.frames, lists.errors}), -XEN_EFAULT);
  EXPECT_EQ(Batch(XENMAPSPACE_grant_table, 2, {lists.indices, kBad, lists.errors}), -XEN_EFAULT);
  EXPECT_EQ(Batch(XENMAPSPACE_grant_table, 2, {lists.indices, lists.frames, kBad}), -XEN_EFAULT);
  EXPECT_EQ(
      Batch(XENMAPSPACE_grant_table, 1, {lists.indices, guest_.PutWords({~0ULL}), lists.errors}),
      -XEN_EINVAL);
  EXPECT_EQ(Op(XENMEM_add_to_physmap_batch, kBad), -XEN_EFAULT);
}

TEST_P(PhysmapBatch, ForeignMappingsAreRefusedOneByOne) {
  const Lists lists = PutLists(1, kNone);
  EXPECT_EQ(Batch(XENMAPSPACE_gmfn_foreign, 1, lists), 0);
  EXPECT_EQ(static_cast<std::int32_t>(guest_.Read(lists.errors, 4)), -XEN_EPERM);
}

}  // namespace
}  // namespace veneer
