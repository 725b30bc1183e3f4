// The Linux guest with two disks and two NICs, emulated and PV, and veneer-load in it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "interrupt.h"
#include "plan.h"
#include "veneer/bench/bench.h"
#include "veneer/vmm/base/child_process.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::bench {

class GuestSession {
 public:
  struct Images {
    std::string emulated;
    std::string pv;
  };
  // Boots it, as a `veneer run` of its own, and waits until it takes loads. `with_net`: with NICs.
  static Result<std::unique_ptr<GuestSession>> Start(const BenchOptions& options,
                                                     const Images& images, bool with_net,
                                                     Interrupt& interrupt);
  // `way`: kEmulated or kPv.
  Result<LoadResult> Run(const Step& step, Way way, std::uint64_t ns, std::uint16_t server_port);

 private:
  explicit GuestSession(Interrupt& interrupt) : interrupt_(interrupt) {}
  Result<void> Boot(const BenchOptions& options, const Images& images, bool with_net);
  Result<void> GiveAddress(Way way);
  // Sends a line, waits for the answer: "done …" or an error. `limit_seconds`: when the guest is
  // given up.
  Result<LoadResult> Ask(const std::string& line, unsigned limit_seconds);
  // The next line that veneer-load writes, without its name.
  Result<std::string> NextAnswer(unsigned limit_seconds);
  Error Silence(std::string_view what) const;

  Interrupt& interrupt_;
  UniqueFd console_;
  std::string received_;  // not yet a whole line
  std::string last_;      // what the guest's console said of late
  std::unique_ptr<ChildProcess> veneer_;
};

}  // namespace veneer::bench
