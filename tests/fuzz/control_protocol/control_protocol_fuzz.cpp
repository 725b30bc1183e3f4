// Lines at a control socket: as they come, and well-formed requests with any argument. Whatever is
// said, the answer is one line of JSON that says how it went; what disks and NICs are described by
// is parsed, too, and what is accepted keeps its promises.

#include <cstdint>
#include <string>

#include <fuzzer/FuzzedDataProvider.h>
#include <nlohmann/json.hpp>

#include "src/vmm/control/protocol.h"
#include "support/fuzz_target.h"
#include "unit/vmm/control/fake_guest.h"
#include "veneer/host/disk/disk_config.h"
#include "veneer/host/net/net_config.h"

namespace veneer {
namespace {

using Json = nlohmann::json;

void CheckReply(const std::string& line) {
  VENEER_CHECK(line.find('\n') == std::string::npos);
  const Json reply = Json::parse(line, nullptr, false);
  VENEER_CHECK(reply.is_object() && reply.contains("ok") && reply["ok"].is_boolean());
  VENEER_CHECK(reply["ok"] == true || reply["error"].is_string());
}

void Handle(test::FakeGuest& guest, const std::string& line) {
  const Result<ControlRequest> request = ParseRequest(line);
  if (!request) {
    VENEER_CHECK(request.error().kind == ErrorKind::kUsage);
    return CheckReply(ErrorReply(request.error().message));
  }
  VENEER_CHECK(request->command != nullptr);
  // A connection that becomes a stream has no one answer.
  VENEER_CHECK((request->command->stream == ControlStream::kNone) ==
               (request->command->run != nullptr));
  if (request->command->run != nullptr) {
    request->command->run(guest, request->argument, [](const Result<std::string>& reply) {
      CheckReply(reply ? *reply : ErrorReply(reply.error().message));
    });
  }
  if (const auto disk = ParseDisk(request->argument.text)) {
    VENEER_CHECK(disk->queues >= 1 && disk->queues <= kMaxDiskQueues && !disk->path.empty());
  }
  if (const auto nic = ParseNet(request->argument.text)) {
    VENEER_CHECK(nic->queues >= 1 && nic->queues <= kMaxNetQueues);
    VENEER_CHECK(nic->mtu == 0 || (nic->mtu >= kMinMtu && nic->mtu <= kMaxMtu));
    VENEER_CHECK(nic->pcap_max_bytes == 0 || !nic->pcap.empty());
  }
}

std::string MakeRequest(FuzzedDataProvider& data) {
  const auto commands = ControlCommands();
  const ControlCommand& command =
      commands[data.ConsumeIntegralInRange<std::size_t>(0, commands.size() - 1)];
  Json request{{"command", command.name}};
  const std::string member(command.member);
  switch (data.ConsumeIntegralInRange(0, 3)) {
    case 0:
      request[member] = data.ConsumeIntegral<std::uint64_t>();
      break;
    case 1:
      request[member] = data.ConsumeBool();
      break;
    default:
      request[member] = data.ConsumeRandomLengthString(kMaxRequest);
      break;
  }
  return request.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  veneer::testing::SilenceLog();
  FuzzedDataProvider data(bytes, size);
  veneer::test::FakeGuest guest;
  while (data.remaining_bytes() > 0) {
    guest.outcome = data.ConsumeBool() ? veneer::Result<void>()
                                       : veneer::HostError("{}", data.ConsumeRandomLengthString(9));
    guest.listing.nodes = {{data.ConsumeRandomLengthString(9), data.ConsumeRandomLengthString(9)}};
    veneer::Handle(guest, data.ConsumeBool() ? data.ConsumeRandomLengthString(veneer::kMaxRequest)
                                             : veneer::MakeRequest(data));
  }
  return 0;
}
