#include "veneer/xencompat/entry/call_sites.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stub_interpreter.h"
#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr HypercallPorts kPorts = {.call = 0xe1, .send = 0xe2};
constexpr std::size_t kThunk = 0x3000;
constexpr std::size_t kSite = 0x2000;

using Bytes = std::vector<std::uint8_t>;

// A kernel's text as far as it matters: ordinary code that holds no hypercall, a filler of int3 and
// whatever a test puts in.
class Text {
 public:
  Text() : bytes_(0x4000, std::byte{0x55}) { Fill(0x1010, 0x400, 0xcc); }
  void Fill(std::size_t at, std::size_t length, std::uint8_t value) {
    std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at), length, std::byte{value});
  }
  void Put(std::size_t at, const Bytes& code) {
    std::transform(code.begin(), code.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(at),
                   [](std::uint8_t byte) { return std::byte{byte}; });
  }
  // One function at the 16-byte slot `at`; `padding` fills the slot.
  void PutFunction(std::size_t at, const Bytes& prefix, bool vmmcall, bool thunk,
                   const Bytes& padding) {
    Bytes code = prefix;
    code.insert(code.end(), {0x0f, 0x01, static_cast<std::uint8_t>(vmmcall ? 0xd9 : 0xc1)});
    if (thunk) {
      const std::size_t displacement = kThunk - (at + code.size() + 5);
      code.push_back(0xe9);
      for (unsigned i = 0; i < 4; ++i) {
        code.push_back(static_cast<std::uint8_t>(displacement >> (8 * i)));
      }
    } else {
      code.push_back(0xc3);
    }
    code.insert(code.end(), padding.begin(), padding.end());
    ASSERT_EQ(code.size(), 16U);
    Put(at, code);
  }
  std::span<std::byte> span() { return bytes_; }
  std::vector<std::byte> copy() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

const Bytes kNoPrefix;
const Bytes kEndbr = {0xf3, 0x0f, 0x1e, 0xfa};
const Bytes kNop8 = {0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0};
const Bytes kNop4 = {0x0f, 0x1f, 0x40, 0};
const Bytes kInt3x8(8, 0xcc);
const Bytes kInt3x12(12, 0xcc);

// The shape of Linux 6.1 with return thunks: two slots side by side.
void PutThunkPair(Text& text) {
  text.PutFunction(kSite, kNoPrefix, true, true, kNop8);
  text.PutFunction(kSite + 16, kNoPrefix, false, true, kInt3x8);
}

// The shape of Linux 6.12 with IBT and call padding: 16 bytes of NOP in front of each.
void PutIbtPair(Text& text) {
  text.Fill(kSite - 16, 64, 0x90);
  text.PutFunction(kSite, kEndbr, true, true, kNop4);
  text.PutFunction(kSite + 32, kEndbr, false, true, kNop4);
}

void PutPlainPair(Text& text) {
  text.PutFunction(kSite, kNoPrefix, true, false, kInt3x12);
  text.PutFunction(kSite + 16, kNoPrefix, false, false, kInt3x12);
}

TEST(FindHypercallSites, KnowsTheShapesOfRealKernels) {
  Text thunk;
  PutThunkPair(thunk);
  const auto thunk_sites = FindHypercallSites(thunk.span());
  ASSERT_THAT(thunk_sites, SizeIs(2));
  EXPECT_EQ(thunk_sites[0].instruction, kSite);
  EXPECT_TRUE(thunk_sites[0].vmmcall);
  EXPECT_EQ(thunk_sites[1].instruction, kSite + 16);
  EXPECT_FALSE(thunk_sites[1].vmmcall);

  Text ibt;
  PutIbtPair(ibt);
  const auto ibt_sites = FindHypercallSites(ibt.span());
  ASSERT_THAT(ibt_sites, SizeIs(2));
  EXPECT_EQ(ibt_sites[0].instruction, kSite + 4);
  EXPECT_EQ(ibt_sites[1].instruction, kSite + 36);

  Text plain;
  PutPlainPair(plain);
  EXPECT_THAT(FindHypercallSites(plain.span()), SizeIs(2));
}

