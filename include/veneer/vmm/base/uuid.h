// Names that nobody else has.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "veneer/vmm/base/result.h"

namespace veneer {

using Uuid = std::array<std::uint8_t, 16>;

// A random one (RFC 4122, version 4), but for the first bit, which is 0: cloud-init takes a Xen
// guest whose UUID begins with "ec2" for one of Amazon's. HostError if the host has no random
// numbers yet.
Result<Uuid> MakeUuid();

// 8-4-4-4-12 hexadecimal digits.
std::string ToString(const Uuid& uuid);

}  // namespace veneer
