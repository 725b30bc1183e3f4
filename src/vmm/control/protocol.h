// The lines that go over a control socket; README.md describes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/control/commands.h"
#include "veneer/vmm/control/guest_control.h"

namespace veneer {

// Counts changes after which a client of before would be wrong; commands and members are only added
// without one.
inline constexpr unsigned kControlProtocol = 1;

// The longest request, without its end of line, bytes.
inline constexpr std::size_t kMaxRequest = 4096;

struct ControlRequest {
  const ControlCommand* command = nullptr;  // never null in what ParseRequest() gives
  ControlArgument argument;
};

// UsageError for what is no request.
Result<ControlRequest> ParseRequest(std::string_view line);

// Replies, without the end of line.
std::string OkReply();
// `writes`: what the client sends goes to the guest.
std::string ConsoleReply(std::string_view console, bool writes);
std::string ErrorReply(std::string_view message);
std::string DiskReply(std::string_view name);
std::string NicReply(unsigned number);
std::string VcpusReply(const GuestInfo::Vcpus& vcpus);
std::string InfoReply(const GuestInfo& info);
std::string MetricsReply(const GuestMetrics& metrics);
std::string TextReply(std::string_view text);
std::string StoreReply(const StoreListing& listing);

}  // namespace veneer
