// The keys that a Xen toolstack writes for a new HVM domain, with the permissions libxl gives them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "veneer/vmm/memory/gpa.h"
#include "veneer/xencompat/xenstore/client.h"

namespace veneer {

struct DomainDescription {
  DomId domain = kGuestDomId;
  std::string name;
  std::string uuid;  // 8-4-4-4-12 hexadecimal digits
  std::uint64_t memory_target_kib = 0;
  std::uint64_t memory_max_kib = 0;
  unsigned vcpus = 1;      // online at start
  unsigned vcpus_max = 1;  // possible

  // A page shared with the guest, and the guest's end of its event channel.
  struct Channel {
    Gfn page;
    EvtchnPort port;
  };
  std::optional<Channel> store;

  struct Console {
    Channel channel;
    std::string tty;                          // path of the host's terminal; empty if there is none
    std::uint64_t limit_bytes = 1024 * 1024;  // of unread output
  };
  std::optional<Console> console;
};

// Replaces the domain's tree and /vm/UUID in one transaction, and writes domain 0's own entries.
XsResult<void> WriteStandardTree(XenstoreClient& client, const DomainDescription& domain);

}  // namespace veneer
