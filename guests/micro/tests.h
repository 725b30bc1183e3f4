// The groups of checks, in the order in which they run.
#pragma once

namespace micro {

// Before the others; false if events do not arrive.
bool TestCallbacks();

void TestHypercalls();
void TestPrivilege();  // 64 bit only
void TestVersion();
void TestSharedInfo();
void TestMemory();
void TestHvm();
void TestVcpu();
void TestSecondVcpu();  // of a guest that has one
void TestEvents();
void TestTimers();
void TestSched();
void TestPlatform();
void TestGrants();
void TestXenstore();
void TestConsole();
void TestSmallCalls();
void TestMulticall();
void TestFifo();

// Measurements, only with "bench" on the command line.
void MeasureEvents();
// Devices driven from ring 3, only with a word such as "blkbench"; 64 bit only.
void MeasureBlock();
void MeasureIde();
void MeasureNet();
void MeasureE1000();
void RaceUnplugs();
// What KVM has to emulate and cannot, in ring 3; 64 bit only.
void TestUnknownInstruction();

}  // namespace micro
