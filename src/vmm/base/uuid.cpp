#include "veneer/vmm/base/uuid.h"

#include <sys/random.h>

#include <cerrno>

namespace veneer {

Result<Uuid> MakeUuid() {
  Uuid uuid{};
  if (getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size())) {
    return ErrnoError(errno, "no random numbers for the guest's UUID");
  }
  uuid[0] &= 0x7fU;
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0fU) | 0x40U);
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3fU) | 0x80U);
  return uuid;
}

std::string ToString(const Uuid& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      text += '-';
    }
    text += fmt::format("{:02x}", uuid[i]);
  }
  return text;
}

}  // namespace veneer
