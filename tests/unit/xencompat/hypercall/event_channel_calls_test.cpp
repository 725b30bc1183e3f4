#include "hypercall_fixture.h"

namespace veneer {
namespace {

class EventChannelCalls : public HypercallTest {
 protected:
  std::int64_t Op(std::uint64_t operation, std::uint64_t address) {
    return guest_.Call(__HYPERVISOR_event_channel_op, {operation, address});
  }
  std::int64_t PortOp(std::uint64_t operation, std::uint64_t port) {
    return Op(operation, guest_.Put(guest_.NewWire().U32(port)));
  }
  std::uint32_t BindIpi(unsigned vcpu = 0) {
    const std::uint64_t op = guest_.Put(guest_.NewWire().U32(vcpu).U32(0));
    EXPECT_EQ(Op(EVTCHNOP_bind_ipi, op), 0);
    return static_cast<std::uint32_t>(guest_.Read(op + 4, 4));
  }
  struct Status {
    std::uint64_t status, vcpu, first;
  };
  Status GetStatus(std::uint32_t port) {
    const std::uint64_t op =
        guest_.Put(guest_.NewWire().U16(DOMID_SELF).U32(port).U32(99).U32(99).U32(99).U32(99));
    EXPECT_EQ(Op(EVTCHNOP_status, op), 0);
    return {guest_.Read(op + 8, 4), guest_.Read(op + 12, 4), guest_.Read(op + 16, 4)};
  }
};
VENEER_BOTH_WIDTHS(EventChannelCalls);

TEST_P(EventChannelCalls, BadPointersFault) {
  for (std::uint64_t operation = 0; operation <= EVTCHNOP_set_priority; ++operation) {
    EXPECT_EQ(Op(operation, kBad), -XEN_EFAULT) << operation;
    EXPECT_EQ(Op(operation, 0), -XEN_EFAULT) << operation;
  }
}

TEST_P(EventChannelCalls, AllocUnbound) {
  const std::uint64_t op = guest_.Put(guest_.NewWire().U16(DOMID_SELF).U16(0).U32(0));
  EXPECT_EQ(Op(EVTCHNOP_alloc_unbound, op), 0);
  const auto port = static_cast<std::uint32_t>(guest_.Read(op + 4, 4));
  EXPECT_NE(port, 0U);
  EXPECT_EQ(GetStatus(port).status, static_cast<unsigned>(EVTCHNSTAT_unbound));
  EXPECT_EQ(GetStatus(port).first & 0xffffU, 0U) << "who may bind it";
  const std::uint64_t foreign = guest_.Put(guest_.NewWire().U16(0).U16(1).U32(77));
  EXPECT_EQ(Op(EVTCHNOP_alloc_unbound, foreign), -XEN_EPERM);
  EXPECT_EQ(guest_.Read(foreign + 4, 4), 77U) << "a call that fails writes nothing";
}

TEST_P(EventChannelCalls, BindInterdomainAndSend) {
  int received = 0;
  const EvtchnPort host = *guest_.domain->events().AllocHostUnbound([&] { ++received; });
  const std::uint64_t op = guest_.Put(guest_.NewWire().U16(0).U32(host.value).U32(0));
  EXPECT_EQ(Op(EVTCHNOP_bind_interdomain, op), 0);
  const auto port = static_cast<std::uint32_t>(guest_.Read(op + 8, 4));
  EXPECT_EQ(GetStatus(port).status, static_cast<unsigned>(EVTCHNSTAT_interdomain));
  received = 0;
  EXPECT_EQ(PortOp(EVTCHNOP_send, port), 0);
  EXPECT_EQ(received, 1);
  EXPECT_EQ(Op(EVTCHNOP_bind_interdomain, op), -XEN_EINVAL) << "the remote port is taken";
  EXPECT_EQ(PortOp(EVTCHNOP_close, port), 0);
  EXPECT_EQ(PortOp(EVTCHNOP_send, port), -XEN_EINVAL);
}

TEST_P(EventChannelCalls, BindVirq) {
  const std::uint64_t op = guest_.Put(guest_.NewWire().U32(VIRQ_TIMER).U32(1).U32(0));
  EXPECT_EQ(Op(EVTCHNOP_bind_virq, op), 0);
  const auto port = static_cast<std::uint32_t>(guest_.Read(op + 8, 4));
  const Status status = GetStatus(port);
  EXPECT_EQ(status.status, static_cast<unsigned>(EVTCHNSTAT_virq));
  EXPECT_EQ(status.vcpu, 1U);
  EXPECT_EQ(status.first, static_cast<unsigned>(VIRQ_TIMER));
  EXPECT_EQ(Op(EVTCHNOP_bind_virq, op), -XEN_EEXIST);
  EXPECT_EQ(Op(EVTCHNOP_bind_virq, guest_.Put(guest_.NewWire().U32(NR_VIRQS).U32(0).U32(0))),
            -XEN_EINVAL);
  EXPECT_EQ(Op(EVTCHNOP_bind_virq, guest_.Put(guest_.NewWire().U32(VIRQ_TIMER).U32(2).U32(0))),
            -XEN_ENOENT);
}

TEST_P(EventChannelCalls, BindIpiAndMoveIt) {
  const std::uint32_t port = BindIpi(1);
  EXPECT_EQ(GetStatus(port).status, static_cast<unsigned>(EVTCHNSTAT_ipi));
  EXPECT_EQ(GetStatus(port).vcpu, 1U);
  EXPECT_EQ(Op(EVTCHNOP_bind_vcpu, guest_.Put(guest_.NewWire().U32(port).U32(0))), -XEN_EINVAL)
      << "an IPI stays with its vCPU";
  EXPECT_EQ(Op(EVTCHNOP_bind_vcpu, guest_.Put(guest_.NewWire().U32(port).U32(9))), -XEN_ENOENT);
  EXPECT_EQ(Op(EVTCHNOP_bind_ipi, guest_.Put(guest_.NewWire().U32(2).U32(0))), -XEN_ENOENT);
}

TEST_P(EventChannelCalls, PirqsAreNotOffered) {
  const std::uint64_t op = guest_.Put(guest_.NewWire().U32(1).U32(0).U32(0));
  EXPECT_LT(Op(EVTCHNOP_bind_pirq, op), 0);
}

TEST_P(EventChannelCalls, PortsThatDoNotExist) {
  for (const std::uint64_t port : {0ULL, 4095ULL, 0x7fffffffULL, 0xffffffffULL}) {
    EXPECT_EQ(PortOp(EVTCHNOP_close, port), -XEN_EINVAL) << port;
    EXPECT_EQ(PortOp(EVTCHNOP_send, port), -XEN_EINVAL) << port;
    EXPECT_EQ(PortOp(EVTCHNOP_unmask, port), -XEN_EINVAL) << port;
  }
  EXPECT_EQ(Op(EVTCHNOP_set_priority, guest_.Put(guest_.NewWire().U32(99999).U32(1))), -XEN_EINVAL);
  EXPECT_EQ(Op(EVTCHNOP_set_priority, guest_.Put(guest_.NewWire().U32(BindIpi()).U32(1))),
            -XEN_ENOSYS)
      << "the 2-level ABI has no priorities";
}

TEST_P(EventChannelCalls, StatusOfAnotherDomain) {
  const std::uint64_t op = guest_.Put(guest_.NewWire().U16(0).U32(1).U64(0).U64(0));
  EXPECT_EQ(Op(EVTCHNOP_status, op), -XEN_EPERM);
  const std::uint64_t nobody = guest_.Put(guest_.NewWire().U16(77).U32(1).U64(0).U64(0));
  EXPECT_EQ(Op(EVTCHNOP_status, nobody), -XEN_ESRCH);
}

TEST_P(EventChannelCalls, UnmaskDeliversWhatIsPending) {
  const std::uint32_t port = BindIpi();
  EXPECT_EQ(PortOp(EVTCHNOP_send, port), 0);
  EXPECT_EQ(PortOp(EVTCHNOP_unmask, port), 0);
  EXPECT_TRUE(guest_.domain->events().UpcallPending(0));
}

TEST_P(EventChannelCalls, ResetClosesEverything) {
  const std::uint32_t port = BindIpi();
  EXPECT_EQ(Op(EVTCHNOP_reset, guest_.Put(guest_.NewWire().U16(DOMID_SELF))), 0);
  EXPECT_EQ(PortOp(EVTCHNOP_send, port), -XEN_EINVAL);
  EXPECT_EQ(Op(EVTCHNOP_reset, guest_.Put(guest_.NewWire().U16(0))), -XEN_EPERM);
}

TEST_P(EventChannelCalls, FifoIsSetUpByControlBlocksAndArrays) {
  const auto init = [&](std::uint64_t gfn, std::uint64_t offset, std::uint64_t vcpu) {
    return Op(
        EVTCHNOP_init_control,
        guest_.Put(guest_.NewWire().U64(gfn).U32(offset).U32(vcpu).U8(0xee).U8(0).U16(0).U32(0)));
  };
  const std::uint64_t frame = guest_.PhysicalOf(guest_.Allocate(kPageSize)).value / kPageSize;
  EXPECT_EQ(init(frame, 0, 2), -XEN_ENOENT) << "no such vCPU";
  EXPECT_EQ(init(frame, kPageSize - 8, 0), -XEN_EINVAL) << "leaves the page";
  const std::uint64_t op =
      guest_.Put(guest_.NewWire().U64(frame).U32(0).U32(0).U8(0xee).U8(0).U16(0).U32(0));
  EXPECT_EQ(Op(EVTCHNOP_init_control, op), 0);
  EXPECT_EQ(guest_.Read(op + 16, 1), static_cast<unsigned>(EVTCHN_FIFO_LINK_BITS));
  const std::uint64_t array = guest_.PhysicalOf(guest_.Allocate(kPageSize)).value / kPageSize;
  EXPECT_EQ(Op(EVTCHNOP_expand_array, guest_.Put(guest_.NewWire().U64(array))), 0);
  const std::uint32_t port = BindIpi();
  EXPECT_EQ(Op(EVTCHNOP_set_priority, guest_.Put(guest_.NewWire().U32(port).U32(3))), 0);
  EXPECT_EQ(Op(EVTCHNOP_set_priority, guest_.Put(guest_.NewWire().U32(port).U32(16))), -XEN_EINVAL);
}

}  // namespace
}  // namespace veneer
