// A PV NIC driven from ring 3, for measuring it.
#include <xen/io/xenbus.h>

#include "arch.h"
#include "hypercall.h"
#include "net_work.h"
#include "report.h"
#include "tests.h"
#include "traps.h"

namespace micro {
namespace {

// Nobody runs constructors here.
constinit PvDevice device;
constinit NetTxRing tx;
constinit NetRxRing rx;
constinit NetWork work;

void WorkInUser() { RunNetWork(device, tx, rx, work); }

bool ReadWords() {
  work.send = HasWord("send");
  work.segmented = HasWord("segmented");
  work.bytes = NumberWord("bytes=", 1514);
  work.run_ns = NumberWord("ms=", 1000) * uint64_t{1'000'000};
  work.warm_up_ns = work.run_ns / 10;
  work.poll_ns = NumberWord("poll=", 50) * uint64_t{1000};
  constexpr uint32_t kLeastFrame = 60;
  return CheckTrue("net/words", work.bytes >= kLeastFrame && work.bytes <= kMostFrame);
}

bool ConnectNet() {
  device.front = "device/vif/0";
  if (!OpenDevice(device)) {
    return false;
  }
  GrantRings(device, 2);
  tx.Start(reinterpret_cast<void*>(kDeviceArea));
  rx.Start(reinterpret_cast<void*>(kDeviceArea + kPageSize));
  const bool written =
      WriteFront(device, "tx-ring-ref", kFirstDeviceRef) &&
      WriteFront(device, "rx-ring-ref", kFirstDeviceRef + 1) &&
      WriteFront(device, "event-channel", device.port) &&
      WriteFront(device, "request-rx-copy", 1) && WriteFront(device, "feature-rx-notify", 1) &&
      WriteFront(device, "feature-sg", 1) && WriteFront(device, "feature-gso-tcpv4", 1) &&
      WriteFront(device, "feature-gso-tcpv6", 1) &&
      WriteFront(device, "feature-ipv6-csum-offload", 1) &&
      WriteFront(device, "state", XenbusStateConnected) &&
      WaitForBack(device, XenbusStateConnected);
  return CheckTrue("net/connected", written);
}

}  // namespace

void MeasureNet() {
  if (!ReadWords() || !ConnectNet()) {
    return;
  }
  // For whoever is to send to it.
  Print("netbench ready\n");
  const char* const name = work.send ? "send" : "receive";
  EnterUser(reinterpret_cast<uintptr_t>(WorkInUser), 0, 0, 0);  // code, called by address
  if (work.problem != nullptr) {
    Fail(name, work.problem);
  } else {
    CheckTrue(name, work.frames != 0);
    Print("netbench ");
    Print(name);
    const uint64_t numbers[] = {work.frames, work.ns, work.kicks, work.upcalls};
    for (const uint64_t number : numbers) {
      Print(" ");
      PrintNumber(static_cast<int64_t>(number));
    }
    Print("\n");
  }
  CloseDevice(device);
}

}  // namespace micro
