// The threads that serve the rings of a PV device, one for each of its queues.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "veneer/vmm/base/event_fd.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/inquiry.h"
#include "veneer/vmm/base/thread.h"
#include "veneer/xencompat/xenstore/client.h"

namespace veneer {

// Serves the rings of one queue for one connection of a front-end. Belongs to its worker's thread.
class QueueServer {
 public:
  virtual ~QueueServer() = default;
  // Something has happened on the host's side.
  virtual void Serve() = 0;
  // The guest has sent an event.
  virtual void OnKick() = 0;
  // Takes nothing more from the rings and calls `done` when nothing is under way: now or later.
  // `done` may destroy this object.
  virtual void Stop(std::function<void()> done) = 0;
  // How its rings stand, in words.
  virtual std::string Report() = 0;
};

// A queue's thread with its event loop, and the server that is attached to it while a front-end is
// connected. Belongs to the control thread.
class QueueWorker {
 public:
  // The host's side of a queue, which lives as long as the thread, on it.
  struct Host {
    // `serve`: to be called whenever something happens there.
    std::function<Result<void>(EventLoop& loop, const std::function<void()>& serve)> open;
    std::function<void()> close;
  };
  using MakeServer = std::function<std::unique_ptr<QueueServer>(EventLoop& loop)>;

  // `kind`, `name`: the thread's.
  static Result<std::unique_ptr<QueueWorker>> Create(ThreadKind kind, const std::string& name,
                                                     Host host);
  QueueWorker(const QueueWorker&) = delete;
  QueueWorker& operator=(const QueueWorker&) = delete;
  // Waits for what is under way.
  ~QueueWorker();

  // What the front-end's event channels write to.
  int kick_fd() const { return kick_.get(); }
  // Has the server look for work.
  void Kick() { kick_.Signal(); }
  // Has `make` run on the worker's thread; nothing is attached.
  void Attach(MakeServer make);
  // `done` runs on the worker's thread, once nothing of the front-end's is used any more.
  void Detach(std::function<void()> done);
  // `answer` is called on the worker's thread with its server's report.
  void Report(Inquiry::Answer answer);

 private:
  QueueWorker() = default;
  void Serve() {
    if (server_ != nullptr) {
      server_->Serve();
    }
  }

  EventFd kick_;
  std::unique_ptr<QueueServer> server_;  // the thread's own
  // Its end waits for the thread: before what that uses goes.
  std::unique_ptr<LoopThread> thread_;
};

// A device's workers, made as connections need them, and which of them serve the present one.
// Belongs to the control thread, the one that `post` runs tasks on.
class QueueWorkers {
 public:
  using MakeHost = std::function<QueueWorker::Host(std::size_t index)>;

  // `kind`: the threads'. `name`: of the device; the threads' are made from it.
  QueueWorkers(ThreadKind kind, std::string name, XenstoreClient::Poster post, MakeHost make_host)
      : kind_(kind),
        name_(std::move(name)),
        post_(std::move(post)),
        make_host_(std::move(make_host)) {}
  QueueWorkers(const QueueWorkers&) = delete;
  QueueWorkers& operator=(const QueueWorkers&) = delete;

  // A connection of `count` queues begins: makes the workers that are missing.
  Result<void> Prepare(std::size_t count);
  // The prepared ones'.
  int kick_fd(std::size_t index) const { return workers_.at(index)->kick_fd(); }
  // What a server of this connection calls, once, on any thread, when its ring is broken; has
  // `report` run on the control thread unless the connection has ended by then.
  std::function<void()> BrokenReporter(std::function<void()> report);
  // Attaches one server to each of the first workers.
  void Attach(std::vector<QueueWorker::MakeServer> servers);
  bool attached() const { return attached_ > 0; }
  // Has all servers look for work.
  void Kick();
  // Begins to end all service; the rest is done by destroying this object. The future becomes ready
  // once nothing is under way any more.
  std::future<void> BeginEnd();
  // Ends the connection: `done` runs on the control thread, at once if nothing is attached.
  void Detach(const std::function<void()>& done);
  // Asks each server for a report.
  void Report(Inquiry& inquiry);

 private:
  const ThreadKind kind_;
  const std::string name_;
  const XenstoreClient::Poster post_;
  const MakeHost make_host_;
  std::size_t attached_ = 0;  // the first so many
  // Counts them, so that news of an old one is known as such. Shared with what is posted.
  std::shared_ptr<std::uint64_t> connection_ = std::make_shared<std::uint64_t>(0);
  std::vector<std::unique_ptr<QueueWorker>> workers_;
};

}  // namespace veneer
