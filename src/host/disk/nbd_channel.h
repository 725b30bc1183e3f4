// A connection to an NBD server as a thread's way to a disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "flush_record.h"
#include "nbd_connection.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// A connection that breaks stays so, and every operation ends with EIO: what was written and not
// flushed yet may be lost with the server, and a flush over a new connection would hide that.
class NbdChannel final : public DiskChannel {
 public:
  // What the channels of a disk share. Thread-safe.
  class Owner {
   public:
    explicit Owner(std::string name) : disk(std::move(name)) {}
    // Breaks all connections, also those that come later.
    void Interrupt();

    const std::string disk;           // what the log calls it
    std::atomic<bool> broken{false};  // logged already
    FlushRecord flushes;

   private:
    friend class NbdChannel;
    Mutex mutex_;
    bool interrupted_ GUARDED_BY(mutex_) = false;
    std::set<int> sockets_ GUARDED_BY(mutex_);  // the channels', open
  };

  // `owner` outlives it.
  static Result<std::unique_ptr<DiskChannel>> Create(std::unique_ptr<NbdConnection> connection,
                                                     Owner& owner);
  ~NbdChannel() override;

  void Queue(DiskOperation& operation) override;
  void Submit() override {}  // libnbd sends at once
  std::span<DiskOperation* const> Collect() override;
  bool Arm() override;
  void Disarm() override;
  int ready_fd() const override { return ready_.get(); }

 private:
  // An operation on its way, in one or more commands.
  struct Flight {
    NbdChannel* channel = nullptr;
    DiskOperation* operation = nullptr;  // nullptr: unused
    unsigned commands = 0;               // not ended yet
  };

  NbdChannel(std::unique_ptr<NbdConnection> connection, Owner& owner)
      : owner_(owner), connection_(std::move(connection)) {}
  Flight& TakeOff(DiskOperation& operation);
  void Send(Flight& flight);
  void SendTransfer(Flight& flight);
  void SendFlush(Flight& flight);
  void SendDiscard(Flight& flight);
  // What a command of this flight is to be sent with.
  static nbd_completion_callback BeginCommand(Flight& flight);
  // `cookie` is what libnbd returned for it.
  void Sent(Flight& flight, std::int64_t cookie);
  static int OnCommandEnded(void* flight, int* error);
  void EndCommand(Flight& flight, int error);
  void Advance();
  void Break();

  Owner& owner_;
  std::unique_ptr<NbdConnection> connection_;  // absent once broken
  UniqueFd socket_;  // the connection's, whatever libnbd does with its own
  UniqueFd ready_;   // an epoll file: holds the socket while armed
  bool armed_ = false;
  std::deque<Flight> flights_;             // where they are stays the same
  std::vector<Flight*> unused_;            // of them
  std::size_t under_way_ = 0;              // operations
  std::vector<DiskOperation*> ended_;      // not collected yet
  std::vector<DiskOperation*> collected_;  // what Collect() returned last
};

}  // namespace veneer
