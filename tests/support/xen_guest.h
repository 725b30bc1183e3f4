// A guest with a Xen domain, memory and hypercalls, but without a CPU: what tests of the Xen areas
// above event channels and grants need.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/event_guest.h"
#include "support/fake_clock.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"
#include "veneer/xencompat/domain/xen_domain.h"
#include "veneer/xencompat/hypercall/hypercalls.h"

namespace veneer::testing {

// Remembers what it is told; a test calls OnTimer() when it finds that the time has come.
class FakeWakeup final : public DeadlineTimer {
 public:
  void SetDeadline(std::optional<std::uint64_t> deadline_ns) override {
    const std::scoped_lock lock(mutex_);
    deadline_ = deadline_ns;
    ++sets_;
  }
  std::optional<std::uint64_t> deadline() {
    const std::scoped_lock lock(mutex_);
    return deadline_;
  }
  unsigned sets() const { return sets_; }

 private:
  std::mutex mutex_;
  std::optional<std::uint64_t> deadline_;
  unsigned sets_ = 0;
};

// Records what it is told, on any thread; tests look when that is over.
class FakeMachine final : public XenMachineHooks {
 public:
  void SetUpcallVector(unsigned vcpu, std::uint8_t vector) override {
    const std::scoped_lock lock(mutex_);
    vectors[vcpu] = vector;
  }
  void SetCallback(const CallbackMethod& method) override {
    const std::scoped_lock lock(mutex_);
    callbacks.push_back(method);
  }
  void Shutdown(ShutdownReason reason) override {
    const std::scoped_lock lock(mutex_);
    shutdowns.push_back(reason);
  }
  bool Suspend() override {
    const std::scoped_lock lock(mutex_);
    ++suspends;
    return resumes;
  }
  void EnableVcpuTime(unsigned vcpu, Gpa time) override {
    const std::scoped_lock lock(mutex_);
    times[vcpu] = time;
  }
  void InjectNmi(unsigned vcpu) override {
    const std::scoped_lock lock(mutex_);
    nmis.push_back(vcpu);
  }
  bool FlushTlbs(unsigned caller) override {
    const std::scoped_lock lock(mutex_);
    flushes.push_back(caller);
    return flushes.size() >= flushes_needed;
  }
  bool IsOnline(unsigned vcpu) override { return online.contains(vcpu); }
  bool StartVcpu(unsigned vcpu, const vcpu_hvm_context_t& context) override {
    const std::scoped_lock lock(mutex_);
    if (taken.contains(vcpu)) {
      return false;
    }
    online.insert(vcpu);
    started[vcpu] = context;
    return true;
  }
  std::uint64_t StolenNs(unsigned) override { return stolen_ns; }

  std::map<unsigned, std::uint8_t> vectors;
  std::vector<CallbackMethod> callbacks;
  std::vector<ShutdownReason> shutdowns;
  unsigned suspends = 0;
  bool resumes = false;
  std::map<unsigned, Gpa> times;
  std::vector<unsigned> nmis;
  std::vector<unsigned> flushes;
  std::size_t flushes_needed = 1;  // so many times it is asked before it is done
  std::set<unsigned> online = {0};
  std::map<unsigned, vcpu_hvm_context_t> started;
  std::set<unsigned> taken;  // vCPUs that the host has not given
  std::uint64_t stolen_ns = 0;

 private:
  std::mutex mutex_;
};

// A structure as a C compiler lays it out for the guest's width: members at their natural
// alignment, 64-bit ones at 4 bytes for 32-bit code. Written without the code under test.
class Wire {
 public:
  explicit Wire(GuestWidth width) : width_(width) {}
  Wire& U8(std::uint64_t value) { return Add(value, 1, 1); }
  Wire& U16(std::uint64_t value) { return Add(value, 2, 2); }
  Wire& U32(std::uint64_t value) { return Add(value, 4, 4); }
  Wire& U64(std::uint64_t value) { return Add(value, 8, width_ == GuestWidth::k64 ? 8 : 4); }
  // A pointer, a long, a frame number.
  Wire& Word(std::uint64_t value) {
    return width_ == GuestWidth::k64 ? Add(value, 8, 8) : Add(value, 4, 4);
  }
  // The structure, padded to its own alignment.
  std::vector<std::byte> Bytes() const {
    std::vector<std::byte> bytes = bytes_;
    while (bytes.size() % alignment_ != 0) {
      bytes.push_back(std::byte{0});
    }
    return bytes;
  }

 private:
  Wire& Add(std::uint64_t value, std::size_t size, std::size_t alignment) {
    alignment_ = std::max(alignment_, alignment);
    while (bytes_.size() % alignment != 0) {
      bytes_.push_back(std::byte{0});
    }
    for (std::size_t i = 0; i < size; ++i) {
      bytes_.push_back(static_cast<std::byte>(value >> (8 * i)));
    }
    return *this;
  }

  GuestWidth width_;
  std::size_t alignment_ = 1;
  std::vector<std::byte> bytes_;
};

// RAM at 0, a BAR of the platform device above it. The guest's page tables map RAM from kBase on,
// every two pages swapped, so that a structure that crosses a page is in two places.
class XenGuest {
 public:
  static constexpr std::uint64_t kRam = std::uint64_t{4} << 20U;
  static constexpr std::uint64_t kRamPages = kRam / kPageSize;
  static constexpr Gpa kBar{0xf0000000};
  static constexpr std::uint64_t kBarPages = 64;
  static constexpr std::uint64_t kUnmapped = 0x1000;  // an address that the page tables do not map
  static constexpr Gfn kHole{0x80000};                // a frame without memory

