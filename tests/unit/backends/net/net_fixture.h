// A NIC on a link in memory, and its front-end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_net_link.h"
#include "support/net_frames.h"
#include "support/net_front_end.h"
#include "support/pv_guest.h"
#include "veneer/backends/net/net_backend.h"

namespace veneer {

using testing::FakeNetLink;
using testing::NetFrame;
using testing::NetFrontEnd;
using testing::NetQueueGuest;
using testing::PvGuest;
using testing::TestReceived;
using testing::TestSlot;

class NetTest : public ::testing::Test {
 protected:
  NetTest() : guest_(16384, 32) { config_.mac = ParsedMac(); }
  ~NetTest() override {
    guest_.StopControl();
    backend_.reset();
    EXPECT_EQ(guest_.grants->mappings(), 0U) << "a page was not given back";
  }

  static MacAddress ParsedMac() { return {{0x52, 0x54, 0, 0x12, 0x34, 0x56}}; }

  void Make(NetLink::Facts facts = {.name = "fake", .offloads = true}) {
    auto link = std::make_unique<FakeNetLink>(std::move(facts));
    link_ = link.get();
    auto backend = NetBackend::Create(
        {guest_.store, *guest_.events, *guest_.grants, guest_.metrics, guest_.poster()}, 0, config_,
        std::move(link));
    ASSERT_TRUE(backend.has_value()) << backend.error().message;
    backend_ = std::move(*backend);
    guest_.StartControl();
  }
  void Connect(unsigned queues = 1) { ASSERT_TRUE(front_.Connect(queues)); }
  NetQueueGuest& queue(std::size_t index = 0) { return front_.queue(index); }
  std::uint64_t Count(const std::string& name) { return guest_.Count("net.0." + name); }

  // Puts `bytes` into fresh pages, cut into slots of those sizes, each at that offset of its page.
  std::vector<TestSlot> Slots(const std::vector<std::byte>& bytes,
                              const std::vector<std::size_t>& sizes, unsigned offset = 0) {
    std::vector<TestSlot> slots;
    std::size_t done = 0;
    for (const std::size_t size : sizes) {
      const Gfn page = guest_.NewPage();
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(done), size,
                  guest_.Page(page).begin() + offset);
      slots.push_back({guest_.Grant(page, true), offset, static_cast<unsigned>(size)});
      done += size;
    }
    EXPECT_EQ(done, bytes.size());
    return slots;
  }

  // What a ring's grant shows.
  std::byte* PageOf(GrantRef ref) {
    return guest_.grants->Map(ref, GrantAccess::kReadWrite)->page().data();
  }

  NetConfig config_;
  PvGuest guest_;
  FakeNetLink* link_ = nullptr;
  std::unique_ptr<NetBackend> backend_;
  NetFrontEnd front_{guest_};
};

}  // namespace veneer
