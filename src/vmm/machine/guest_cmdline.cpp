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

// Else added memory waits for a udev rule, and nothing comes of it without one.
constexpr Candidate kOnlineMemory{"memhp_default_state=online", "memhp_default_state",
                                  "memory that the guest adds is used at once"};

// Linux 6.1 sets up its timer and its spinlocks before it finds out that there is no
// vector for events, and several vCPUs then wait for each other for ever.
constexpr Candidate kNoVector{"xen_no_vector_callback", "xen_no_vector_callback",
                              "newer kernels with several vCPUs take a vector for granted"};

// For hosts that interpret the guest's kernel. CPUID cannot hide features from it there.
constexpr Candidate kEmulatedKernel[] = {
    {"mitigations=off", "mitigations", "mitigations protect nothing there and cost much"},
    {"init_on_alloc=0", "init_on_alloc", "clearing every allocation is slow there"},
    {"watchdog_thresh=60", "watchdog_thresh", "slow is not stuck, and no soft lockup"},
    {"rcupdate.rcu_cpu_stall_timeout=300", "rcupdate.rcu_cpu_stall_timeout", "slow is not stalled"},
    {"xen_scrub_pages=0", "xen_scrub_pages", "clearing what a balloon gives back is slow there"},
    {"cryptomgr.notests", "cryptomgr.notests", "self tests run for minutes there"},
    // From cubictcp_register on: all that read the kernel's types for BPF in 6.1, so that leaving
    // out one less would leave out none. 6.12 has one that cannot be spared.
    {"initcall_blacklist=trace_eval_init,ftrace_check_for_weak_functions,tracer_init_tracefs,"
     "init_kprobe_trace,init_uprobe_trace,blake2s_mod_init,slab_sysfs_init,jent_mod_init,"
     "cubictcp_register,bpf_rstat_kfunc_init,bpf_key_sig_kfuncs_init,kfunc_init,"
     "bpf_prog_test_run_init,bpf_tcp_ca_kfunc_init",
     "initcall_blacklist",
     "tracing, slab statistics, self tests and BPF's functions (TCP's Cubic has some) take minutes "
     "to set up there"},
};

// A CPU feature by its number in Linux: a word that mirrors a CPUID register, and a bit. Numbers
// are what kernels of any age take; words that mirror hardware do not change.
struct Feature {
  const char* name;
  unsigned word;
  unsigned bit;
};
constexpr unsigned kLeaf1Ecx = 4;
constexpr unsigned kLeaf7Ebx = 9;
constexpr unsigned kLeaf7Ecx = 16;
constexpr unsigned kLeaf7Edx = 18;

// The interpreter does not know the instructions of most of these, so that each use would cost an
// exit; ERMS and FSRM make the kernel copy with byte-wise string instructions, which take it a
// microsecond a byte. The kernel has another way for all of them; user space keeps what it has.
constexpr Feature kUnwantedFeatures[] = {
    {"cx16", kLeaf1Ecx, 13},  {"pcid", kLeaf1Ecx, 17},    {"popcnt", kLeaf1Ecx, 23},
    {"xsave", kLeaf1Ecx, 26}, {"rdrand", kLeaf1Ecx, 30},  {"smep", kLeaf7Ebx, 7},
    {"erms", kLeaf7Ebx, 9},   {"invpcid", kLeaf7Ebx, 10}, {"rdseed", kLeaf7Ebx, 18},
    {"smap", kLeaf7Ebx, 20},  {"rdpid", kLeaf7Ecx, 22},   {"fsrm", kLeaf7Edx, 4},
};

CmdlineAddition ClearUnwantedFeatures() {
  CmdlineAddition addition;
  std::string names;
  for (const Feature& feature : kUnwantedFeatures) {
    addition.text += addition.text.empty() ? "clearcpuid=" : ",";
    addition.text += std::to_string(feature.word * 32 + feature.bit);
    names += names.empty() ? "" : ", ";
    names += feature.name;
  }
  addition.reason = "this host's interpreter is slow at or ignorant of " + names;
  return addition;
}

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

std::vector<CmdlineAddition> CmdlineAdditions(std::string_view cmdline, const CmdlineNeeds& needs) {
  std::vector<CmdlineAddition> additions;
  const auto add = [&](const Candidate& candidate) {
    if (!HasParameter(cmdline, candidate.parameter)) {
      additions.push_back(CmdlineAddition{candidate.text, candidate.reason});
    }
  };
  add(kPanicReset);
  add(kPanicWarm);
  if (needs.memory_grows) {
    add(kOnlineMemory);
  }
  if (needs.shares_event_line) {
    add(kNoVector);
  }
  if (needs.emulated_kernel) {
    for (const Candidate& candidate : kEmulatedKernel) {
      add(candidate);
    }
    if (!HasParameter(cmdline, "clearcpuid")) {
      additions.push_back(ClearUnwantedFeatures());
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
