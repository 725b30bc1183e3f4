#include "veneer/host/sandbox/bound_ring.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace veneer {
namespace {

io_uring_restriction Restriction(std::uint16_t kind, std::uint8_t value) {
  io_uring_restriction restriction{};
  restriction.opcode = kind;
  restriction.register_op = value;  // of one union with the others
  return restriction;
}

// By number: Debian 12's liburing declares functions for it and exports none.
int Register(const io_uring& ring, unsigned operation, void* argument, unsigned count) {
  return syscall(SYS_io_uring_register, ring.ring_fd, operation, argument, count) == 0 ? 0 : -errno;
}

}  // namespace

int BindRing(io_uring& ring, std::span<const std::uint8_t> operations) {
  if ((ring.flags & IORING_SETUP_R_DISABLED) == 0) {
    return 0;
  }
  std::vector<io_uring_restriction> allowed{
      Restriction(IORING_RESTRICTION_SQE_FLAGS_REQUIRED, IOSQE_FIXED_FILE),
      Restriction(IORING_RESTRICTION_REGISTER_OP, IORING_UNREGISTER_FILES),
      Restriction(IORING_RESTRICTION_REGISTER_OP, IORING_REGISTER_RING_FDS),
      Restriction(IORING_RESTRICTION_REGISTER_OP, IORING_UNREGISTER_RING_FDS)};
  for (const std::uint8_t operation : operations) {
    allowed.push_back(Restriction(IORING_RESTRICTION_SQE_OP, operation));
  }
  const int bound = Register(ring, IORING_REGISTER_RESTRICTIONS, allowed.data(),
                             static_cast<unsigned>(allowed.size()));
  return bound != 0 ? bound : Register(ring, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
}

}  // namespace veneer
