#include "nbd_channel.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

// A trim carries no data, so that only its 32 bits limit it: a multiple of all block sizes.
constexpr std::uint64_t kLongestTrim = std::uint64_t{1} << 30U;  // bytes

}  // namespace

Result<std::unique_ptr<DiskChannel>> NbdChannel::Create(std::unique_ptr<NbdConnection> connection,
                                                        Owner& owner) {
  std::unique_ptr<NbdChannel> channel(new NbdChannel(std::move(connection), owner));
  channel->ready_.Reset(epoll_create1(EPOLL_CLOEXEC));
  if (!channel->ready_.valid()) {
    return ErrnoError(errno, "cannot make an epoll file for an NBD disk");
  }
  channel->socket_.Reset(fcntl(channel->connection_->fd(), F_DUPFD_CLOEXEC, 0));
  if (!channel->socket_.valid()) {
    return ErrnoError(errno, "cannot keep the socket of an NBD disk");
  }
  const MutexLock lock(owner.mutex_);
  owner.sockets_.insert(channel->socket_.get());
  if (owner.interrupted_) {
    shutdown(channel->socket_.get(), SHUT_RDWR);
  }
  return channel;
}

void NbdChannel::Owner::Interrupt() {
  const MutexLock lock(mutex_);
  if (!std::exchange(interrupted_, true) && !sockets_.empty() && !broken.exchange(true)) {
    LogError("disk '{}': its server does not answer; what was under way ends with errors", disk);
  }
  for (const int socket : sockets_) {
    shutdown(socket, SHUT_RDWR);
  }
}

NbdChannel::~NbdChannel() {
  if (socket_.valid()) {
    const MutexLock lock(owner_.mutex_);
    owner_.sockets_.erase(socket_.get());
  }
  Disarm();
  connection_.reset();  // first, since it may still end commands
}

NbdChannel::Flight& NbdChannel::TakeOff(DiskOperation& operation) {
  if (unused_.empty()) {
    unused_.push_back(&flights_.emplace_back());
  }
  Flight& flight = *unused_.back();
  unused_.pop_back();
  flight = Flight{this, &operation, 0};
  ++under_way_;
  return flight;
}

void NbdChannel::Queue(DiskOperation& operation) {
  operation.error = 0;
  Flight& flight = TakeOff(operation);
  // One of our own, so that it does not end while it is being handed in.
  flight.commands = 1;
  if (connection_ == nullptr) {
    EndCommand(flight, EIO);
    return;
  }
  if (const int error = owner_.flushes.error();
      error != 0 && operation.action == DiskAction::kFlush) {
    EndCommand(flight, error);
    return;
  }
  Send(flight);
  EndCommand(flight, 0);
  if (connection_->broken()) {
    Break();
  }
}

void NbdChannel::Send(Flight& flight) {
  switch (flight.operation->action) {
    case DiskAction::kRead:
    case DiskAction::kWrite:
      return SendTransfer(flight);
    case DiskAction::kFlush:
      return SendFlush(flight);
    case DiskAction::kDiscard:
      return SendDiscard(flight);
  }
}

void NbdChannel::SendTransfer(Flight& flight) {
  const NbdApi& api = connection_->api();
  nbd_handle* const handle = connection_->handle();
  const std::uint64_t largest = connection_->facts().largest_block;
  const bool read = flight.operation->action == DiskAction::kRead;
  const std::vector<iovec>& buffers = flight.operation->buffers;
  std::uint64_t offset = flight.operation->offset;
  for (std::size_t i = 0; i < buffers.size();) {
    auto* data = static_cast<std::byte*>(buffers[i].iov_base);
    std::uint64_t length = buffers[i].iov_len;
    for (++i; i < buffers.size() && buffers[i].iov_base == data + length; ++i) {
      length += buffers[i].iov_len;
    }
    while (length > 0) {
      const std::size_t part = std::min(length, largest);
      const nbd_completion_callback ended = BeginCommand(flight);
      Sent(flight, read ? api.aio_pread(handle, data, part, offset, ended, 0)
                        : api.aio_pwrite(handle, data, part, offset, ended, 0));
      data += part;
      offset += part;
      length -= part;
    }
  }
}

