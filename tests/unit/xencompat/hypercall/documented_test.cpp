// docs/hypercalls.md says what the table of hypercalls holds.
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/xencompat/hypercall/table.h"

namespace veneer {
namespace {

// Number and operation, the latter kNoOperation for calls without.
using CallNumber = std::pair<std::uint64_t, std::uint64_t>;

struct Documented {
  std::string name;
  std::string state;
};

std::map<CallNumber, Documented> ReadTable() {
  std::ifstream file(VENEER_SOURCE_DIR "/docs/hypercalls.md");
  const std::regex row(R"(\| `([a-z0-9_.]+)` \| (\d+) \| (\d+|-) \| (\w+) \| (.+) \|)");
  std::map<CallNumber, Documented> table;
  std::smatch found;
  for (std::string line; std::getline(file, line);) {
    if (std::regex_match(line, found, row)) {
      const std::uint64_t operation = found[3] == "-" ? kNoOperation : std::stoull(found[3]);
      const bool fresh =
          table
              .emplace(CallNumber{std::stoull(found[2]), operation}, Documented{found[1], found[4]})
              .second;
      EXPECT_TRUE(fresh) << line;
    }
  }
  return table;
}

std::map<CallNumber, std::string> ImplementedCalls() {
  std::map<CallNumber, std::string> calls;
  for (const auto rows : {ConsoleRows(), EventChannelRows(), GrantTableRows(), HvmRows(),
                          MemoryRows(), MulticallRows(), PhysdevRows(), PmuRows(), SchedRows(),
                          TimerRows(), VcpuRows(), VersionRows(), VmAssistRows()}) {
    for (const HypercallRow& row : rows) {
      calls.emplace(CallNumber{row.number, row.operation}, row.name);
    }
  }
  return calls;
}

TEST(DocumentedCalls, EachCallThatIsAnsweredStandsInTheTable) {
  const auto table = ReadTable();
  for (const auto& [number, name] : ImplementedCalls()) {
    const auto found = table.find(number);
    ASSERT_NE(found, table.end()) << name;
    EXPECT_EQ(found->second.name, name);
    EXPECT_THAT(found->second.state, ::testing::AnyOf("yes", "fixed")) << name;
  }
}

TEST(DocumentedCalls, TheTablePromisesNoOthers) {
  const auto calls = ImplementedCalls();
  for (const auto& [number, documented] : ReadTable()) {
    EXPECT_EQ(documented.state == "no", !calls.contains(number)) << documented.name;
  }
}

}  // namespace
}  // namespace veneer
