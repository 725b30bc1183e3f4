// One connection to an NBD server, see libnbd(3) and the NBD protocol's doc/proto.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "nbd_api.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

// Used by one thread at a time.
class NbdConnection {
 public:
  // What the server says of the export.
  struct Facts {
    std::uint64_t bytes = 0;
    std::uint64_t least_block = 1;               // bytes
    std::uint64_t preferred_block = 512;         // bytes
    std::uint64_t largest_block = 32ULL << 20U;  // bytes in one command
    bool readonly = false;
    bool flush = false;
    bool trim = false;
    bool several_connections = false;  // a flush on one covers the writes of all
  };

  // Waits for the server, ten seconds at most. `disk` is what messages call it. UsageError for an
  // address that is none, or where no server answers.
  static Result<std::unique_ptr<NbdConnection>> Open(const std::string& uri,
                                                     const std::string& disk);
  NbdConnection(const NbdConnection&) = delete;
  NbdConnection& operator=(const NbdConnection&) = delete;
  ~NbdConnection();

  const NbdApi& api() const { return api_; }
  nbd_handle* handle() const { return handle_; }
  const Facts& facts() const { return facts_; }
  // Its socket.
  int fd() const { return api_.aio_get_fd(handle_); }
  // EPOLL* bits that Advance() waits for.
  std::uint32_t wanted_events() const;
  // Sends or receives what is possible without waiting; commands may end meanwhile. False if
  // nothing is.
  bool Advance();
  // Commands under way have ended then, or never will.
  bool broken() const;

 private:
  explicit NbdConnection(const NbdApi& api) : api_(api) {}
  Result<void> Connect(const std::string& uri, const std::string& disk);
  Result<void> LearnFacts(const std::string& disk);
  std::uint64_t BlockSize(int type, std::uint64_t otherwise) const;

  const NbdApi& api_;
  nbd_handle* handle_ = nullptr;
  Facts facts_;
};

}  // namespace veneer