TEST(FindHypercallSites, LeavesTheMidstOfOtherFunctionsAlone) {
  Text text;
  PutThunkPair(text);
  // KVM's and VMware's uses: not alone in a slot, not at its start, or not followed by a return.
  text.Put(0x2100, {0x0f, 0x01, 0xd9, 0x48, 0x89, 0xe7});
  text.Put(0x2200, {0x0f, 0x01, 0xc1, 0xe9, 0, 1, 0, 0, 0x48, 0x89, 0xd1});
  text.Put(0x2307, {0x0f, 0x01, 0xd9, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc});
  EXPECT_THAT(FindHypercallSites(text.span()), SizeIs(2));
}

TEST(FindHypercallSites, WantsAPairThatReturnsTheSameWay) {
  Text lonely;
  lonely.PutFunction(kSite, kNoPrefix, true, true, kNop8);
  EXPECT_THAT(FindHypercallSites(lonely.span()), IsEmpty());

  Text far_apart;
  far_apart.PutFunction(kSite, kNoPrefix, true, true, kNop8);
  far_apart.PutFunction(kSite + 0x200, kNoPrefix, false, true, kNop8);
  EXPECT_THAT(FindHypercallSites(far_apart.span()), IsEmpty());

  Text mixed;
  mixed.PutFunction(kSite, kNoPrefix, true, true, kNop8);
  mixed.PutFunction(kSite + 16, kNoPrefix, false, false, kInt3x12);
  EXPECT_THAT(FindHypercallSites(mixed.span()), IsEmpty());
}

TEST(FindHypercallSites, SurvivesTextsThatEndAnywhere) {
  Text text;
  PutThunkPair(text);
  for (std::size_t length = kSite - 4; length < kSite + 40; ++length) {
    const auto sites = FindHypercallSites(text.span().first(length));
    EXPECT_EQ(sites.size(), length >= kSite + 32 ? 2U : 0U) << length;
  }
  EXPECT_THAT(FindHypercallSites({}), IsEmpty());
}

// The shape of Debian's 32-bit kernels: functions aligned to four bytes, back to back.
void PutPacked(Text& text, std::size_t at) {
  text.Put(at, {0x0f, 0x01, 0xd9, 0xc3, 0x0f, 0x01, 0xc1, 0xc3, 0xb8, 0x49, 0, 0, 0});
}

TEST(FindHypercallSites, KnowsTheShapeOf32BitKernels) {
  for (std::size_t at = kSite; at < kSite + 16; at += 4) {
    Text text;
    PutPacked(text, at);
    const auto sites = FindHypercallSites(text.span(), GuestWidth::k32);
    ASSERT_THAT(sites, SizeIs(2)) << at;
    EXPECT_EQ(sites[0].instruction, at);
    EXPECT_TRUE(sites[0].vmmcall);
    EXPECT_EQ(sites[1].instruction, at + 4);
    EXPECT_FALSE(sites[1].vmmcall);
    // Which is no shape of a 64-bit kernel.
    EXPECT_THAT(FindHypercallSites(text.span(), GuestWidth::k64), IsEmpty());
  }
  // Straight-line speculation: an int3 behind each return, and padding up to the next four bytes.
  Text guarded;
  guarded.Put(kSite + 4, {0x0f, 0x01, 0xd9, 0xc3, 0xcc, 0x90, 0x90, 0x90, 0x0f, 0x01, 0xc1, 0xc3,
                          0xcc, 0x8d, 0x76, 0x00});
  EXPECT_THAT(FindHypercallSites(guarded.span(), GuestWidth::k32), SizeIs(2));
}

TEST(FindHypercallSites, LeavesOther32BitCodeAlone) {
  Text text;
  // Instructions of an alternative, as VMware's driver has them, and ones that do not return.
  text.Put(kSite, {0x0f, 0x01, 0xc1, 0x0f, 0x01, 0xd9, 0xe9, 0x7d});
  text.Put(kSite + 0x20, {0x0f, 0x01, 0xc1, 0xeb, 0x1d, 0xb8, 0, 0});
  text.Put(kSite + 0x40, {0x0f, 0x01, 0xd9, 0x55, 0x0f, 0x01, 0xc1, 0x55});
  // Not at the start of a function.
  text.Put(kSite + 0x61, {0x0f, 0x01, 0xd9, 0xc3, 0x0f, 0x01, 0xc1, 0xc3});
  EXPECT_THAT(FindHypercallSites(text.span(), GuestWidth::k32), IsEmpty());
}

