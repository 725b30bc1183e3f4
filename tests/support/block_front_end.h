// The guest's side of a PV disk, as a driver does it, with hands free to misbehave.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "support/pv_front_end.h"
#include "support/pv_guest.h"
#include "support/ring_front_end.h"
#include "veneer/xencompat/abi/xen_headers.h"

// clang-format off: only after the wrapped headers above
#include <xen/io/blkif.h>
// clang-format on

namespace veneer::testing {

// The layouts of a 32-bit guest, as its compiler would see the header.
#pragma pack(push, 4)
struct Blkif32Request {
  std::uint8_t operation, nr_segments;
  std::uint16_t handle;
  std::uint64_t id, sector_number;
  blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
};
struct Blkif32Discard {
  std::uint8_t operation, flag;
  std::uint16_t handle;
  std::uint64_t id, sector_number, nr_sectors;
};
struct Blkif32Indirect {
  std::uint8_t operation, indirect_op;
  std::uint16_t nr_segments;
  std::uint64_t id, sector_number;
  std::uint16_t handle;
  std::uint32_t indirect_grefs[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
  std::uint64_t pad;
};
struct Blkif32Response {
  std::uint64_t id;
  std::uint8_t operation;
  std::int16_t status;
};
#pragma pack(pop)
static_assert(sizeof(Blkif32Request) == 108 && sizeof(Blkif32Response) == 12);

template <typename T>
std::array<std::byte, 112> AsEntry(const T& value) {
  static_assert(sizeof(T) <= 112);
  std::array<std::byte, 112> entry{};
  std::memcpy(entry.data(), &value, sizeof(T));
  return entry;
}

// A 64-bit front-end of one queue. Belongs to one thread.
class BlockRingGuest {
 public:
  using Ring = RingFrontEnd<blkif_request, blkif_response>;

  BlockRingGuest(PvGuest& guest, unsigned page_order) : guest_(guest) {
    std::vector<std::span<std::byte>> pages;
    for (unsigned i = 0; i < 1U << page_order; ++i) {
      const Gfn page = guest.NewPage();
      refs_.push_back(guest.Grant(page));
      pages.push_back(guest.Page(page));
    }
    ring_ = Ring(std::move(pages));
    port_ = *guest.events->AllocUnbound(DOMID_SELF, kHostDomId.value);
  }

  const std::vector<GrantRef>& refs() const { return refs_; }
  EvtchnPort port() const { return port_; }
  Ring& ring() { return ring_; }

  // Any of the header's request types.
  template <typename T>
  void Put(const T& request) {
    blkif_request entry;
    static_assert(sizeof(T) <= sizeof(entry));
    std::memset(&entry, 0, sizeof entry);
    // The ring holds a union of them.
    std::memcpy(static_cast<void*>(&entry), &request, sizeof request);
    ring_.Put(entry);
  }
  void Push() {
    if (ring_.Push()) {
      Kick();
    }
  }
  void Kick() {
    ++kicks;
    static_cast<void>(guest_.events->Send(port_));
  }
  // The next response, waited for; CHECKs that patience does not end.
  blkif_response Wait() {
    while (!ring_.HasResponse()) {
      if (!ring_.AskForEvent()) {
        VENEER_CHECK(guest_.WaitForUpcall());
      }
    }
    return ring_.Take();
  }
  template <typename T>
  blkif_response Do(const T& request) {
    Put(request);
    Push();
    return Wait();
  }

  std::uint64_t kicks = 0;

 private:
  PvGuest& guest_;
  std::vector<GrantRef> refs_;
  Ring ring_;
  EvtchnPort port_;
};

// The keys of one disk and its queues.
class BlockFrontEnd : public PvFrontEnd {
 public:
  explicit BlockFrontEnd(PvGuest& guest, std::uint32_t vdev = 51712)
      : PvFrontEnd(guest, "vbd", vdev) {}

