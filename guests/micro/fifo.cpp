// Event channels by the FIFO ABI, entered and left by EVTCHNOP_reset.
#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"

namespace micro {
namespace {

alignas(kPageSize) uint8_t control_page[kPageSize];
alignas(kPageSize) event_word_t words[kPageSize / sizeof(event_word_t)];

intptr_t InitControl(uint32_t vcpu, uint64_t frame, uint32_t offset, uint8_t* link_bits) {
  evtchn_init_control_t op{};
  op.vcpu = vcpu;
  op.control_gfn = frame;
  op.offset = offset;
  const intptr_t result = EventOp(EVTCHNOP_init_control, &op);
  *link_bits = op.link_bits;
  return result;
}

intptr_t ExpandArray(uint64_t frame) {
  evtchn_expand_array_t op{frame};
  return EventOp(EVTCHNOP_expand_array, &op);
}

intptr_t SetPriority(uint32_t port, uint32_t priority) {
  evtchn_set_priority_t op{port, priority};
  return EventOp(EVTCHNOP_set_priority, &op);
}

intptr_t Reset() {
  evtchn_reset_t op{DOMID_SELF};
  return EventOp(EVTCHNOP_reset, &op);
}

// KVM delivers events by the 2-level ABI only.
void CheckAbsence() {
  uint8_t link_bits = 0;
  Check("fifo/not-offered", InitControl(0, Word(control_page) / kPageSize, 0, &link_bits),
        -XEN_ENOSYS);
  Check("fifo/no-array", ExpandArray(Word(words) / kPageSize), -XEN_EOPNOTSUPP);
  const uint32_t port = BindIpi();
  Check("fifo/no-priority", SetPriority(port, 3), -XEN_ENOSYS);
  const uint32_t before = events_seen[port];
  Send(port);
  CheckTrue("fifo/2-level-stays", WaitForEvent(port, before + 1));
  Close(port);
}

bool EnterFifo() {
  const uint64_t control = Word(control_page) / kPageSize;
  uint8_t link_bits = 0;
  Check("fifo/init-no-vcpu", InitControl(99, control, 0, &link_bits), -XEN_ENOENT);
  Check("fifo/init-bad-offset", InitControl(0, control, 4, &link_bits), -XEN_EINVAL);
  Check("fifo/init-beyond-page", InitControl(0, control, kPageSize - 8, &link_bits), -XEN_EINVAL);
  Check("fifo/init-no-frame", InitControl(0, kNotRam / kPageSize, 0, &link_bits), -XEN_EINVAL);
  if (!Check("fifo/init", InitControl(0, control, 0, &link_bits), 0)) {
    return false;
  }
  Check("fifo/link-bits", link_bits, EVTCHN_FIFO_LINK_BITS);
  Check("fifo/init-twice", InitControl(0, control, 64, &link_bits), -XEN_EINVAL);
  Check("fifo/expand-no-frame", ExpandArray(kNotRam / kPageSize), -XEN_EINVAL);
  Check("fifo/expand", ExpandArray(Word(words) / kPageSize), 0);
  UseFifo(reinterpret_cast<evtchn_fifo_control_block_t*>(control_page), words);
  return true;
}

void CheckPriorities() {
  const uint32_t late = BindIpi();
  const uint32_t early = BindIpi();
  const uint32_t also_early = BindIpi();
  Check("fifo/set_priority", SetPriority(late, EVTCHN_FIFO_PRIORITY_MIN), 0);
  Check("fifo/set_priority-beyond", SetPriority(late, EVTCHN_FIFO_PRIORITY_MIN + 1), -XEN_EINVAL);
  Check("fifo/set_priority-closed", SetPriority(early + 100, 3) < 0, 1);
  SetPriority(early, EVTCHN_FIFO_PRIORITY_MAX);
  SetPriority(also_early, EVTCHN_FIFO_PRIORITY_MAX);
  const uint32_t count = events_seen[late];
  Send(late);
  Send(early);
  Send(also_early);
  CheckTrue("fifo/all-arrive", WaitForEvent(late, count + 1));
  CheckTrue("fifo/in-order", event_order[early] < event_order[also_early] &&
                                 event_order[also_early] < event_order[late]);
  Close(late);
  Close(early);
  Close(also_early);
}

void CheckMasking() {
  const uint32_t port = BindIpi();
  const uint32_t before = events_seen[port];
  __atomic_fetch_or(&words[port], 1U << EVTCHN_FIFO_MASKED, __ATOMIC_SEQ_CST);
  Check("fifo/send-masked", Send(port), 0);
  CheckTrue("fifo/masked-is-pending", (Read(words[port]) & (1U << EVTCHN_FIFO_PENDING)) != 0);
  CheckTrue("fifo/masked-is-not-linked", (Read(words[port]) & (1U << EVTCHN_FIFO_LINKED)) == 0);
  evtchn_unmask_t unmask{port};
  Check("fifo/unmask", EventOp(EVTCHNOP_unmask, &unmask), 0);
  CheckTrue("fifo/unmasked-arrives", WaitForEvent(port, before + 1));
  Close(port);
}

}  // namespace

void TestFifo() {
  const uint32_t open = BindIpi();
  Check("fifo/reset", Reset(), 0);
  Check("fifo/reset-closes", Send(open), -XEN_EINVAL);
  if (HasWord("kvmxen")) {
    CheckAbsence();
    return;
  }
  if (!EnterFifo()) {
    return;
  }
  const uint32_t port = BindIpi();
  const uint32_t before = events_seen[port];
  CheckTrue("fifo/bind", port != 0);
  for (uint32_t i = 1; i <= 3; ++i) {
    Send(port);
    CheckTrue("fifo/arrives", WaitForEvent(port, before + i));
  }
  Close(port);
  CheckPriorities();
  CheckMasking();
  Check("fifo/reset-back", Reset(), 0);
  UseFifo(nullptr, nullptr);
  const uint32_t again = BindIpi();
  const uint32_t seen = events_seen[again];
  Send(again);
  CheckTrue("fifo/2-level-again", WaitForEvent(again, seen + 1));
}

}  // namespace micro