TEST(PatchHypercallSite, PackedFunctionsAreRewrittenInPlace) {
  for (std::size_t at = kSite; at < kSite + 16; at += 4) {
    Text text;
    PutPacked(text, at);
    const auto before = text.copy();
    for (const HypercallSite& site : FindHypercallSites(text.span(), GuestWidth::k32)) {
      EXPECT_EQ(PatchHypercallSite(text.span(), site, GuestWidth::k32, kPorts), SitePatch::kPlain);
      StubCpu cpu;
      cpu.gpr[0] = 34;
      const StubRun run = cpu.Run(text.span(), site.instruction, GuestWidth::k32, kThunk);
      ASSERT_FALSE(run.error) << *run.error;
      EXPECT_TRUE(run.returned);
      EXPECT_THAT(run.writes, ElementsAre(Pair(kPorts.call, 34U)));
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
      const bool instruction = i >= at && i < at + 8 && (i - at) % 4 < 3;
      EXPECT_EQ(text.span()[i] == before[i], !instruction) << i;
    }
    EXPECT_THAT(FindHypercallSites(text.span(), GuestWidth::k32), IsEmpty());
  }
}

TEST(FindHypercallSites, SurvivesA32BitTextThatEndsAnywhere) {
  Text text;
  PutPacked(text, kSite);
  for (std::size_t length = kSite - 4; length < kSite + 16; ++length) {
    const auto sites = FindHypercallSites(text.span().first(length), GuestWidth::k32);
    EXPECT_EQ(sites.size(), length >= kSite + 8 ? 2U : 0U) << length;
    for (const HypercallSite& site : sites) {
      std::vector<std::byte> cut = text.copy();
      cut.resize(length);
      EXPECT_TRUE(PatchHypercallSite(cut, site, GuestWidth::k32, kPorts));
    }
  }
}

// Of quadratic cost these would not end within the time limit of a test.
TEST(FindHypercallSites, AnImageFullOfInstructionsTakesLinearTime) {
  constexpr std::size_t kBytes = std::size_t{4} << 20U;
  const Bytes code = {0x0f, 0x01, 0xc1, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc,
                      0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc};
  std::vector<std::byte> text(kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) {
    text[i] = std::byte{code[i % code.size()]};
  }
  EXPECT_THAT(FindHypercallSites(text, GuestWidth::k64), IsEmpty());
  EXPECT_THAT(FindHypercallSites(text, GuestWidth::k32), IsEmpty());
  // With a partner for each there are as many sites as slots, of which few are told.
  for (std::size_t slot = 0; slot < kBytes; slot += 32) {
    text[slot + 2] = std::byte{0xd9};
  }
  const auto sites = FindHypercallSites(text, GuestWidth::k64);
  EXPECT_THAT(sites, SizeIs(kMaxHypercallSites));
  for (const HypercallSite& site : sites) {
    EXPECT_TRUE(PatchHypercallSite(text, site, GuestWidth::k64, kPorts));
  }
}

// Behind more such instructions than any kernel has nothing is looked for.
TEST(FindHypercallSites, LooksAtNoMoreThanAKernelMayHave) {
  constexpr std::size_t kSlots = 1U << 16U;
  for (const std::size_t before : {std::size_t{64}, kSlots}) {
    std::vector<std::byte> text((before + 2) * 16, std::byte{0xcc});
    for (std::size_t slot = 0; slot < before + 2; ++slot) {
      const Bytes code = {0x0f, 0x01, slot == before ? std::uint8_t{0xd9} : std::uint8_t{0xc1},
                          0xc3};
      std::ranges::transform(code, text.begin() + static_cast<std::ptrdiff_t>(slot * 16),
                             [](std::uint8_t byte) { return std::byte{byte}; });
    }
    EXPECT_EQ(FindHypercallSites(text, GuestWidth::k64).empty(), before == kSlots) << before;
  }
}

// Of a search without end this would not end within the time limit of a test either.
TEST(PatchHypercallSite, APlaceForTheBodyIsNotLookedForInAllOfALargeText) {
  constexpr std::size_t kBytes = std::size_t{64} << 20U;
  std::vector<std::byte> text(kBytes, std::byte{0xcc});
  for (std::size_t at = 0; at < kBytes; at += 180) {
    text[at] = std::byte{0x90};  // almost fillers
  }
  const std::size_t site = kBytes - 64;
  std::ranges::fill(text.end() - 64, text.end(), std::byte{0xcc});
  std::ranges::fill(text.begin() + 4096, text.begin() + 4096 + 512, std::byte{0xcc});  // a filler
  for (const std::size_t at : {site, site + 16}) {
    text[at] = std::byte{0x0f};
    text[at + 1] = std::byte{0x01};
    text[at + 2] = at == site ? std::byte{0xd9} : std::byte{0xc1};
    text[at + 3] = std::byte{0xc3};
  }
  EXPECT_EQ(PatchHypercallSite(text, {site, true}, GuestWidth::k64, kPorts), SitePatch::kPlain);
}

