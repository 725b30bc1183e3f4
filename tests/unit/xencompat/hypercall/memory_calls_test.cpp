#include "hypercall_fixture.h"

namespace veneer {
namespace {

using testing::XenGuest;

class MemoryCalls : public HypercallTest {
 protected:
  std::int64_t Op(std::uint64_t operation, std::uint64_t address) {
    return guest_.Call(__HYPERVISOR_memory_op, {operation, address});
  }
  std::uint64_t Reservation(std::uint64_t list, std::uint64_t extents, std::uint64_t order = 0,
                            std::uint64_t domid = DOMID_SELF) {
    return guest_.Put(guest_.NewWire().Word(list).Word(extents).U32(order).U32(0).U16(domid));
  }
  std::uint64_t Pages() { return guest_.domain->physmap().populated_pages(); }
};
VENEER_BOTH_WIDTHS(MemoryCalls);

TEST_P(MemoryCalls, DecreaseGivesPagesBackAndPopulateFetchesThemZeroed) {
  ASSERT_TRUE(guest_.memory->Write<std::uint32_t>(Gfn{9}.Address(), 0xdeadbeef));
  const std::uint64_t list = guest_.PutWords({8, 9, 11});
  EXPECT_EQ(Op(XENMEM_decrease_reservation, Reservation(list, 3)), 3);
  EXPECT_EQ(Pages(), XenGuest::kRamPages - 3);
  EXPECT_EQ(guest_.memory->Read<std::uint32_t>(Gfn{9}.Address()), 0U);
  EXPECT_EQ(Op(XENMEM_populate_physmap, Reservation(list, 3)), 3);
  EXPECT_EQ(Pages(), XenGuest::kRamPages);
}

TEST_P(MemoryCalls, DecreaseStopsAtAFrameThatIsNotThere) {
  EXPECT_EQ(Op(XENMEM_decrease_reservation,
               Reservation(guest_.PutWords({8, XenGuest::kHole.value, 9}), 3)),
            1);
  EXPECT_EQ(Pages(), XenGuest::kRamPages - 1);
  EXPECT_EQ(Op(XENMEM_decrease_reservation, Reservation(guest_.PutWords({8}), 1)), 0)
      << "gone already";
  EXPECT_EQ(Op(XENMEM_decrease_reservation, Reservation(guest_.PutWords({~0ULL}), 1)), 0);
}

TEST_P(MemoryCalls, EachPositionOfABatchCanFail) {
  for (std::uint64_t bad = 0; bad < 5; ++bad) {
    XenGuest guest(GetParam());
    std::vector<std::uint64_t> frames = {20, 21, 22, 23, 24};
    frames[bad] = XenGuest::kHole.value;
    const std::uint64_t list =
        guest.PutWords({frames[0], frames[1], frames[2], frames[3], frames[4]});
    const std::uint64_t op =
        guest.Put(guest.NewWire().Word(list).Word(5).U32(0).U32(0).U16(DOMID_SELF));
    EXPECT_EQ(guest.Call(__HYPERVISOR_memory_op, {XENMEM_decrease_reservation, op}),
              static_cast<std::int64_t>(bad));
    EXPECT_EQ(guest.domain->physmap().populated_pages(), XenGuest::kRamPages - bad);
  }
}

TEST_P(MemoryCalls, ExtentsOfSeveralPages) {
  const std::uint64_t list = guest_.PutWords({16, 32});
  EXPECT_EQ(Op(XENMEM_decrease_reservation, Reservation(list, 2, 3)), 2);
  EXPECT_EQ(Pages(), XenGuest::kRamPages - 16);
  EXPECT_EQ(Op(XENMEM_populate_physmap, Reservation(list, 2, 3)), 2);
  EXPECT_EQ(Op(XENMEM_decrease_reservation, Reservation(list, 2, 10)), 0) << "order too high";
  EXPECT_EQ(Op(XENMEM_decrease_reservation, Reservation(list, 2, 0xffffffff)), 0);
  EXPECT_EQ(Pages(), XenGuest::kRamPages);
}

TEST_P(MemoryCalls, LongListsAreDoneInSlices) {
  testing::Wire wire = guest_.NewWire();
  constexpr std::uint64_t kExtents = 200;
  for (std::uint64_t frame = 0; frame < kExtents; ++frame) {
    wire.Word(frame);
  }
  EXPECT_EQ(Op(XENMEM_decrease_reservation, Reservation(guest_.Put(wire), kExtents)),
            static_cast<std::int64_t>(kExtents));
  EXPECT_EQ(Pages(), XenGuest::kRamPages - kExtents);
  EXPECT_EQ(guest_.slices, 1U);
  // Four extents of 512 pages are one slice.
  const std::uint64_t list = guest_.PutWords({512, 512, 512, 512, 512, 512});
  EXPECT_EQ(Op(XENMEM_populate_physmap, Reservation(list, 6, 9)), 6);
  EXPECT_EQ(guest_.slices, 2U);
}

TEST_P(MemoryCalls, AStartExtentGoesOnWhereItSays) {
  const std::uint64_t list = guest_.PutWords({30, 31, 32});
  EXPECT_EQ(Op(XENMEM_decrease_reservation | 2 << 6, Reservation(list, 3)), 3);
  EXPECT_EQ(Pages(), XenGuest::kRamPages - 1);
  EXPECT_EQ(Op(XENMEM_decrease_reservation | 3 << 6, Reservation(list, 3)), 3) << "nothing left";
  EXPECT_EQ(Op(XENMEM_decrease_reservation | 77 << 6, Reservation(list, 3)), 77);
}

TEST_P(MemoryCalls, ErrorsOfReservationsAreCountsToo) {
  const std::uint64_t list = guest_.PutWords({8});
  for (const std::uint64_t operation :
       {XENMEM_decrease_reservation, XENMEM_populate_physmap, XENMEM_increase_reservation}) {
    EXPECT_EQ(Op(operation, kBad), 0) << operation;
    EXPECT_EQ(Op(operation, Reservation(kBad, 1)), 0);
    EXPECT_EQ(Op(operation, Reservation(list, 1, 0, 0)), 0) << "another domain";
    EXPECT_EQ(Op(operation, Reservation(list, 0)), 0);
    EXPECT_EQ(Op(operation, Reservation(list, ~0ULL)), 0) << "too many to go on with";
  }
  EXPECT_EQ(Op(XENMEM_increase_reservation, Reservation(list, 1)), 0);
  EXPECT_EQ(Pages(), XenGuest::kRamPages);
}

TEST_P(MemoryCalls, PopulateStopsAtTheReservation) {
  const std::uint64_t list = guest_.PutWords({8, 9});
  ASSERT_EQ(Op(XENMEM_decrease_reservation, Reservation(list, 2)), 2);
  guest_.domain->physmap().SetMaximum(XenGuest::kRamPages - 1);
  EXPECT_EQ(Op(XENMEM_populate_physmap, Reservation(list, 2)), 1);
  EXPECT_EQ(Pages(), XenGuest::kRamPages - 1);
}

TEST_P(MemoryCalls, PopulateOfWhatIsThereGivesAFreshPage) {
  ASSERT_TRUE(guest_.memory->Write<std::uint32_t>(Gfn{9}.Address(), 0xdeadbeef));
  EXPECT_EQ(Op(XENMEM_populate_physmap, Reservation(guest_.PutWords({9}), 1)), 1);
  EXPECT_EQ(guest_.memory->Read<std::uint32_t>(Gfn{9}.Address()), 0U);
  EXPECT_EQ(Pages(), XenGuest::kRamPages);
}

TEST_P(MemoryCalls, PopulateOutsideOfRam) {
  EXPECT_EQ(Op(XENMEM_populate_physmap, Reservation(guest_.PutWords({XenGuest::kRamPages}), 1)), 0);
  EXPECT_EQ(Op(XENMEM_populate_physmap,
               Reservation(guest_.PutWords({XenGuest::kBar.value / kPageSize}), 1)),
            0);
}

TEST_P(MemoryCalls, QuestionsAboutTheDomain) {
  const std::uint64_t self = guest_.Put(guest_.NewWire().U16(DOMID_SELF));
  const auto pages = static_cast<std::int64_t>(XenGuest::kRamPages);
  EXPECT_EQ(Op(XENMEM_current_reservation, self), pages);
  EXPECT_EQ(Op(XENMEM_maximum_reservation, self), pages);
  const auto highest =
      static_cast<std::int64_t>(XenGuest::kBar.value / kPageSize + XenGuest::kBarPages - 1);
  EXPECT_EQ(Op(XENMEM_maximum_gpfn, self), highest);
  EXPECT_EQ(Op(XENMEM_maximum_ram_page, 0), highest);
  guest_.domain->physmap().Release(Gfn{3});
  guest_.domain->physmap().SetMaximum(77);
  EXPECT_EQ(Op(XENMEM_current_reservation, self), pages - 1);
  EXPECT_EQ(Op(XENMEM_maximum_reservation, self), 77);
  for (const std::uint64_t operation :
       {XENMEM_current_reservation, XENMEM_maximum_reservation, XENMEM_maximum_gpfn}) {
    EXPECT_EQ(Op(operation, kBad), -XEN_EFAULT);
    EXPECT_EQ(Op(operation | 1 << 6, self), -XEN_EINVAL);
    EXPECT_EQ(Op(operation, guest_.Put(guest_.NewWire().U16(0))), -XEN_EPERM);
    EXPECT_EQ(Op(operation, guest_.Put(guest_.NewWire().U16(5))), -XEN_ESRCH);
  }
}

TEST_P(MemoryCalls, MemoryMapIsCutToTheBuffer) {
  const std::uint64_t buffer = guest_.Allocate(3 * 20 + 4);
  ASSERT_TRUE(guest_.virtual_memory->Write(buffer, std::vector(64, std::byte{0xff})));
  std::uint64_t op = guest_.Put(guest_.NewWire().U32(2).Word(buffer));
  EXPECT_EQ(Op(XENMEM_memory_map, op), 0);
  EXPECT_EQ(guest_.Read(op, 4), 2U);
  EXPECT_EQ(guest_.Read(buffer + 8, 8), 0xa0000U);
  EXPECT_EQ(guest_.Read(buffer + 20, 8), 0x100000U);
  EXPECT_EQ(guest_.Read(buffer + 40, 4), 0xffffffffU) << "not asked for";
  op = guest_.Put(guest_.NewWire().U32(100).Word(buffer));
  EXPECT_EQ(Op(XENMEM_memory_map, op), 0);
  EXPECT_EQ(guest_.Read(op, 4), 3U);
  EXPECT_EQ(guest_.Read(buffer + 56, 4), 2U) << "type of the third entry";
  EXPECT_EQ(Op(XENMEM_memory_map, guest_.Put(guest_.NewWire().U32(1).Word(kBad))), -XEN_EFAULT);
  EXPECT_EQ(Op(XENMEM_memory_map, kBad), -XEN_EFAULT);
  EXPECT_EQ(Op(XENMEM_memory_map | 1 << 6, op), -XEN_ENOSYS);
}

TEST_P(MemoryCalls, WithoutAMapThereIsNoSuchCall) {
  XenGuest other(GetParam(), 1, [](XenDomainOptions& options) { options.e820.clear(); });
  const std::uint64_t op = other.Put(other.NewWire().U32(1).Word(other.Allocate(20)));
  EXPECT_EQ(other.Call(__HYPERVISOR_memory_op, {XENMEM_memory_map, op}), -XEN_ENOSYS);
}

TEST_P(MemoryCalls, ToolstackOperationsDoNotExist) {
  for (const std::uint64_t operation :
       {XENMEM_exchange, XENMEM_machphys_mapping, XENMEM_machine_memory_map, XENMEM_set_memory_map,
        XENMEM_set_pod_target, XENMEM_get_vnumainfo}) {
    EXPECT_EQ(Op(operation, kBad), -XEN_ENOSYS) << operation;
  }
}

}  // namespace
}  // namespace veneer
