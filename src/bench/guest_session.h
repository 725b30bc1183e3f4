// The Linux guest with two disks and two NICs, emulated and PV, and veneer-load in it.
#pragma once

#include <memory>
#include <string>

#include "interrupt.h"
#include "load_console.h"
#include "plan.h"
#include "veneer/bench/bench.h"

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

  Interrupt& interrupt_;
  std::unique_ptr<LoadConsole> console_;
};

}  // namespace veneer::bench