void NbdChannel::SendFlush(Flight& flight) {
  // A server without flushes has nothing that one could bring to stable storage.
  if (connection_->facts().flush) {
    const nbd_completion_callback ended = BeginCommand(flight);
    Sent(flight, connection_->api().aio_flush(connection_->handle(), ended, 0));
  }
}

void NbdChannel::SendDiscard(Flight& flight) {
  std::uint64_t offset = flight.operation->offset;
  std::uint64_t length = flight.operation->length;
  while (length > 0) {
    const std::uint64_t part = std::min(length, kLongestTrim);
    const nbd_completion_callback ended = BeginCommand(flight);
    Sent(flight, connection_->api().aio_trim(connection_->handle(), part, offset, ended, 0));
    offset += part;
    length -= part;
  }
}

nbd_completion_callback NbdChannel::BeginCommand(Flight& flight) {
  // Counted before it is sent, since it may end in there.
  ++flight.commands;
  return {OnCommandEnded, &flight, nullptr};
}

void NbdChannel::Sent(Flight& flight, std::int64_t cookie) {
  // A command that is refused does not end by OnCommandEnded().
  if (cookie < 0) {
    const int error = connection_->api().get_errno();
    EndCommand(flight, error != 0 ? error : EIO);
  }
}

int NbdChannel::OnCommandEnded(void* flight, int* error) {
  // Handed to libnbd with the command.
  auto& mine = *static_cast<Flight*>(flight);
  mine.channel->EndCommand(mine, *error);
  return 1;  // libnbd may forget the command
}

void NbdChannel::EndCommand(Flight& flight, int error) {
  DiskOperation& operation = *flight.operation;
  if (error != 0 && operation.error == 0) {
    // This is how libnbd ends what was under way when a connection broke.
    operation.error = error == ENOTCONN || error == ESHUTDOWN ? EIO : error;
  }
  if (--flight.commands > 0) {
    return;
  }
  if (operation.error != 0 && operation.action == DiskAction::kFlush) {
    owner_.flushes.Failed(operation.error);
  }
  ended_.push_back(&operation);
  flight.operation = nullptr;
  unused_.push_back(&flight);
  --under_way_;
}

void NbdChannel::Advance() {
  while (under_way_ > 0 && connection_->Advance()) {
    if (connection_->broken()) {
      return Break();
    }
  }
}

void NbdChannel::Break() {
  if (!owner_.broken.exchange(true)) {
    LogError(
        "disk '{}': the connection to its server has broken; the guest gets errors until the disk "
        "is removed and added again",
        owner_.disk);
  }
  Disarm();
  connection_.reset();
  // What libnbd had not ended by itself.
  for (Flight& flight : flights_) {
    if (flight.operation != nullptr) {
      flight.commands = 1;
      EndCommand(flight, EIO);
    }
  }
}

std::span<DiskOperation* const> NbdChannel::Collect() {
  if (connection_ != nullptr && under_way_ > 0) {
    Advance();
  }
  collected_.clear();
  collected_.swap(ended_);
  return collected_;
}

bool NbdChannel::Arm() {
  if (!ended_.empty()) {
    return true;
  }
  if (connection_ != nullptr && !armed_) {
    epoll_event event{};
    event.events = connection_->wanted_events();
    VENEER_CHECK(epoll_ctl(ready_.get(), EPOLL_CTL_ADD, connection_->fd(), &event) == 0);
    armed_ = true;
  }
  return false;
}

void NbdChannel::Disarm() {
  // Taken out, because even without events to wait for a socket reports that its peer has gone.
  // Fails if libnbd has closed the socket, which has done that already.
  if (std::exchange(armed_, false)) {
    static_cast<void>(epoll_ctl(ready_.get(), EPOLL_CTL_DEL, connection_->fd(), nullptr));
  }
}

}  // namespace veneer
