// Parameters: Linux, Documentation/admin-guide/kernel-parameters.txt.
#include "guest_cmdline.h"

namespace veneer {
namespace {

struct Candidate {
  const char* text;
  const char* parameter;  // left out when the user gives this one
  const char* reason;
};

// Without panic=, a panicked kernel halts in silence. Resetting at once with the warm-boot flag set
// makes a panic visible and tells it from a reboot.
constexpr Candidate kPanicReset{"panic=-1", "panic", "a panic resets the machine at once"};
constexpr Candidate kPanicWarm{"reboot=panic_warm", "reboot", "a panic can be told from a reboot"};

// For hosts that interpret the guest's kernel. CPUID cannot hide features from it there.
constexpr Candidate kEmulatedKernel[] = {
    {"noxsave", "noxsave", "the interpreter does not know XSAVE"},
    {"nosmap", "nosmap", "it does not know STAC and CLAC, and every copy would stop there"},
    {"nosmep", "nosmep", "page tables are the host's own business"},
    {"nopcid", "nopcid", "it does not know INVPCID"},
    {"clearcpuid=erms,fsrm,popcnt,rdpid,cx16,rdrand,rdseed", "clearcpuid",
     "byte-wise string copies cost a microsecond a byte; the others leave to user space"},
    {"mitigations=off", "mitigations", "mitigations protect nothing there and cost much"},
    {"init_on_alloc=0", "init_on_alloc", "clearing every allocation is slow there"},
    {"cryptomgr.notests", "cryptomgr.notests", "self tests run for minutes there"},
};

}  // namespace

bool HasParameter(std::string_view cmdline, std::string_view name) {
  std::size_t begin = 0;
  bool quoted = false;
  for (std::size_t i = 0; i <= cmdline.size(); ++i) {
    const char c = i < cmdline.size() ? cmdline[i] : ' ';
    if (c == '"') {
      quoted = !quoted;
    }
    if ((c == ' ' || c == '\t' || c == '\n') && (!quoted || i == cmdline.size())) {
      const std::string_view word = cmdline.substr(begin, i - begin);
      if (word == "--") {
        return false;
      }
      if (word.substr(0, name.size()) == name &&
          (word.size() == name.size() || word[name.size()] == '=')) {
        return true;
      }
      begin = i + 1;
    }
  }
  return false;
}

std::vector<CmdlineAddition> CmdlineAdditions(std::string_view cmdline, bool emulated_kernel) {
  std::vector<CmdlineAddition> additions;
  const auto add = [&](const Candidate& candidate) {
    if (!HasParameter(cmdline, candidate.parameter)) {
      additions.push_back(CmdlineAddition{candidate.text, candidate.reason});
    }
  };
  add(kPanicReset);
  add(kPanicWarm);
  if (emulated_kernel) {
    for (const Candidate& candidate : kEmulatedKernel) {
      add(candidate);
    }
  }
  return additions;
}

std::string WithAdditions(std::string_view cmdline, const std::vector<CmdlineAddition>& additions) {
  std::string result;
  for (const CmdlineAddition& addition : additions) {
    result += addition.text;
    result += ' ';
  }
  result += cmdline;
  while (!result.empty() && result.back() == ' ') {
    result.pop_back();
  }
  return result;
}

}  // namespace veneer
