#include "hypercall_fixture.h"

namespace veneer {
namespace {

using testing::Wire;
using testing::XenGuest;

class GrantTableCalls : public HypercallTest {
 protected:
  std::int64_t Op(std::uint64_t operation, std::uint64_t address, std::uint64_t count = 1) {
    return guest_.Call(__HYPERVISOR_grant_table_op, {operation, address, count});
  }
  std::int16_t Status(std::uint64_t address) {
    return static_cast<std::int16_t>(guest_.Read(address, 2));
  }
};
VENEER_BOTH_WIDTHS(GrantTableCalls);

TEST_P(GrantTableCalls, QuerySize) {
  const std::uint64_t op = guest_.Put(guest_.NewWire().U16(DOMID_SELF).U32(99).U32(99).U16(99));
  EXPECT_EQ(Op(GNTTABOP_query_size, op), 0);
  EXPECT_EQ(guest_.Read(op + 8, 4), 64U);
  EXPECT_EQ(Status(op + 12), GNTST_okay);
  const std::uint64_t other = guest_.Put(guest_.NewWire().U16(9).U32(0).U32(0).U16(0));
  EXPECT_EQ(Op(GNTTABOP_query_size, other), 0);
  EXPECT_EQ(Status(other + 12), GNTST_bad_domain);
}

TEST_P(GrantTableCalls, SetupTableListsTheFrames) {
  ASSERT_TRUE(guest_.domain->physmap().MapGrantFrame(0, Gfn{kBarFrame}));
  const std::uint64_t list = guest_.PutWords({5, 5, 5});
  const auto setup = [&](std::uint64_t domid, std::uint64_t frames, std::uint64_t address) {
    return guest_.Put(guest_.NewWire().U16(domid).U32(frames).U16(99).Word(address));
  };
  const std::uint64_t op = setup(DOMID_SELF, 2, list);
  EXPECT_EQ(Op(GNTTABOP_setup_table, op), 0);
  EXPECT_EQ(Status(op + 8), GNTST_okay);
  EXPECT_EQ(guest_.ReadWord(list), kBarFrame);
  EXPECT_EQ(guest_.ReadWord(list + guest_.WordSize()), Wide() ? ~0ULL : 0xffffffffULL)
      << "mapped nowhere";
  EXPECT_EQ(guest_.ReadWord(list + 2 * guest_.WordSize()), 5U) << "not asked for";

  const std::uint64_t bad_list = setup(DOMID_SELF, 2, kBad);
  EXPECT_EQ(Op(GNTTABOP_setup_table, bad_list), 0);
  EXPECT_EQ(Status(bad_list + 8), GNTST_bad_virt_addr);
  const std::uint64_t too_many = setup(DOMID_SELF, 65, list);
  EXPECT_EQ(Op(GNTTABOP_setup_table, too_many), 0);
  EXPECT_LT(Status(too_many + 8), 0);
  const std::uint64_t stranger = setup(0, 1, list);
  EXPECT_EQ(Op(GNTTABOP_setup_table, stranger), 0);
  EXPECT_LT(Status(stranger + 8), 0);
}

TEST_P(GrantTableCalls, Versions) {
  const auto set = [&](std::uint64_t version) {
    return Op(GNTTABOP_set_version, guest_.Put(guest_.NewWire().U32(version)));
  };
  EXPECT_EQ(set(1), 0);
  EXPECT_EQ(set(3), -XEN_EINVAL);
  EXPECT_EQ(set(0xffffffff), -XEN_EINVAL);
  const std::uint64_t op = guest_.Put(guest_.NewWire().U16(DOMID_SELF).U16(0).U32(99));
  EXPECT_EQ(Op(GNTTABOP_get_version, op), 0);
  EXPECT_EQ(guest_.Read(op + 4, 4), 1U);
  EXPECT_EQ(Op(GNTTABOP_get_version, guest_.Put(guest_.NewWire().U16(0).U16(0).U32(0))),
            -XEN_EPERM);
  EXPECT_EQ(Op(GNTTABOP_get_version, guest_.Put(guest_.NewWire().U16(9).U16(0).U32(0))),
            -XEN_ESRCH);
  XenGuest first_only(GetParam(), 1,
                      [](XenDomainOptions& options) { options.grants.version_2 = false; });
  EXPECT_EQ(first_only.Call(__HYPERVISOR_grant_table_op,
                            {GNTTABOP_set_version, first_only.Put(first_only.NewWire().U32(2)), 1}),
            -XEN_ENOSYS);
}

TEST_P(GrantTableCalls, StatusFramesOfVersionTwo) {
  ASSERT_EQ(Op(GNTTABOP_set_version, guest_.Put(guest_.NewWire().U32(2))), 0);
  const std::uint64_t list = guest_.Put(std::vector(16, std::byte{5}));
  const std::uint64_t op = guest_.Put(guest_.NewWire().U32(1).U16(DOMID_SELF).U16(99).Word(list));
  EXPECT_EQ(Op(GNTTABOP_get_status_frames, op), 0);
  EXPECT_EQ(Status(op + 6), GNTST_okay);
  EXPECT_EQ(guest_.Read(list, 8), ~0ULL) << "64 bits for both widths";
}

TEST_P(GrantTableCalls, CopyBetweenFrames) {
  // The guest's own frames, by number: source and destination in one page of RAM each.
  ASSERT_TRUE(guest_.memory->Write<std::uint64_t>(Gfn{8}.Address() + 16, 0x1122334455667788));
  Wire wire = guest_.NewWire();
  wire.Word(8).U16(DOMID_SELF).U16(16);
  const std::size_t end_size = wire.Bytes().size();
  EXPECT_EQ(end_size, Wide() ? 16U : 8U);
  Wire op_wire = guest_.NewWire();
  op_wire.Word(8).U16(DOMID_SELF).U16(16).Word(9).U16(DOMID_SELF).U16(32);
  op_wire.Word(0);  // stands for len, flags, status; filled in below
  const std::uint64_t op = guest_.Put(op_wire);
  const std::uint64_t tail = op + 2 * end_size;
  const std::uint16_t len_flags[] = {8, 0};
  ASSERT_TRUE(guest_.virtual_memory->Write(tail, std::as_bytes(std::span(len_flags))));
  EXPECT_EQ(Op(GNTTABOP_copy, op), 0);
  EXPECT_EQ(Status(tail + 4), GNTST_okay);
  EXPECT_EQ(guest_.memory->Read<std::uint64_t>(Gfn{9}.Address() + 32), 0x1122334455667788U);
}

TEST_P(GrantTableCalls, NobodyGrantsToTheGuest) {
  const std::uint64_t map =
      guest_.Put(guest_.NewWire().U64(0).U32(0).U32(1).U16(0).U16(0).U32(0).U64(0));
  EXPECT_EQ(Op(GNTTABOP_map_grant_ref, map), 0);
  EXPECT_LT(Status(map + 18), 0);
  const std::uint64_t unmap = guest_.Put(guest_.NewWire().U64(0).U64(0).U32(7).U16(0));
  EXPECT_EQ(Op(GNTTABOP_unmap_grant_ref, unmap), 0);
  EXPECT_LT(Status(unmap + 20), 0);
}

TEST_P(GrantTableCalls, CountsThatXenTakesOneAtATime) {
  for (const std::uint64_t operation :
       {GNTTABOP_setup_table, GNTTABOP_query_size, GNTTABOP_set_version, GNTTABOP_get_version,
        GNTTABOP_get_status_frames}) {
    for (const std::uint64_t count : {0ULL, 2ULL, 0x80000000ULL, 0xffffffffULL}) {
      EXPECT_EQ(Op(operation, kBad, count), -XEN_EINVAL) << operation;
    }
    EXPECT_EQ(Op(operation, kBad), -XEN_EFAULT) << operation;
  }
}

TEST_P(GrantTableCalls, BatchesStopAtABadPointer) {
  for (const std::uint64_t operation :
       {GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref, GNTTABOP_copy, GNTTABOP_swap_grant_ref,
        GNTTABOP_unmap_and_replace, GNTTABOP_cache_flush}) {
    EXPECT_EQ(Op(operation, kBad, 0), 0) << operation;
    EXPECT_EQ(Op(operation, kBad, 1), -XEN_EFAULT) << operation;
    EXPECT_EQ(Op(operation, kBad, 0x80000000), -XEN_EINVAL) << operation;
  }
}

TEST_P(GrantTableCalls, LongBatchesAreDoneInSlices) {
  Wire wire = guest_.NewWire();
  for (int i = 0; i < 200; ++i) {
    wire.U32(9).U32(10).U16(0x7777).U16(0);
  }
  const std::uint64_t ops = guest_.Put(wire);
  EXPECT_EQ(Op(GNTTABOP_swap_grant_ref, ops, 200), 0);
  EXPECT_EQ(guest_.slices, 4U);
  EXPECT_NE(guest_.Read(ops + 199 * 12 + 8, 2), 0x7777U) << "the last one was done, too";
}

}  // namespace
}  // namespace veneer
