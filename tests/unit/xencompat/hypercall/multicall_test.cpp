#include "hypercall_fixture.h"

namespace veneer {
namespace {

using testing::Wire;

class Multicall : public HypercallTest {
 protected:
  static void Entry(Wire& wire, std::uint64_t op, std::uint64_t arg0 = 0, std::uint64_t arg1 = 0,
                    std::uint64_t arg2 = 0) {
    wire.Word(op).Word(0x55).Word(arg0).Word(arg1).Word(arg2).Word(0).Word(0).Word(0);
  }
  std::int64_t Run(std::uint64_t list, std::uint64_t count) {
    return guest_.Call(__HYPERVISOR_multicall, {list, count});
  }
  std::int64_t ResultOf(std::uint64_t list, std::uint64_t index) {
    const std::uint64_t word = guest_.WordSize();
    const std::uint64_t value = guest_.ReadWord(list + index * 8 * word + word);
    return Wide() ? static_cast<std::int64_t>(value) : static_cast<std::int32_t>(value);
  }
};
VENEER_BOTH_WIDTHS(Multicall);

TEST_P(Multicall, EachEntryGetsItsResult) {
  Wire wire = guest_.NewWire();
  Entry(wire, __HYPERVISOR_xen_version, XENVER_version);
  Entry(wire, 99);
  Entry(wire, __HYPERVISOR_sched_op, SCHEDOP_shutdown, kBad);
  Entry(wire, __HYPERVISOR_xen_version, XENVER_pagesize);
  const std::uint64_t list = guest_.Put(wire);
  EXPECT_EQ(Run(list, 4), 0);
  EXPECT_EQ(ResultOf(list, 0), 0x40011);
  EXPECT_EQ(ResultOf(list, 1), -XEN_ENOSYS);
  EXPECT_EQ(ResultOf(list, 2), -XEN_EFAULT);
  EXPECT_EQ(ResultOf(list, 3), 4096);
}

TEST_P(Multicall, NothingToDo) {
  EXPECT_EQ(Run(kBad, 0), 0);
  EXPECT_EQ(Run(0, 0), 0);
}

TEST_P(Multicall, DoesNotNest) {
  Wire wire = guest_.NewWire();
  Entry(wire, __HYPERVISOR_multicall, kBad, 1);
  const std::uint64_t list = guest_.Put(wire);
  EXPECT_EQ(Run(list, 1), 0);
  EXPECT_EQ(ResultOf(list, 0), -XEN_EINVAL);
}

TEST_P(Multicall, BadPointersFault) {
  EXPECT_EQ(Run(kBad, 1), -XEN_EFAULT);
  Wire wire = guest_.NewWire();
  Entry(wire, __HYPERVISOR_xen_version, XENVER_version);
  const std::vector<std::byte> bytes = wire.Bytes();
  const std::uint64_t last = guest_.Base() + testing::XenGuest::kRam - bytes.size();
  ASSERT_TRUE(guest_.virtual_memory->Write(last, bytes));
  EXPECT_EQ(Run(last, 2), -XEN_EFAULT);
  EXPECT_EQ(ResultOf(last, 0), 0x40011) << "what came before was done";
}

TEST_P(Multicall, LongListsAreDoneInSlices) {
  Wire wire = guest_.NewWire();
  for (int i = 0; i < 100; ++i) {
    Entry(wire, __HYPERVISOR_xen_version, XENVER_version);
  }
  const std::uint64_t list = guest_.Put(wire);
  EXPECT_EQ(Run(list, 100), 0);
  EXPECT_EQ(guest_.slices, 4U);
  EXPECT_EQ(ResultOf(list, 99), 0x40011);
  EXPECT_EQ(guest_.metrics.Get("hypercall.xen_version.version").value(), 100U);
}

TEST_P(Multicall, AnEntryThatTakesABreakGoesOn) {
  Wire wire = guest_.NewWire();
  const std::uint64_t text = guest_.Put(std::vector(3000, std::byte{'x'}));
  Entry(wire, __HYPERVISOR_console_io, CONSOLEIO_write, 3000, text);
  Entry(wire, __HYPERVISOR_xen_version, XENVER_version);
  const std::uint64_t list = guest_.Put(wire);
  EXPECT_EQ(Run(list, 2), 0);
  EXPECT_EQ(guest_.slices, 3U);
  EXPECT_EQ(ResultOf(list, 0), 0);
  EXPECT_EQ(ResultOf(list, 1), 0x40011);
}

TEST_P(Multicall, AnEndlessListLetsTheVcpuGoAfterEachSlice) {
  Wire wire = guest_.NewWire();
  for (int i = 0; i < 40; ++i) {
    Entry(wire, __HYPERVISOR_xen_version, XENVER_version);
  }
  HypercallFrame frame = guest_.Frame(__HYPERVISOR_multicall, {guest_.Put(wire), ~0ULL});
  const CallResult result = guest_.hypercalls->Dispatch(0, frame, *guest_.virtual_memory);
  EXPECT_TRUE(result.again);
  EXPECT_EQ(frame.args[1], ~0ULL - 32);
}

}  // namespace
}  // namespace veneer
