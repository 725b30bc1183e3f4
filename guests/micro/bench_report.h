// How a measured piece of work is reported.
#pragma once

#include "report.h"
#include "stretch.h"

namespace micro {

// "WORD NAME DONE NS" and `more`; or a failed check if there was a problem, or nothing came of it.
template <uint32_t kCount>
bool ReportRun(const char* word, const char* name, const Work& work,
               const uint64_t (&more)[kCount]) {
  if (work.problem != nullptr) {
    Fail(name, work.problem);
    return false;
  }
  CheckTrue(name, work.counts.done != 0);
  Print(word);
  Print(" ");
  Print(name);
  const auto print = [](uint64_t number) {
    Print(" ");
    PrintNumber(static_cast<int64_t>(number));
  };
  print(work.counts.done);
  print(work.ns);
  for (const uint64_t number : more) {
    print(number);
  }
  Print("\n");
  return true;
}

}  // namespace micro
