// The keys of a PV device as the guest's driver uses them, whatever its kind.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <fmt/core.h>

#include "support/pv_guest.h"

namespace veneer::testing {

// Belongs to one thread.
class PvFrontEnd {
 public:
  PvFrontEnd(PvGuest& guest, const std::string& type, std::uint32_t number)
      : guest_(guest),
        front_(fmt::format("/local/domain/1/device/{}/{}", type, number)),
        back_(fmt::format("/local/domain/0/backend/{}/1/{}", type, number)) {}

  const std::string& front() const { return front_; }
  const std::string& back() const { return back_; }
  void Write(const std::string& key, const std::string& value) {
    VENEER_CHECK(guest_.store.Write(front_ + "/" + key, value).has_value());
  }
  std::string Back(const std::string& key) {
    return guest_.store.Read(back_ + "/" + key).value_or("(none)");
  }
  void Say(XenbusState state) { Write("state", std::to_string(static_cast<int>(state))); }
  bool WaitForBack(XenbusState state) {
    return guest_.WaitForNode(back_ + "/state", std::to_string(static_cast<int>(state)));
  }
  // As a driver that closes the device and opens it again.
  bool Close() {
    Say(XenbusState::kClosing);
    if (!WaitForBack(XenbusState::kClosing)) {
      return false;
    }
    Say(XenbusState::kClosed);
    return WaitForBack(XenbusState::kClosed);
  }
  bool Reopen() {
    Say(XenbusState::kInitialising);
    return WaitForBack(XenbusState::kInitWait);
  }
  // Ends a connection in order, or with any states, or without a word as a guest that was reset,
  // and opens the device again.
  bool StartOver(const std::function<unsigned()>& random) {
    if (random() % 2 == 0) {
      if (!Close()) {
        return false;
      }
    } else if (random() % 2 == 0) {
      for (unsigned k = random() % 5; k > 0; --k) {
        Say(static_cast<XenbusState>(random() % 9));
      }
    }
    Say(XenbusState::kClosed);
    return WaitForBack(XenbusState::kClosed) && Reopen();
  }

 protected:
  PvGuest& guest_;

 private:
  const std::string front_;
  const std::string back_;
};

}  // namespace veneer::testing
