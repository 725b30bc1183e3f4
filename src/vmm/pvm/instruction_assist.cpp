#include "instruction_assist.h"

#include <algorithm>
#include <string>
#include <variant>

#include "handlers.h"

namespace veneer {
namespace {

InstructionHandler FindHandler(ZydisMnemonic mnemonic) {
  for (const auto find : {FindSystemInstruction, FindSegmentInstruction, FindAtomicInstruction,
                          FindFpuInstruction, FindXsaveInstruction}) {
    if (const InstructionHandler handler = find(mnemonic)) {
      return handler;
    }
  }
  return nullptr;
}

}  // namespace

InstructionAssist::InstructionAssist(GuestMemory& memory, Metrics& metrics)
    : memory_(memory), metrics_(metrics), counters_(ZYDIS_MNEMONIC_MAX_VALUE + 1, nullptr) {}

ExitHandler::Outcome InstructionAssist::OnExit(Vcpu& vcpu, const VcpuExit& exit) {
  const auto* failure = std::get_if<EmulationFailureExit>(&exit);
  if (failure == nullptr) {
    return Outcome::kNotMine;
  }
  InstructionContext context(vcpu, memory_);
  const std::size_t length = std::min<std::size_t>(failure->length, failure->bytes.size());
  std::optional<Completion> refused = context.Fetch(std::span(failure->bytes).first(length));
  if (refused) {
    return context.Commit(*refused) ? Outcome::kHandled : Outcome::kNotMine;
  }
  if (!context.Commit(Perform(context))) {
    return Outcome::kNotMine;
  }
  Count(context.mnemonic());
  return Outcome::kHandled;
}

bool InstructionAssist::TryStep(Vcpu& vcpu) {
  InstructionContext context(vcpu, memory_);
  if (context.Fetch({})) {
    return false;
  }
  const Completion completion = Perform(context);
  const auto* completed = std::get_if<Completed>(&completion);
  return completed != nullptr && !completed->trap && context.Commit(completion);
}

Completion InstructionAssist::Perform(InstructionContext& context) {
  if (const InstructionHandler handler = FindHandler(context.mnemonic())) {
    return handler(context);
  }
  return native_.Perform(context);
}

void InstructionAssist::Count(ZydisMnemonic mnemonic) {
  Counter*& counter = counters_.at(mnemonic);
  if (counter == nullptr) {
    counter = &metrics_.Get(std::string("assist.") + ZydisMnemonicGetString(mnemonic));
  }
  counter->Add();
}

}  // namespace veneer