struct Shape {
  std::string name;
  void (*put)(Text&);
  bool thunk;
};

class PatchedSite : public ::testing::TestWithParam<std::tuple<Shape, GuestWidth>> {
 protected:
  PatchedSite() {
    std::get<0>(GetParam()).put(text_);
    before_ = text_.copy();
    sites_ = FindHypercallSites(text_.span());
    for (const HypercallSite& site : sites_) {
      patches_.push_back(PatchHypercallSite(text_.span(), site, Width(), kPorts));
    }
    for (std::size_t i = 0; i < cpu_.gpr.size(); ++i) {
      cpu_.gpr[i] = 0x2000U + i;
    }
  }
  GuestWidth Width() const { return std::get<1>(GetParam()); }
  // Calls the function, as the kernel does; a return thunk ends the run as a RET does.
  StubRun Call(const HypercallSite& site, std::uint32_t number) {
    cpu_.gpr[0] = number;
    const std::size_t entry = site.instruction / 16 * 16;
    StubRun run = cpu_.Run(text_.span(), entry, Width(), kThunk);
    run.returned = run.returned || run.end == kThunk;
    return run;
  }
  std::uint64_t& Command() { return cpu_.gpr[Width() == GuestWidth::k64 ? 7 : 3]; }
  std::uint64_t& Argument() { return cpu_.gpr[Width() == GuestWidth::k64 ? 6 : 1]; }

  Text text_;
  std::vector<std::byte> before_;
  std::vector<HypercallSite> sites_;
  std::vector<std::optional<SitePatch>> patches_;
  StubCpu cpu_;
};

TEST_P(PatchedSite, BothSitesGetTheFastSend) {
  EXPECT_THAT(patches_, ElementsAre(SitePatch::kSendFast, SitePatch::kSendFast));
}

TEST_P(PatchedSite, ACallLeavesWithItsNumberAndKeepsTheArguments) {
  for (const HypercallSite& site : sites_) {
    for (const std::uint32_t number : {0U, 12U, 17U, 31U, 33U, 34U, 0x120U, 0xffffffffU}) {
      Command() = EVTCHNOP_send;
      const auto before = cpu_.gpr;
      cpu_.on_out = [](StubCpu& cpu, std::uint8_t) { cpu.gpr[0] = 77; };
      const StubRun run = Call(site, number);
      ASSERT_FALSE(run.error) << *run.error;
      EXPECT_TRUE(run.returned);
      EXPECT_THAT(run.writes, ElementsAre(Pair(kPorts.call, number)));
      EXPECT_EQ(cpu_.gpr[0], 77U);
      for (std::size_t i = 1; i < before.size(); ++i) {
        EXPECT_EQ(cpu_.gpr[i], before[i]);
      }
    }
  }
}

TEST_P(PatchedSite, SendTakesThePortOfItsOwn) {
  for (const HypercallSite& site : sites_) {
    Command() = EVTCHNOP_send;
    cpu_.words[Argument()] = 99;
    cpu_.on_out = nullptr;
    const StubRun run = Call(site, __HYPERVISOR_event_channel_op);
    ASSERT_FALSE(run.error) << *run.error;
    EXPECT_TRUE(run.returned);
    EXPECT_THAT(run.writes, ElementsAre(Pair(kPorts.send, 99)));
    EXPECT_EQ(cpu_.gpr[0], 0U);
  }
}

TEST_P(PatchedSite, SendReturnsTheErrorThatUserspaceLeaves) {
  Command() = EVTCHNOP_send;
  cpu_.words[Argument()] = 99;
  cpu_.on_out = [](StubCpu& cpu, std::uint8_t) {
    cpu.gpr[0] = 0xffffffea;
    cpu.carry = true;
  };
  const StubRun run = Call(sites_[0], __HYPERVISOR_event_channel_op);
  EXPECT_TRUE(run.returned);
  EXPECT_EQ(cpu_.gpr[0], 0xffffffeaU);
}