  explicit XenGuest(GuestWidth guest_width = GuestWidth::k64, unsigned vcpus = 2,
                    const std::function<void(XenDomainOptions&)>& adjust = {})
      : width(guest_width) {
    const GuestMemory::Range ranges[] = {{Gpa{0}, kRam}, {kBar, kBarPages * kPageSize}};
    memory = Must(GuestMemory::Create(ranges, {}));
    XenDomainOptions options;
    options.vcpus = vcpus;
    options.ram = {{Gpa{0}, kRam}};
    options.e820 = {{0, 0xa0000, 1}, {0x100000, kRam - 0x100000, 1}, {0xfc000000, 0x1000, 2}};
    if (adjust) {
      adjust(options);
    }
    domain = Must(XenDomain::Create(*memory, clock, time, machine, sink, metrics, options));
    domain->AttachTimer(wakeup);
    domain->LatchWidth(width);
    hypercalls = std::make_unique<Hypercalls>(*domain, metrics);
    virtual_memory = std::make_unique<PagedGuestMemory>(
        *memory, [this](std::uint64_t address) { return Walk(address); });
  }

  std::uint64_t Base() const {
    return width == GuestWidth::k64 ? 0xffff888000000000U : 0xc0000000U;
  }
  std::optional<Gpa> Walk(std::uint64_t address) const {
    if (address < Base() || address - Base() >= kRam) {
      return std::nullopt;
    }
    return Gpa{(address - Base()) ^ kPageSize};
  }

  // ---- Memory, by virtual address.

  // Room for `bytes`, not crossing a page unless it is longer than one.
  std::uint64_t Allocate(std::size_t bytes) {
    if (next_ / kPageSize != (next_ + bytes - 1) / kPageSize) {
      next_ = (next_ + kPageSize - 1) / kPageSize * kPageSize;
    }
    const std::uint64_t address = Base() + next_;
    next_ += (bytes + 15) / 16 * 16;
    VENEER_CHECK(next_ <= kRam);
    return address;
  }
  std::uint64_t Put(std::span<const std::byte> bytes) {
    const std::uint64_t address = Allocate(bytes.size());
    VENEER_CHECK(virtual_memory->Write(address, bytes));
    return address;
  }
  std::uint64_t Put(const Wire& wire) { return Put(wire.Bytes()); }
  Wire NewWire() const { return Wire(width); }
  // `size` bytes at `address`, as a number.
  std::uint64_t Read(std::uint64_t address, std::size_t size) {
    std::uint64_t value = 0;
    VENEER_CHECK(size <= sizeof(value));
    VENEER_CHECK(
        virtual_memory->Read(address, std::as_writable_bytes(std::span(&value, 1)).first(size)));
    return value;
  }
  std::size_t WordSize() const { return width == GuestWidth::k64 ? 8 : 4; }
  std::uint64_t ReadWord(std::uint64_t address) { return Read(address, WordSize()); }
  // An array of frame numbers or words.
  std::uint64_t PutWords(std::initializer_list<std::uint64_t> words) {
    Wire wire(width);
    for (const std::uint64_t word : words) {
      wire.Word(word);
    }
    return Put(wire);
  }
  Gpa PhysicalOf(std::uint64_t address) const { return *Walk(address); }

  // ---- Hypercalls.

  HypercallFrame Frame(std::uint64_t number, std::initializer_list<std::uint64_t> args) const {
    HypercallFrame frame;
    frame.number = number;
    std::copy(args.begin(), args.end(), frame.args.begin());
    frame.width = width;
    return frame;
  }
  std::int64_t CallOn(unsigned vcpu, std::uint64_t number,
                      std::initializer_list<std::uint64_t> args) {
    HypercallFrame frame = Frame(number, args);
    slices = 0;
    for (;;) {
      ++slices;
      const CallResult result = hypercalls->Dispatch(vcpu, frame, *virtual_memory);
      if (!result.again) {
        return result.value;
      }
    }
  }
  std::int64_t Call(std::uint64_t number, std::initializer_list<std::uint64_t> args) {
    return CallOn(0, number, args);
  }

  // Time passes, and the wake-up timer rings if it is due.
  void Advance(std::uint64_t ns) {
    clock.Advance(ns);
    if (wakeup.deadline() && *wakeup.deadline() <= clock.MonotonicNs()) {
      domain->OnTimer();
    }
  }
  // A pending bit of the 2-level ABI.
  bool Pending(EvtchnPort port) { return domain->events().IsPending(port); }

  const GuestWidth width;
  FakeClock clock{1'700'000'000'123'456'789};
  LinearSystemTime time{clock, clock.MonotonicNs()};
  FakeMachine machine;
  RecordingSink sink;
  Metrics metrics;
  FakeWakeup wakeup;
  std::unique_ptr<GuestMemory> memory;
  std::unique_ptr<XenDomain> domain;
  std::unique_ptr<Hypercalls> hypercalls;
  std::unique_ptr<PagedGuestMemory> virtual_memory;
  unsigned slices = 0;  // how many Dispatch() calls the last call took

 private:
  template <typename T>
  static T Must(Result<T> result) {
    if (!result) {
      LogError("{}", result.error().message);
    }
    VENEER_CHECK(result.has_value());
    return std::move(*result);
  }

  std::uint64_t next_ = std::uint64_t{1} << 20U;
};

}  // namespace veneer::testing