  // New rings and their keys, up to Initialised.
  void Initialise(unsigned queues = 1, unsigned page_order = 0) {
    queues_.clear();
    for (unsigned i = 0; i < queues; ++i) {
      queues_.push_back(std::make_unique<BlockRingGuest>(guest_, page_order));
    }
    WriteKeys(page_order);
    Say(XenbusState::kInitialised);
  }
  bool Connect(unsigned queues = 1, unsigned page_order = 0) {
    if (!WaitForBack(XenbusState::kInitWait)) {
      return false;
    }
    Initialise(queues, page_order);
    if (!WaitForBack(XenbusState::kConnected)) {
      return false;
    }
    Say(XenbusState::kConnected);
    return true;
  }
  BlockRingGuest& queue(std::size_t index = 0) { return *queues_.at(index); }

 private:
  void WriteKeys(unsigned page_order) {
    for (const char* key : {"multi-queue-num-queues", "ring-page-order", "ring-ref"}) {
      static_cast<void>(guest_.store.Remove(front() + "/" + key));
    }
    if (page_order > 0) {
      Write("ring-page-order", std::to_string(page_order));
    }
    if (queues_.size() > 1) {
      Write("multi-queue-num-queues", std::to_string(queues_.size()));
    }
    for (std::size_t i = 0; i < queues_.size(); ++i) {
      const std::string prefix = queues_.size() > 1 ? fmt::format("queue-{}/", i) : "";
      Write(prefix + "event-channel", std::to_string(queues_[i]->port().value));
      const auto& refs = queues_[i]->refs();
      for (std::size_t page = 0; page < refs.size(); ++page) {
        Write(page_order == 0 ? prefix + "ring-ref" : fmt::format("{}ring-ref{}", prefix, page),
              std::to_string(refs[page].value));
      }
    }
    Write("protocol", "x86_64-abi");
  }

  std::vector<std::unique_ptr<BlockRingGuest>> queues_;
};

// ---- Requests.

struct TestSegment {
  GrantRef ref;
  std::uint8_t first = 0;
  std::uint8_t last = 7;
};

// `operation`: BLKIF_OP_*, or any other number of 8 bits.
inline blkif_request Transfer(int operation, std::uint64_t id, std::uint64_t sector,
                              const std::vector<TestSegment>& segments) {
  blkif_request request;
  std::memset(&request, 0, sizeof request);
  request.operation = static_cast<std::uint8_t>(operation);
  request.nr_segments = static_cast<std::uint8_t>(segments.size());
  request.id = id;
  request.sector_number = sector;
  for (std::size_t i = 0; i < std::min<std::size_t>(segments.size(), 11); ++i) {
    request.seg[i] = {segments[i].ref.value, segments[i].first, segments[i].last};
  }
  return request;
}
inline blkif_request_discard Discard(std::uint64_t id, std::uint64_t sector, std::uint64_t count) {
  blkif_request_discard request;
  std::memset(&request, 0, sizeof request);
  request.operation = BLKIF_OP_DISCARD;
  request.id = id;
  request.sector_number = sector;
  request.nr_sectors = count;
  return request;
}
inline blkif_request_indirect Indirect(int operation, std::uint64_t id, std::uint64_t sector,
                                       std::uint16_t segments, GrantRef page) {
  blkif_request_indirect request;
  std::memset(&request, 0, sizeof request);
  request.operation = BLKIF_OP_INDIRECT;
  request.indirect_op = static_cast<std::uint8_t>(operation);
  request.id = id;
  request.sector_number = sector;
  request.nr_segments = segments;
  request.indirect_grefs[0] = page.value;
  return request;
}
inline void PutSegments(std::span<std::byte> page, const std::vector<TestSegment>& segments) {
  for (std::size_t i = 0; i < segments.size(); ++i) {
    blkif_request_segment entry;
    std::memset(&entry, 0, sizeof entry);
    entry.gref = segments[i].ref.value;
    entry.first_sect = segments[i].first;
    entry.last_sect = segments[i].last;
    std::memcpy(page.subspan(i * sizeof entry, sizeof entry).data(), &entry, sizeof entry);
  }
}

}  // namespace veneer::testing
