// Grant table operations by guest and back-ends between arbitrary writes to the table. Every
// mapping handed out must be a whole page of the guest's RAM, and all of them must be given back
// cleanly.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "support/fuzz_target.h"
#include "support/grant_guest.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

using testing::GrantGuest;

constexpr std::uint32_t kFrames = 9;  // two status frames

class Input : public testing::FuzzInput {
 public:
  using FuzzInput::FuzzInput;
  // Mostly a reference that may be in use, now and then any number.
  GrantRef Ref() {
    const auto byte = Take<std::uint8_t>();
    return GrantRef{byte < 240 ? byte % 24U : Take<std::uint32_t>()};
  }
};

class Session {
 public:
  Session(const std::uint8_t* data, std::size_t size)
      : input_(data, size),
        guest_(GrantTable::Options{.max_frames = kFrames, .max_mappings = 64}),
        table_(*guest_.table) {}

  void Run() {
    for (int step = 0; step < 400 && !input_.empty(); ++step) {
      const std::uint8_t op = input_.Take<std::uint8_t>() % 18;
      if (op < 7) {
        HostOp(op);
      } else {
        GuestOp(op);
      }
      VENEER_CHECK(table_.mappings() == held_.size());
    }
    table_.ReleaseMany(held_);
    VENEER_CHECK(table_.mappings() == 0);
    // With nothing in use and nothing in the reserved entries both versions are to be had.
    for (std::size_t offset = 0; offset < GNTTAB_NR_RESERVED_ENTRIES * 16; offset += 8) {
      guest_.Word(offset).store(0);
    }
    VENEER_CHECK(table_.SetVersion(2).has_value());
    VENEER_CHECK(table_.SetVersion(1).has_value());
  }

 private:
  void CheckPage(const PinnedGrant& grant) {
    const MemoryRegion& ram = guest_.memory->regions()[0];
    VENEER_CHECK(grant.page().size() == kPageSize);
    VENEER_CHECK(grant.page().data() >= ram.host);
    VENEER_CHECK(grant.page().data() + kPageSize <= ram.host + ram.size);
    // Touch both ends.
    buffer_[0] = grant.page().front();
    buffer_[1] = grant.page().back();
  }

  void HostOp(std::uint8_t op) {
    const GrantAccess access =
        input_.Take<std::uint8_t>() % 2 == 0 ? GrantAccess::kRead : GrantAccess::kReadWrite;
    switch (op) {
      case 0:
      case 1:
        if (auto grant = table_.Map(input_.Ref(), access)) {
          CheckPage(*grant);
          held_.push_back(std::move(*grant));
        }
        break;
      case 2: {
        const std::array refs{input_.Ref(), input_.Ref(), input_.Ref()};
        const std::size_t before = held_.size();
        const GrantStatus status = table_.MapMany(refs, access, held_);
        VENEER_CHECK(held_.size() == before + (status == GrantStatus::kOkay ? refs.size() : 0));
        break;
      }
      case 3:
        if (!held_.empty()) {
          std::swap(held_[input_.Take<std::uint8_t>() % held_.size()], held_.back());
          held_.pop_back();
        }
        break;
      case 4:
        static_cast<void>(table_.CopyFrom(
            input_.Ref(), input_.Take<std::uint16_t>(),
            std::span(buffer_).first(input_.Take<std::uint16_t>() % buffer_.size())));
        break;
      default:
        table_.ReleaseMany(held_);
    }
  }

  void GuestOp(std::uint8_t op) {
    switch (op) {
      case 7: {
        const GrantRef ref = input_.Ref();
        guest_.GrantV1(ref.value % (kFrames * 512), input_.Take<std::uint16_t>() % 300,
                       input_.Take<std::uint16_t>(), input_.Take<std::uint8_t>() % 2);
        break;
      }
      case 8: {
        const GrantRef ref = input_.Ref();
        const auto frame = input_.Take<std::uint8_t>();
        guest_.GrantV2(ref.value % (kFrames * 256),
                       frame < 250 ? frame : input_.Take<std::uint64_t>(),
                       input_.Take<std::uint16_t>(), input_.Take<std::uint8_t>() % 2,
                       input_.Take<std::uint16_t>(), input_.Take<std::uint16_t>());
        break;
      }
      case 9:
        guest_.Word(input_.Take<std::uint16_t>() % (kFrames * kPageSize) / 8 * 8)
            .store(input_.Take<std::uint64_t>());
        break;
      case 10:
        static_cast<void>(table_.SetVersion(input_.Take<std::uint8_t>() % 4));
        break;
      case 11:
        static_cast<void>(table_.SetupTable(DOMID_SELF, input_.Take<std::uint8_t>() % 20));
        break;
      case 12: {
        auto op_copy = input_.Take<gnttab_copy>();
        if (input_.Take<std::uint8_t>() % 2 == 0) {
          op_copy.source.domid = DOMID_SELF;
          op_copy.dest.domid = DOMID_SELF;
          op_copy.flags &= 3;
        }
        table_.Copy(op_copy);
        break;
      }
      case 13:
        static_cast<void>(table_.SwapGrantRef(input_.Ref(), input_.Ref()));
        break;
      case 14: {
        const auto idx = input_.Take<std::uint64_t>();
        if (const auto frame = table_.FrameForPhysmap(idx)) {
          VENEER_CHECK(frame->index < frame->pages->pages());
          table_.NoteMapped(idx, Gfn{input_.Take<std::uint8_t>()});
        }
        break;
      }
      case 15:
        static_cast<void>(table_.NoteUnmapped(Gfn{input_.Take<std::uint8_t>()}));
        break;
      case 16: {
        auto op_map = input_.Take<gnttab_map_grant_ref>();
        table_.MapGrantRef(op_map);
        VENEER_CHECK(op_map.status < 0);
        break;
      }
      default:
        static_cast<void>(table_.CacheFlush(input_.Take<gnttab_cache_flush>()));
        static_cast<void>(table_.GetStatusFrames(DOMID_SELF, input_.Take<std::uint8_t>()));
    }
  }

  Input input_;
  GrantGuest guest_;
  GrantTable& table_;
  std::vector<PinnedGrant> held_;
  std::array<std::byte, 5000> buffer_{};
};

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  veneer::testing::SilenceLog();
  veneer::Session(data, size).Run();
  return 0;
}
