// What the guest says: one line per check on the serial port, and the count at the end.
#pragma once

#include <stdint.h>

namespace micro {

void Print(const char* text);
void PrintNumber(int64_t value);  // decimal if it is small, else hexadecimal

// "ok NAME", or "FAIL NAME got X want Y".
bool Check(const char* name, int64_t got, int64_t want);
inline bool CheckTrue(const char* name, bool holds) { return Check(name, holds ? 1 : 0, 1); }
// "FAIL NAME got X", for what is no number.
void Fail(const char* name, const char* got);

// "micro: N passed, M failed", then off: by ACPI's PM1a control register, or by `switch_off`.
void SwitchOff();
[[noreturn]] void Finish(void (*switch_off)() = SwitchOff);

// Whether the command line has this word.
bool HasWord(const char* word);
// Whether group `name` was asked for: "tests=a,b" on the command line; without it, every group.
bool GroupWanted(const char* name);
// The number behind `prefix`, such as "depth=", in the first word that starts so; else `otherwise`.
uint32_t NumberWord(const char* prefix, uint32_t otherwise);
void SetCommandLine(const char* text);

bool SameText(const char* a, const char* b);
uint32_t Length(const char* text);
// Decimal, up to what is no digit.
uint32_t ToNumber(const char* text);

}  // namespace micro
