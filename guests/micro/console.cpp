// The PV console's ring (xen/io/console.h).
#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"

namespace micro {

void TestConsole() {
  uint64_t frame = 0;
  uint64_t port = 0;
  GetParam(HVM_PARAM_CONSOLE_PFN, &frame);
  GetParam(HVM_PARAM_CONSOLE_EVTCHN, &port);
  if (HasWord("console=off")) {
    CheckTrue("console/none", frame == 0 || port == 0);
    return;
  }
  if (!CheckTrue("console/ring", frame != 0 && port != 0)) {
    return;
  }
  auto* ring = reinterpret_cast<xencons_interface*>(static_cast<uintptr_t>(frame) * kPageSize);
  uint32_t produced = Read(ring->out_prod);
  const char* text = k64 ? "hello from hvc0 in 64 bit\r\n" : "hello from hvc0 in 32 bit\r\n";
  for (; *text != '\0'; ++text) {
    ring->out[MASK_XENCONS_IDX(produced++, ring->out)] = *text;
  }
  Barrier();
  const_cast<volatile uint32_t&>(ring->out_prod) = produced;
  Check("console/send", Send(static_cast<uint32_t>(port)), 0);
  CheckTrue("console/taken", WaitForCount(ring->out_cons, produced));
}

}  // namespace micro