TEST_P(PatchedSite, OtherEventChannelOperationsAreOrdinaryCalls) {
  Command() = EVTCHNOP_unmask;
  const StubRun run = Call(sites_[0], __HYPERVISOR_event_channel_op);
  ASSERT_FALSE(run.error) << *run.error;
  EXPECT_THAT(run.writes, ElementsAre(Pair(kPorts.call, __HYPERVISOR_event_channel_op)));
}

TEST_P(PatchedSite, WhatTheKernelItselfRewritesIsUntouched) {
  for (const HypercallSite& site : sites_) {
    const std::size_t entry = site.instruction / 16 * 16;
    for (std::size_t at = entry; at < site.instruction; ++at) {
      EXPECT_EQ(text_.span()[at], before_[at]) << "ENDBR";
    }
    const std::size_t back = site.instruction + 3;
    const std::size_t length = std::get<0>(GetParam()).thunk ? 5 : 1;
    for (std::size_t at = back; at < back + length; ++at) {
      EXPECT_EQ(text_.span()[at], before_[at]) << "return";
    }
  }
}

TEST_P(PatchedSite, OutsideTheSitesOnlyPaddingIsOverwritten) {
  for (std::size_t at = 0; at < before_.size(); ++at) {
    const bool near_the_sites = at >= kSite && at < kSite + 64;
    if (before_[at] != text_.span()[at] && !near_the_sites) {
      EXPECT_TRUE(before_[at] == std::byte{0xcc} || before_[at] == std::byte{0x90}) << at;
    }
  }
}

TEST_P(PatchedSite, ASecondPatchFindsNothing) {
  const auto patched = text_.copy();
  EXPECT_THAT(FindHypercallSites(text_.span()), IsEmpty());
  EXPECT_EQ(PatchHypercallSite(text_.span(), sites_[0], Width(), kPorts), std::nullopt);
  EXPECT_EQ(text_.copy(), patched);
}

INSTANTIATE_TEST_SUITE_P(Shapes, PatchedSite,
                         ::testing::Combine(::testing::Values(Shape{"Thunk", PutThunkPair, true},
                                                              Shape{"Ibt", PutIbtPair, true},
                                                              Shape{"Plain", PutPlainPair, false}),
                                            ::testing::Values(GuestWidth::k64, GuestWidth::k32)),
                         [](const auto& param_info) {
                           return std::get<0>(param_info.param).name +
                                  (std::get<1>(param_info.param) == GuestWidth::k64 ? "Wide"
                                                                                    : "Narrow");
                         });

TEST(PatchHypercallSite, WithoutAFillerEveryCallTakesTheOrdinaryWay) {
  Text text;
  text.Fill(0x1010, 0x400, 0x55);
  PutThunkPair(text);
  const auto sites = FindHypercallSites(text.span());
  ASSERT_THAT(sites, SizeIs(2));
  EXPECT_EQ(PatchHypercallSite(text.span(), sites[0], GuestWidth::k64, kPorts), SitePatch::kPlain);
  StubCpu cpu;
  cpu.gpr[0] = __HYPERVISOR_event_channel_op;
  cpu.gpr[7] = EVTCHNOP_send;
  const StubRun run = cpu.Run(text.span(), kSite, GuestWidth::k64, kThunk);
  ASSERT_FALSE(run.error) << *run.error;
  EXPECT_THAT(run.writes, ElementsAre(Pair(kPorts.call, __HYPERVISOR_event_channel_op)));
}

TEST(PatchHypercallSite, WithoutPaddingEveryCallTakesTheOrdinaryWay) {
  Text text;
  PutIbtPair(text);
  text.Fill(kSite - 16, 16, 0x55);
  const auto sites = FindHypercallSites(text.span());
  ASSERT_THAT(sites, SizeIs(2));
  EXPECT_EQ(PatchHypercallSite(text.span(), sites[0], GuestWidth::k64, kPorts), SitePatch::kPlain);
  EXPECT_EQ(PatchHypercallSite(text.span(), sites[1], GuestWidth::k64, kPorts),
            SitePatch::kSendFast);
}

TEST(PatchHypercallSite, RefusesWhatIsNoSite) {
  Text text;
  for (const std::size_t at : {std::size_t{0}, kSite, kSite + 3, std::size_t{0x3ffe},
                               std::size_t{0x4000}, ~std::size_t{0}}) {
    EXPECT_EQ(PatchHypercallSite(text.span(), {at, true}, GuestWidth::k64, kPorts), std::nullopt);
  }
}

}  // namespace
}  // namespace veneer
