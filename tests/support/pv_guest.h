// The guest's side of what PV devices are made of, in ordinary memory: pages, grants, event
// channels and xenstore, and the control thread of the back-ends. Needs no CPU.
#pragma once

#include <atomic>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "veneer/backends/bus/xenbus_state.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/xencompat/evtchn/event_channels.h"
#include "veneer/xencompat/gnttab/grant_table.h"
#include "veneer/xencompat/xenstore/client.h"

namespace veneer::testing {

// How long a test waits for what must happen; ends it instead of hanging it.
inline constexpr std::chrono::seconds kPatience{60};

class PvGuest {
 public:
  explicit PvGuest(std::uint64_t pages = 4096, std::uint32_t grant_frames = 16)
      : memory(Must(GuestMemory::CreateFlat(pages * kPageSize))),
        shared_info(Must(SharedPages::Create(1))),
        events(Must(EventChannels::Create(*memory, shared_info.bytes(), sink_, metrics, {}))),
        grants(Must(GrantTable::Create(*memory, metrics, {.max_frames = grant_frames}))),
        loop(Must(EventLoop::Create())) {
    for (std::uint32_t i = 0; i < grant_frames; ++i) {
      const auto frame = grants->FrameForPhysmap(i);
      // The same memory that a guest would see through its overlay.
      frames_.push_back(const_cast<SharedPages*>(frame->pages)->data() + frame->index * kPageSize);
    }
  }
  PvGuest(const PvGuest&) = delete;
  PvGuest& operator=(const PvGuest&) = delete;
  ~PvGuest() { StopControl(); }

  // ---- The control thread. What belongs to it is made before StartControl() or inside
  // OnControl().

  void StartControl() {
    thread_ = std::thread([this] { loop->Run(); });
  }
  void StopControl() {
    if (thread_.joinable()) {
      loop->Stop();
      thread_.join();
    }
  }
  // Runs `task` there and waits for it; and for what it was posted behind.
  void OnControl(const std::function<void()>& task) {
    std::promise<void> done;
    loop->Post([&] {
      task();
      done.set_value();
    });
    VENEER_CHECK(done.get_future().wait_for(kPatience) == std::future_status::ready);
  }
  XenstoreClient::Poster poster() {
    return [this](std::function<void()> task) { loop->Post(std::move(task)); };
  }

  // ---- Pages and grants. Any one thread.

  // A fresh zeroed page; CHECKs that there is one.
  Gfn NewPage() {
    VENEER_CHECK((next_page_ + 1) * kPageSize <= memory->TotalBytes());
    return Gfn{next_page_++};
  }
  std::span<std::byte> Page(Gfn gfn) { return memory->Pin(gfn.Address(), kPageSize); }

  GrantRef Grant(Gfn gfn, bool readonly = false) {
    VENEER_CHECK(next_ref_ < frames_.size() * (kPageSize / sizeof(grant_entry_v1_t)));
    const GrantRef ref{next_ref_++};
    SetGrant(ref, gfn, GTF_permit_access | (readonly ? GTF_readonly : 0U));
    return ref;
  }
  void SetGrant(GrantRef ref, Gfn gfn, std::uint32_t flags,
                std::uint16_t domid = kHostDomId.value) {
    const grant_entry_v1_t entry{static_cast<std::uint16_t>(flags), domid,
                                 static_cast<std::uint32_t>(gfn.value)};
    constexpr std::size_t kPerFrame = kPageSize / sizeof(entry);
    SharedWord<std::uint64_t>(frames_.at(ref.value / kPerFrame) +
                              ref.value % kPerFrame * sizeof(entry))
        .store(std::bit_cast<std::uint64_t>(entry));
  }

  // ---- Events.

  // An upcall's worth: the pending bits that it announces (2-level ABI) are taken away, as a
  // guest's handler does it.
  void TakeEvents() {
    std::byte* const info = shared_info.data();
    SharedWord<std::uint8_t>(info).store(0);
    auto selector =
        SharedWord<std::uint64_t>(info + offsetof(vcpu_info_t, evtchn_pending_sel)).exchange(0);
    for (; selector != 0; selector &= selector - 1) {
      const auto word = static_cast<std::size_t>(std::countr_zero(selector));
      SharedWord<std::uint64_t>(info + offsetof(shared_info_t, evtchn_pending) + word * 8)
          .exchange(0);
    }
  }
  // Sleeps until an upcall has come since the last call, or `done`; false when patience ends.
  bool WaitForUpcall() {
    std::unique_lock lock(sink_.mutex);
    const bool came = sink_.changed.wait_for(lock, kPatience, [this] { return sink_.raised; });
    sink_.raised = false;
    lock.unlock();
    TakeEvents();
    return came;
  }
  std::uint64_t upcalls() const { return sink_.count; }

  // ---- Xenstore.

  // Waits until the node holds `value`; false when patience ends.
  bool WaitForNode(const std::string& path, const std::string& value) {
    auto reached = std::make_shared<std::promise<void>>();
    auto once = std::make_shared<std::once_flag>();
    const auto watch = store.Watch(
        path, [](const std::function<void()>& task) { task(); },
        [this, path, value, reached, once](const std::string&) {
          if (store.Read(path).value_or("") == value) {
            std::call_once(*once, [&] { reached->set_value(); });
          }
        });
    return watch.has_value() &&
           reached->get_future().wait_for(kPatience) == std::future_status::ready;
  }

  std::uint64_t Count(const std::string& name) { return metrics.Get(name).value(); }

 private:
  class Sink : public UpcallSink {
   public:
    void Raise(std::uint32_t) override {
      {
        const std::scoped_lock lock(mutex);
        raised = true;
      }
      ++count;
      changed.notify_all();
    }
    std::mutex mutex;
    std::condition_variable changed;
    bool raised = false;
    std::atomic<std::uint64_t> count{0};
  };
  template <typename T>
  static T Must(Result<T> result) {
    VENEER_CHECK(result.has_value());
    return std::move(*result);
  }

  Sink sink_;

 public:
  Metrics metrics;
  std::unique_ptr<GuestMemory> memory;
  SharedPages shared_info;
  std::unique_ptr<EventChannels> events;
  std::unique_ptr<GrantTable> grants;
  XenstoreService service;
  XenstoreClient store{service};
  std::unique_ptr<EventLoop> loop;

 private:
  std::vector<std::byte*> frames_;
  std::uint64_t next_page_ = 16;
  std::uint32_t next_ref_ = 8;  // the first ones are the toolstack's
  std::thread thread_;
};

}  // namespace veneer::testing
