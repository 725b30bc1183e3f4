#include "hypercall_fixture.h"

namespace veneer {
namespace {

using testing::XenGuest;

class HvmCalls : public HypercallTest {
 protected:
  std::int64_t Op(std::uint64_t operation, std::uint64_t address) {
    return guest_.Call(__HYPERVISOR_hvm_op, {operation, address});
  }
  std::int64_t WriteParam(std::uint64_t index, std::uint64_t value,
                          std::uint64_t domid = DOMID_SELF) {
    return Op(HVMOP_set_param,
              guest_.Put(guest_.NewWire().U16(domid).U16(0).U32(index).U64(value)));
  }
  std::int64_t ReadParam(std::uint64_t index, std::uint64_t domid = DOMID_SELF) {
    const std::uint64_t op =
        guest_.Put(guest_.NewWire().U16(domid).U16(0).U32(index).U64(kUntouched));
    const std::int64_t result = Op(HVMOP_get_param, op);
    value_ = guest_.Read(op + 8, 8);
    return result;
  }
  static constexpr std::uint64_t kUntouched = 0x1122334455667788;
  std::uint64_t value_ = 0;
};
VENEER_BOTH_WIDTHS(HvmCalls);

TEST_P(HvmCalls, TheGuestReadsWhatTheMachineHasSet) {
  guest_.domain->params().Preset(HVM_PARAM_STORE_PFN, 0xfeffc);
  guest_.domain->params().Preset(HVM_PARAM_CONSOLE_PFN, 0xfefff);
  EXPECT_EQ(ReadParam(HVM_PARAM_STORE_PFN), 0);
  EXPECT_EQ(value_, 0xfeffcU);
  EXPECT_EQ(ReadParam(HVM_PARAM_CONSOLE_PFN, kGuestDomId.value), 0);
  EXPECT_EQ(value_, 0xfefffU);
}

TEST_P(HvmCalls, ParametersThatTheGuestMaySet) {
  for (const std::uint64_t index : {HVM_PARAM_STORE_EVTCHN, HVM_PARAM_CONSOLE_EVTCHN,
                                    HVM_PARAM_VM_GENERATION_ID_ADDR, HVM_PARAM_VM86_TSS}) {
    EXPECT_EQ(WriteParam(index, 0x1234), 0) << index;
    EXPECT_EQ(ReadParam(index), 0);
    EXPECT_EQ(value_, 0x1234U);
  }
}

TEST_P(HvmCalls, ParametersThatAreNotTheGuests) {
  for (const std::uint64_t index : {HVM_PARAM_STORE_PFN, HVM_PARAM_CONSOLE_PFN}) {
    EXPECT_EQ(WriteParam(index, 1), -XEN_EPERM) << index;
  }
  for (const std::uint64_t index : {HVM_PARAM_IOREQ_PFN, HVM_PARAM_VIRIDIAN, HVM_PARAM_IDENT_PT,
                                    HVM_PARAM_ACPI_S_STATE, HVM_PARAM_MCA_CAP}) {
    EXPECT_EQ(WriteParam(index, 1), -XEN_EPERM) << index;
    EXPECT_EQ(ReadParam(index), -XEN_EPERM) << index;
    EXPECT_EQ(value_, kUntouched);
  }
}

TEST_P(HvmCalls, ParametersThatAreOutOfUseOrDoNotExist) {
  for (const std::uint64_t index :
       {4ULL, 13ULL, 20ULL, 26ULL, 30ULL, static_cast<unsigned long long>(HVM_NR_PARAMS),
        0x7fffffffULL, 0xffffffffULL}) {
    EXPECT_EQ(WriteParam(index, 1), -XEN_EINVAL) << index;
    EXPECT_EQ(ReadParam(index), -XEN_EINVAL) << index;
  }
}

TEST_P(HvmCalls, ValuesOutOfRange) {
  EXPECT_EQ(WriteParam(HVM_PARAM_X87_FIP_WIDTH, 4), 0);
  EXPECT_EQ(WriteParam(HVM_PARAM_X87_FIP_WIDTH, 5), -XEN_EINVAL);
  EXPECT_EQ(WriteParam(HVM_PARAM_VM86_TSS, 1ULL << 32), -XEN_EINVAL);
  EXPECT_EQ(WriteParam(HVM_PARAM_ACPI_IOPORTS_LOCATION, 0), 0);
  EXPECT_EQ(WriteParam(HVM_PARAM_ACPI_IOPORTS_LOCATION, 1), -XEN_EINVAL);
}

TEST_P(HvmCalls, ParametersOfOtherDomains) {
  EXPECT_EQ(ReadParam(HVM_PARAM_STORE_PFN, 0), -XEN_EPERM);
  EXPECT_EQ(ReadParam(HVM_PARAM_STORE_PFN, 2), -XEN_ESRCH);
  EXPECT_EQ(WriteParam(HVM_PARAM_CALLBACK_IRQ, 5, 0), -XEN_EPERM);
  EXPECT_EQ(WriteParam(HVM_PARAM_CALLBACK_IRQ, 5, DOMID_XEN), -XEN_ESRCH);
  EXPECT_TRUE(guest_.machine.callbacks.empty());
}

TEST_P(HvmCalls, CallbackByVectorGsiAndIntx) {
  const auto last = [&] { return guest_.machine.callbacks.back(); };
  EXPECT_EQ(WriteParam(HVM_PARAM_CALLBACK_IRQ, 2ULL << 56 | 0xf3), 0);
  ASSERT_TRUE(std::holds_alternative<CallbackVector>(last()));
  EXPECT_EQ(std::get<CallbackVector>(last()).vector, 0xf3);

  EXPECT_EQ(WriteParam(HVM_PARAM_CALLBACK_IRQ, 10), 0);
  ASSERT_TRUE(std::holds_alternative<CallbackGsi>(last()));
  EXPECT_EQ(std::get<CallbackGsi>(last()).gsi.value, 10U);

  constexpr std::uint64_t kDevice3PinB = 1ULL << 56 | (3U << 3) << 8 | 1;
  EXPECT_EQ(WriteParam(HVM_PARAM_CALLBACK_IRQ, kDevice3PinB), 0);
  ASSERT_TRUE(std::holds_alternative<CallbackPciIntx>(last()));
  EXPECT_EQ(std::get<CallbackPciIntx>(last()).device, 3);
  EXPECT_EQ(std::get<CallbackPciIntx>(last()).pin, 1);
}

TEST_P(HvmCalls, GsiOneIsASignalAndNoInterrupt) {
  for (const std::uint64_t value : {0ULL, 1ULL, 3ULL << 56 | 7, 0xffULL << 56}) {
    EXPECT_EQ(WriteParam(HVM_PARAM_CALLBACK_IRQ, value), 0);
    EXPECT_TRUE(std::holds_alternative<CallbackNone>(guest_.machine.callbacks.back())) << value;
  }
}

TEST_P(HvmCalls, SettingTheCallbackLatchesTheWidth) {
  const GuestWidth other = Wide() ? GuestWidth::k32 : GuestWidth::k64;
  guest_.domain->LatchWidth(other);
  EXPECT_EQ(WriteParam(HVM_PARAM_STORE_EVTCHN, 1), 0);
  EXPECT_EQ(guest_.domain->width(), other);
  EXPECT_EQ(WriteParam(HVM_PARAM_CALLBACK_IRQ, 5), 0);
  EXPECT_EQ(guest_.domain->width(), GetParam());
}

TEST_P(HvmCalls, UpcallVectors) {
  const auto set = [&](std::uint64_t vcpu, std::uint64_t vector) {
    return Op(HVMOP_set_evtchn_upcall_vector, guest_.Put(guest_.NewWire().U32(vcpu).U8(vector)));
  };
  EXPECT_EQ(set(1, 0xf3), 0);
  EXPECT_EQ(guest_.machine.vectors.at(1), 0xf3);
  EXPECT_EQ(set(0, 0x10), 0);
  EXPECT_EQ(set(0, 0x0f), -XEN_EINVAL);
  EXPECT_EQ(set(7, 0x0f), -XEN_EINVAL) << "the vector is looked at first";
  EXPECT_EQ(set(2, 0xf3), -XEN_ENOENT);
  EXPECT_EQ(set(0xffffffff, 0xf3), -XEN_ENOENT);
  EXPECT_EQ(guest_.machine.vectors.at(0), 0x10);
}

TEST_P(HvmCalls, AnEventFromBeforeTheVectorIsDeliveredWithIt) {
  const EvtchnPort port = *guest_.domain->events().BindIpi(0);
  ASSERT_TRUE(guest_.domain->events().Send(port));
  guest_.sink.Take();
  EXPECT_EQ(Op(HVMOP_set_evtchn_upcall_vector, guest_.Put(guest_.NewWire().U32(0).U8(0xf3))), 0);
  EXPECT_EQ(guest_.sink.Take(), std::vector<std::uint32_t>{0});
}

TEST_P(HvmCalls, MemoryTypes) {
  const auto type = [&](std::uint64_t pfn) -> std::uint64_t {
    const std::uint64_t op =
        guest_.Put(guest_.NewWire().U16(DOMID_SELF).U16(0xffff).U16(0).U16(0).U64(pfn));
    EXPECT_EQ(Op(HVMOP_get_mem_type, op), 0);
    return guest_.Read(op + 2, 2);
  };
  EXPECT_EQ(type(0), static_cast<unsigned>(HVMMEM_ram_rw));
  EXPECT_EQ(type(XenGuest::kRamPages - 1), static_cast<unsigned>(HVMMEM_ram_rw));
  EXPECT_EQ(type(XenGuest::kRamPages), static_cast<unsigned>(HVMMEM_mmio_dm));
  EXPECT_EQ(type(~0ULL), static_cast<unsigned>(HVMMEM_mmio_dm));
  ASSERT_TRUE(guest_.domain->physmap().Release(Gfn{5}));
  EXPECT_EQ(type(5), static_cast<unsigned>(HVMMEM_mmio_dm)) << "ballooned out";
  EXPECT_EQ(Op(HVMOP_get_mem_type, guest_.Put(guest_.NewWire().U16(0).U16(0).U32(0).U64(0))),
            -XEN_EPERM);
}

TEST_P(HvmCalls, AFlushIsAskedForUntilItIsDone) {
  guest_.machine.flushes_needed = 3;
  EXPECT_EQ(guest_.CallOn(1, __HYPERVISOR_hvm_op, {HVMOP_flush_tlbs, 0}), 0);
  EXPECT_EQ(guest_.machine.flushes, (std::vector<unsigned>{1, 1, 1}));
  EXPECT_EQ(Op(HVMOP_flush_tlbs, guest_.Allocate(8)), -XEN_EINVAL) << "there is no mask";
  EXPECT_EQ(guest_.machine.flushes.size(), 3U);
}

// Linux asks once, and makes the call whenever a process ends if it is there. KVM has no use for
// it.
TEST_P(HvmCalls, NobodyIsToldThatAPageTableDies) {
  EXPECT_EQ(Op(HVMOP_pagetable_dying,
               guest_.Put(guest_.NewWire().U16(DOMID_SELF).U16(0).U16(0).U16(0).U64(0x1000))),
            -XEN_ENOSYS);
}

TEST_P(HvmCalls, Time) {
  guest_.Advance(123456);
  const std::uint64_t now = guest_.Allocate(8);
  EXPECT_EQ(Op(HVMOP_get_time, now), 0);
  EXPECT_EQ(guest_.Read(now, 8), 123456U);
}

TEST_P(HvmCalls, ToolstackOperationsAreRefused) {
  EXPECT_EQ(Op(8, kBad), -XEN_EPERM) << "set_mem_type";
  EXPECT_EQ(Op(25, kBad), -XEN_ENOSYS) << "altp2m";
}

TEST_P(HvmCalls, BadPointersFault) {
  for (const std::uint64_t operation : {HVMOP_set_param, HVMOP_get_param, HVMOP_get_time,
                                        HVMOP_get_mem_type, HVMOP_set_evtchn_upcall_vector}) {
    EXPECT_EQ(Op(operation, kBad), -XEN_EFAULT) << operation;
    EXPECT_EQ(Op(operation, 0), -XEN_EFAULT) << operation;
  }
}

}  // namespace
}  // namespace veneer
