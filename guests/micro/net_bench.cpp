// A NIC driven from ring 3, PV or an 82540EM, for measuring it.
#include <xen/io/xenbus.h>

#include "arch.h"
#include "bench_report.h"
#include "e1000_nic.h"
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
constinit E1000Nic e1000;
constinit NetWork work;

void UsePv() { RunNetWork(device, tx, rx, work); }
void UseE1000() { RunE1000Work(e1000, work); }

bool ReadWords() {
  work.send = HasWord("send");
  work.segmented = HasWord("segmented");
  work.bytes = NumberWord("bytes=", kLongestUsualFrame);
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

const char* Name() { return work.send ? "send" : "receive"; }

void Run(const char* ready, void (*in_user)()) {
  // For whoever is to send to it.
  Print(ready);
  EnterUser(reinterpret_cast<uintptr_t>(in_user), 0, 0, 0);  // code, called by address
}

}  // namespace

void MeasureNet() {
  if (!ReadWords() || !ConnectNet()) {
    return;
  }
  Run("netbench ready\n", UsePv);
  ReportRun("netbench", Name(), work, {work.counts.kicks, work.counts.upcalls});
  CloseDevice(device);
}

void MeasureE1000() {
  // Longer frames are for the NIC to cut.
  if (!ReadWords() ||
      !CheckTrue("e1000/words", work.segmented || work.bytes <= kLongestUsualFrame) ||
      !e1000.Find()) {
    return;
  }
  Run("e1000bench ready\n", UseE1000);
  ReportRun("e1000bench", Name(), work, {work.counts.exits, work.counts.bytes});
}

}  // namespace micro
