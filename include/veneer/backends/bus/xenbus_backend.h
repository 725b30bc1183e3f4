// The back-end's half of a PV device's life: its keys in xenstore, and the states in which
// front-end and back-end find each other, part and meet again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "veneer/backends/bus/xenbus_state.h"
#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/xenstore/client.h"

namespace veneer {

// What a kind of device does at the turns of its life. Called on the thread that runs the posted
// tasks, one call at a time, with no lock held.
class XenbusDriver {
 public:
  // Why a front-end cannot be served, for the log and for its error node.
  using Outcome = tl::expected<void, std::string>;

  virtual ~XenbusDriver() = default;
  // Writes what a front-end must know before it connects, below `path`. May run more than once.
  virtual XsResult<void> Offer(XenstoreView& store, const std::string& path) = 0;
  // The front-end has written its part below `front`: reads it (anything may be there, or missing),
  // takes up service and writes below `back` what a front-end reads when we are connected.
  virtual Outcome Connect(XenstoreClient& store, const std::string& front,
                          const std::string& back) = 0;
  // Ends what Connect() began and calls `done` once nothing of the front-end's is used any more:
  // now, or later on the same thread. Also called when Connect() never was or has failed.
  virtual void Disconnect(std::function<void()> done) = 0;
};

using XenbusKeys = std::vector<std::pair<std::string, std::string>>;  // name, value

// Writes each key below `path`, up to the first that xenstore does not take.
XsResult<void> WriteXenbusKeys(XenstoreView& store, const std::string& path,
                               const XenbusKeys& keys);

class XenbusBackend {
 public:
  struct Device {
    std::string type;      // "vbd"
    std::uint32_t id = 0;  // the number both paths end in
    DomId guest = kGuestDomId;
    XenbusKeys front;  // more than the keys every device has; the guest may change them
    XenbusKeys back;
  };

  // Makes the keys of both ends in one transaction, offers, and waits for the front-end. `store`
  // and `driver` outlive this object; `post` runs tasks in order on one thread, which is also where
  // this object is made, used and destroyed (or while that thread does not run). HostError if
  // xenstore does not take the keys.
  static Result<std::unique_ptr<XenbusBackend>> Create(XenstoreClient& store,
                                                       XenstoreClient::Poster post,
                                                       XenbusDriver& driver, Device device);
  XenbusBackend(const XenbusBackend&) = delete;
  XenbusBackend& operator=(const XenbusBackend&) = delete;
  // Leaves the keys. The driver's Disconnect() is not called.
  ~XenbusBackend();

  XenbusState state() const;

  // Changes keys below the back-end's path and, if connected, writes its state again, which makes
  // the front-end look at them: how a disk tells its new size.
  XsResult<void> Announce(const XenbusKeys& keys);

  // The device cannot go on with this front-end (a broken ring): Closing, until it starts over.
  void Fail(std::string_view reason);

  // The guest has been replaced by another under our feet (Xen's soft reset), and nothing of the
  // old one may be used any more: lets go of its rings, makes all keys anew and waits for the new
  // front-end, then calls `done`. A device that is being removed goes. The guest must not run
  // meanwhile. One at a time.
  void StartOver(std::function<void()> done);

  // Hot removal: asks the front-end to close, and calls `removed` once it has and all keys of the
  // device are gone. A guest without a driver for it (it never left Initialising, or has closed)
  // is not waited for. Once.
  void Remove(std::function<void()> removed);

 private:
  class Impl;
  explicit XenbusBackend(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace veneer
