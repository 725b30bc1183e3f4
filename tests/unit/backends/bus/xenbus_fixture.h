// A back-end whose tasks run when the test says so, a driver that keeps book, and the guest's hand
// on its keys.
#pragma once

#include <xen/io/xs_wire.h>

#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "veneer/backends/bus/xenbus_backend.h"
#include "veneer/vmm/base/check.h"
#include "veneer/xencompat/xenstore/guest_ring.h"

namespace veneer {

class TaskQueue {
 public:
  XenstoreClient::Poster poster() {
    return [this](std::function<void()> task) { tasks_.push_back(std::move(task)); };
  }
  bool RunOne() {
    if (tasks_.empty()) {
      return false;
    }
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }
  // Everything, with what it leads to. Returns how many tasks that was.
  int RunAll() {
    int count = 0;
    while (RunOne()) {
      ++count;
      VENEER_CHECK(count < 10'000);  // it goes in circles
    }
    return count;
  }

 private:
  std::deque<std::function<void()>> tasks_;
};

class RecordingDriver : public XenbusDriver {
 public:
  XsResult<void> Offer(XenstoreView& store, const std::string& path) override {
    calls.emplace_back("offer");
    EXPECT_FALSE(connected);
    return store.Write(path + "/feature-test", "1");
  }
  Outcome Connect(XenstoreClient& store, const std::string& front,
                  const std::string& back) override {
    calls.emplace_back("connect");
    EXPECT_FALSE(connected) << "connected twice";
    EXPECT_FALSE(pending_disconnect) << "connected while disconnecting";
    const auto ring = store.Read(front + "/ring-ref");
    if (!ring) {
      return tl::unexpected<std::string>("no ring-ref");
    }
    connected = true;
    static_cast<void>(store.Write(back + "/sectors", "8"));
    return {};
  }
  void Disconnect(std::function<void()> done) override {
    calls.emplace_back("disconnect");
    EXPECT_FALSE(pending_disconnect) << "disconnected twice at once";
    connected = false;
    if (slow) {
      pending_disconnect = std::move(done);
    } else {
      done();
    }
  }
  void FinishDisconnect() { std::exchange(pending_disconnect, nullptr)(); }
  std::vector<std::string> TakeCalls() { return std::exchange(calls, {}); }

  std::vector<std::string> calls;
  bool connected = false;
  bool slow = false;
  std::function<void()> pending_disconnect;
};

// A watch that the guest sets through its ring, gone with this object.
class GuestWatch {
 public:
  GuestWatch(XenstoreService& store, const std::string& path)
      : ring_(store, kGuestDomId, page_->bytes, [] {}) {
    auto* const shared = reinterpret_cast<xenstore_domain_interface*>(page_->bytes.data());
    const std::string names = path + '\0' + "token" + '\0';
    const xsd_sockmsg header{
        .type = XS_WATCH, .req_id = 1, .tx_id = 0, .len = static_cast<std::uint32_t>(names.size())};
    VENEER_CHECK(sizeof header + names.size() <= sizeof shared->req);
    std::memcpy(shared->req, &header, sizeof header);
    std::memcpy(shared->req + sizeof header, names.data(), names.size());
    shared->req_prod = static_cast<XENSTORE_RING_IDX>(sizeof header + names.size());
    ring_.Notify();
    VENEER_CHECK(shared->req_cons == shared->req_prod);
  }

 private:
  struct alignas(kPageSize) Page {
    std::array<std::byte, kPageSize> bytes{};
  };
  std::unique_ptr<Page> page_ = std::make_unique<Page>();
  XenstoreGuestRing ring_;
};

class XenbusTest : public ::testing::Test {
 protected:
  static constexpr const char* kFront = "/local/domain/1/device/vbd/51712";
  static constexpr const char* kBack = "/local/domain/0/backend/vbd/1/51712";

  void Make() {
    auto made = XenbusBackend::Create(client_, tasks_.poster(), driver_,
                                      {.type = "vbd",
                                       .id = 51712,
                                       .guest = kGuestDomId,
                                       .front = {{"virtual-device", "51712"}},
                                       .back = {{"mode", "w"}}});
    ASSERT_TRUE(made.has_value()) << made.error().message;
    device_ = std::move(*made);
    tasks_.RunAll();
  }
  std::string Back(const std::string& key) {
    return client_.Read(std::string(kBack) + "/" + key).value_or("(none)");
  }
  std::string Front(const std::string& key) {
    return client_.Read(std::string(kFront) + "/" + key).value_or("(none)");
  }
  void WriteFront(const std::string& key, const std::string& value) {
    EXPECT_TRUE(client_.Write(std::string(kFront) + "/" + key, value));
  }
  // Writes the state and lets the back-end act.
  void FrontSays(XenbusState state) {
    WriteFront("state", std::to_string(static_cast<int>(state)));
    tasks_.RunAll();
  }
  void BringUp() {
    WriteFront("ring-ref", "8");
    FrontSays(XenbusState::kInitialised);
    FrontSays(XenbusState::kConnected);
    EXPECT_EQ(Back("state"), "4");
    driver_.TakeCalls();
  }

  XenstoreService store_;
  XenstoreClient client_{store_};
  TaskQueue tasks_;
  RecordingDriver driver_;
  std::unique_ptr<XenbusBackend> device_;
};

}  // namespace veneer
