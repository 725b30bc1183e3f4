// `veneer bench`: what emulated devices, PV devices and the host itself do with the same loads.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "veneer/vmm/base/result.h"

namespace veneer::bench {

struct BenchOptions {
  std::string kernel;  // of the guest: files, with the drivers for both kinds of devices
  std::string initrd;  // and veneer-load as /bin/veneer-load; see guests/bench
  std::string folder;  // where the report, and the figures so far, are kept
  bool fresh = false;  // forget the figures that are there
  bool quick = false;
  std::string memory = "256M";
  unsigned cpus = 1;
  unsigned disk_mib = 256;
  // The parts to run, of kParts; empty: all.
  std::vector<std::string> parts;
  bool Wants(std::string_view part) const;
  // What the report says of the host, as (subject, finding).
  std::vector<std::pair<std::string, std::string>> host;
  bool interpreted_kernel = false;  // the host interprets guest kernels (PVM)
};

// Loads by the guest's Linux on its disks and NICs; back-ends driven by a micro guest's ring 3; the
// back-ends alone, without a guest.
inline constexpr const char* kParts[] = {"disk", "net", "micro", "back-ends"};

// Where this program lies, with those that were built beside it.
std::filesystem::path ProgramFolder();

// UsageError if the guest's files are not there.
Result<void> CheckGuest(const BenchOptions& options);

// Runs what is missing, one figure after the other, and writes bench.json, bench.txt, bench.svg
// and, if there is rsvg-convert, bench.png. Changes this process' network namespace; to be called
// before there are threads. kCanceled on SIGINT and SIGTERM, after which the same call goes on.
Result<void> RunBench(const BenchOptions& options);

}  // namespace veneer::bench
