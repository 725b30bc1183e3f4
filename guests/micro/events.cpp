#include "events.h"

#include "arch.h"
#include "hypercall.h"
#include "report.h"

namespace micro {

volatile uint32_t upcalls;
volatile uint32_t callbacks;
volatile uint32_t events_seen[kPorts];
volatile uint32_t event_order[kPorts];

namespace {

constexpr uint32_t kWordBits = sizeof(xen_ulong_t) * 8;
using Bits = unsigned long;

alignas(kPageSize) uint8_t shared_info_page[kPageSize];
vcpu_info_t* vcpu_info;
evtchn_fifo_control_block_t* fifo_control;
volatile event_word_t* fifo_words;
uint32_t total_seen;
uint32_t fifo_heads[EVTCHN_FIFO_MAX_QUEUES];

void See(uint32_t port) {
  if (port < kPorts) {
    events_seen[port] = events_seen[port] + 1;
    event_order[port] = ++total_seen;
  }
}

void TakeTwoLevel() {
  Bits selected =
      Exchange(reinterpret_cast<volatile Bits&>(VcpuInfo().evtchn_pending_sel), Bits{0});
  shared_info_t& info = SharedInfo();
  while (selected != 0) {
    const auto word = static_cast<uint32_t>(__builtin_ctzl(selected));
    selected &= selected - 1;
    volatile Bits& pending = info.evtchn_pending[word];
    Bits ready = pending & ~Read(info.evtchn_mask[word]);
    while (ready != 0) {
      const auto bit = static_cast<uint32_t>(__builtin_ctzl(ready));
      ready &= ready - 1;
      __atomic_fetch_and(&pending, ~(Bits{1} << bit), __ATOMIC_SEQ_CST);
      See(word * kWordBits + bit);
    }
  }
}

// Takes what is at the head of queue `priority`; false if that was the last.
bool TakeHead(uint32_t priority) {
  uint32_t port = fifo_heads[priority];
  if (port == 0) {
    port = Read(fifo_control->head[priority]);
  }
  volatile event_word_t& word = fifo_words[port];
  event_word_t seen = word;
  while (!__atomic_compare_exchange_n(
      &word, &seen, seen & ~((event_word_t{1} << EVTCHN_FIFO_LINKED) | EVTCHN_FIFO_LINK_MASK),
      false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  fifo_heads[priority] = seen & EVTCHN_FIFO_LINK_MASK;
  if ((seen & (event_word_t{1} << EVTCHN_FIFO_PENDING)) != 0 &&
      (seen & (event_word_t{1} << EVTCHN_FIFO_MASKED)) == 0) {
    __atomic_fetch_and(&word, ~(event_word_t{1} << EVTCHN_FIFO_PENDING), __ATOMIC_SEQ_CST);
    See(port);
  }
  return fifo_heads[priority] != 0;
}

void TakeFifo() {
  uint32_t ready = Exchange(reinterpret_cast<volatile uint32_t&>(fifo_control->ready), 0U);
  while (ready != 0) {
    const auto priority = static_cast<uint32_t>(__builtin_ctz(ready));
    if (!TakeHead(priority)) {
      ready &= ~(1U << priority);
    }
    ready |= Exchange(reinterpret_cast<volatile uint32_t&>(fifo_control->ready), 0U);
  }
}

volatile Bits& MaskWord(uint32_t port) {
  return reinterpret_cast<volatile Bits&>(SharedInfo().evtchn_mask[port / kWordBits]);
}

}  // namespace

shared_info_t& SharedInfo() { return *reinterpret_cast<shared_info_t*>(shared_info_page); }
vcpu_info_t& VcpuInfo() { return *vcpu_info; }
void UseVcpuInfo(vcpu_info_t* info) { vcpu_info = info; }

bool MapSharedInfo() {
  xen_add_to_physmap_t op{};
  op.domid = DOMID_SELF;
  op.space = XENMAPSPACE_shared_info;
  op.gpfn = Word(shared_info_page) / kPageSize;
  vcpu_info = &SharedInfo().vcpu_info[0];
  return Check("shared_info/mapped", MemoryOp(XENMEM_add_to_physmap, &op), 0);
}

void UseFifo(evtchn_fifo_control_block_t* control, volatile event_word_t* words) {
  fifo_control = control;
  fifo_words = words;
  for (uint32_t& head : fifo_heads) {
    head = 0;
  }
  // What the other ABI has left: a selector bit that stays set keeps later events from raising an
  // upcall.
  TakeEvents();
}

void TakeEvents() {
  Exchange(reinterpret_cast<volatile uint8_t&>(VcpuInfo().evtchn_upcall_pending), uint8_t{0});
  if (fifo_control != nullptr) {
    TakeFifo();
  } else {
    TakeTwoLevel();
  }
}

bool WaitForEvent(uint32_t port, uint32_t count) { return WaitForCount(events_seen[port], count); }

void Mask(uint32_t port) {
  __atomic_fetch_or(&MaskWord(port), Bits{1} << port % kWordBits, __ATOMIC_SEQ_CST);
}
void Unmask(uint32_t port) {
  __atomic_fetch_and(&MaskWord(port), ~(Bits{1} << port % kWordBits), __ATOMIC_SEQ_CST);
}
bool IsPending(uint32_t port) {
  return (Read(SharedInfo().evtchn_pending[port / kWordBits]) >> port % kWordBits & 1) != 0;
}

uint64_t SystemTimeNs() {
  const volatile vcpu_time_info_t& time = VcpuInfo().time;
  for (;;) {
    const uint32_t version = time.version;
    uint64_t ticks = Rdtsc() - time.tsc_timestamp;
    ticks = time.tsc_shift < 0 ? ticks >> -time.tsc_shift : ticks << time.tsc_shift;
    const uint64_t multiplier = time.tsc_to_system_mul;
    // ticks * multiplier / 2^32, in halves
    const uint64_t ns =
        time.system_time + (ticks >> 32) * multiplier + (((ticks & 0xffffffff) * multiplier) >> 32);
    Barrier();
    if ((version & 1) == 0 && version == time.version) {
      return ns;
    }
  }
}

uint32_t BindIpi() {
  evtchn_bind_ipi_t op{};
  return EventOp(EVTCHNOP_bind_ipi, &op) == 0 ? op.port : 0;
}

intptr_t Send(uint32_t port) {
  evtchn_send_t op{port};
  return EventOp(EVTCHNOP_send, &op);
}

intptr_t Close(uint32_t port) {
  evtchn_close_t op{port};
  return EventOp(EVTCHNOP_close, &op);
}

}  // namespace micro
