// libnbd's functions, loaded when the first NBD disk is opened: with TLS, XML and ICU behind it the
// library takes as long to load as everything else in a start.
#pragma once

#include <libnbd.h>

#include "veneer/vmm/base/result.h"

// What is used of libnbd(3), without the prefix nbd_.
#define VENEER_NBD_FUNCTIONS(X) \
  X(create)                     \
  X(close)                      \
  X(get_error)                  \
  X(get_errno)                  \
  X(set_pread_initialize)       \
  X(poll)                       \
  X(get_size)                   \
  X(get_block_size)             \
  X(is_read_only)               \
  X(can_flush)                  \
  X(can_trim)                   \
  X(can_multi_conn)             \
  X(aio_connect_uri)            \
  X(aio_disconnect)             \
  X(aio_is_ready)               \
  X(aio_is_dead)                \
  X(aio_is_closed)              \
  X(aio_get_fd)                 \
  X(aio_get_direction)          \
  X(aio_notify_read)            \
  X(aio_notify_write)           \
  X(aio_pread)                  \
  X(aio_pwrite)                 \
  X(aio_flush)                  \
  X(aio_trim)

namespace veneer {

struct NbdApi {
#define VENEER_NBD_MEMBER(name) decltype(&::nbd_##name) name = nullptr;
  VENEER_NBD_FUNCTIONS(VENEER_NBD_MEMBER)
#undef VENEER_NBD_MEMBER
};

// Any thread. Stays loaded until the process ends.
Result<const NbdApi*> LoadNbdApi();

}  // namespace veneer
