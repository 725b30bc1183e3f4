// Executes the few instructions that hypercall stubs are made of, with a fake machine behind the
// ports, so that tests see what a stub does and not only how it is encoded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

struct StubRun {
  std::optional<std::string> error;  // an instruction that a stub must not hold, a run-away, ...
  bool undefined = false;            // ended with UD2
  bool returned = false;             // ended with RET
  std::size_t end = 0;               // offset of the instruction that ended it
  std::vector<std::pair<std::uint8_t, std::uint32_t>> writes;  // port, EAX
  std::vector<std::string> instructions;
};

struct StubCpu {
  // By machine encoding: rax rcx rdx rbx rsp rbp rsi rdi r8 ...
  std::array<std::uint64_t, 16> gpr{};
  bool carry = true;  // whatever the caller left
  bool zero = false;
  // What memory holds: address to 32-bit word.
  std::map<std::uint64_t, std::uint32_t> words;
  // The machine on the other side: may change rax and carry.
  std::function<void(StubCpu&, std::uint8_t port)> on_out;

  // Runs from `offset` in `code` until RET, UD2, or a jump to `stop_at`.
  StubRun Run(std::span<const std::byte> code, std::size_t offset, GuestWidth width,
              std::optional<std::size_t> stop_at = std::nullopt);
};

}  // namespace veneer
