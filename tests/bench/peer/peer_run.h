// The same guest under each VMM in turn, and what it does there.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "kvm_exits.h"
#include "src/bench/interrupt.h"
#include "src/bench/samples.h"
#include "vmm_plan.h"

namespace veneer::bench {

// One load of one VMM: a sample a round.
struct PeerFigures {
  Samples figure{};      // in the load's unit
  Samples exits{};       // per operation, all of them
  Samples userspace{};   // per operation, those that the VMM has to serve
  Samples interrupts{};  // per operation, of PV devices
  ExitCounts last{};     // of the last round, by reason
};

// What is measured, and how well it went by VMM.
struct PeerRow {
  std::string load;
  std::string unit;
  std::string operation;  // what the counts are of
  bool less_is_better = false;
  std::map<std::string, PeerFigures> by_vmm{};
};

struct PeerOptions {
  GuestPlan guest;
  unsigned rounds = 3;
  double seconds = 2;             // of one load
  std::vector<std::string> only;  // loads whose names have one of these in them; all if empty
};

// Boots each VMM once a round and has its guest bear all loads. Says on stderr what it is at. In a
// network of this process' own (own_network.h).
Result<std::vector<PeerRow>> RunPeers(const PeerOptions& options, const std::vector<Vmm>& vmms,
                                      Interrupt& interrupt);

// A row a load: each VMM's figures, and Veneer's as a multiple of the others'.
void Print(const std::vector<PeerRow>& rows, const std::vector<Vmm>& vmms);
nlohmann::json ToJson(const std::vector<PeerRow>& rows);

}  // namespace veneer::bench
