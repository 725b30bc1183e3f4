#include "veneer/vmm/vcpu/cpuid.h"

#include <bit>

#include <gtest/gtest.h>

namespace veneer {
namespace {

constexpr unsigned kSizes[] = {1, 2, 3, 32};

CpuidLeaf Leaf(std::uint32_t function) {
  CpuidLeaf leaf;
  leaf.function = function;
  return leaf;
}

CpuidLeaf SubLeaf(std::uint32_t function, std::uint32_t index, std::uint32_t eax = 0) {
  CpuidLeaf leaf = Leaf(function);
  leaf.index = index;
  leaf.index_significant = true;
  leaf.eax = eax;
  return leaf;
}

// EAX of a cache leaf: type and level, and the host's sharing fields all ones.
constexpr std::uint32_t CacheEax(std::uint32_t type, std::uint32_t level) {
  return 0xffffc000U | (level << 5U) | type;
}

std::uint32_t Bits(std::uint32_t value, unsigned high, unsigned low) {
  const std::uint64_t mask = (std::uint64_t{1} << (high - low + 1U)) - 1U;
  return static_cast<std::uint32_t>((value >> low) & mask);
}

TEST(FindLeaf, TakesAnyIndexOfALeafWithoutSubLeaves) {
  CpuidTable table{Leaf(0), Leaf(1)};
  EXPECT_EQ(FindLeaf(table, 1), &table[1]);
  EXPECT_EQ(FindLeaf(table, 1, 7), &table[1]);
}

TEST(FindLeaf, TellsSubLeavesApart) {
  CpuidTable table{SubLeaf(4, 0), SubLeaf(4, 1), SubLeaf(4, 3)};
  EXPECT_EQ(FindLeaf(table, 4, 1), &table[1]);
  EXPECT_EQ(FindLeaf(table, 4, 3), &table[2]);
  EXPECT_EQ(FindLeaf(table, 4, 2), nullptr);
}

TEST(FindLeaf, FindsNothingInATableWithoutIt) {
  CpuidTable empty;
  EXPECT_EQ(FindLeaf(empty, 0), nullptr);
  CpuidTable table{Leaf(1)};
  EXPECT_EQ(FindLeaf(table, 2), nullptr);
}

TEST(SetTopology, NumbersVcpusInLeaf1) {
  for (const unsigned vcpus : kSizes) {
    for (unsigned vcpu = 0; vcpu < vcpus; ++vcpu) {
      CpuidTable table{Leaf(1)};
      table[0].ebx = 0xdeadbeef;
      SetTopology(table, vcpu, vcpus);
      EXPECT_EQ(Bits(table[0].ebx, 31, 24), vcpu);   // initial APIC id
      EXPECT_EQ(Bits(table[0].ebx, 23, 16), vcpus);  // ids of this package
      EXPECT_EQ(Bits(table[0].ebx, 15, 0), 0xbeefU);
    }
  }
}

TEST(SetTopology, SetsTheMultiThreadingFlagOnlyWhenThereAreSeveral) {
  constexpr std::uint32_t kHtt = 1U << 28U;
  CpuidTable table{Leaf(1)};
  table[0].edx = ~0U;
  SetTopology(table, 0, 1);
  EXPECT_EQ(table[0].edx, ~kHtt);
  table[0].edx = 0;
  SetTopology(table, 0, 2);
  EXPECT_EQ(table[0].edx, kHtt);
}

TEST(SetTopology, GivesEachCoreItsOwnSmallCachesAndSharesTheLargeOneOnIntel) {
  for (const unsigned vcpus : kSizes) {
    CpuidTable table{SubLeaf(4, 0, CacheEax(1, 1)), SubLeaf(4, 2, CacheEax(3, 2)),
                     SubLeaf(4, 3, CacheEax(3, 3))};
    SetTopology(table, vcpus - 1, vcpus);
    EXPECT_EQ(Bits(table[0].eax, 25, 14), 0U);
    EXPECT_EQ(Bits(table[1].eax, 25, 14), 0U);
    EXPECT_EQ(Bits(table[2].eax, 25, 14), vcpus - 1);
    for (const CpuidLeaf& cache : table) {
      EXPECT_EQ(Bits(cache.eax, 31, 26), vcpus - 1);  // cores of the package
    }
    EXPECT_EQ(Bits(table[2].eax, 13, 0), (3U << 5U) | 3U);  // what the cache is, unchanged
  }
}

TEST(SetTopology, GivesEachCoreItsOwnSmallCachesAndSharesTheLargeOneOnAmd) {
  for (const unsigned vcpus : kSizes) {
    CpuidTable table{SubLeaf(0x8000001d, 0, CacheEax(1, 1)),
                     SubLeaf(0x8000001d, 3, CacheEax(3, 3))};
    SetTopology(table, 0, vcpus);
    EXPECT_EQ(table[0].eax, (1U << 5U) | 1U);
    EXPECT_EQ(table[1].eax, ((vcpus - 1) << 14U) | (3U << 5U) | 3U);  // the rest is reserved
  }
}

class X2ApicTopology : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(X2ApicTopology, HasOneThreadPerCoreAndAllCoresInOnePackage) {
  for (const unsigned vcpus : kSizes) {
    for (unsigned vcpu = 0; vcpu < vcpus; ++vcpu) {
      CpuidTable table{SubLeaf(GetParam(), 0, ~0U), SubLeaf(GetParam(), 1, ~0U),
                       SubLeaf(GetParam(), 2, ~0U)};
      SetTopology(table, vcpu, vcpus);
      constexpr std::uint32_t kThreadLevel = 1;
      constexpr std::uint32_t kCoreLevel = 2;
      EXPECT_EQ(table[0].eax, 0U);
      EXPECT_EQ(table[0].ebx, 1U);
      EXPECT_EQ(table[0].ecx, kThreadLevel << 8U);
      EXPECT_EQ(table[1].ebx, vcpus);
      EXPECT_EQ(table[1].ecx, (kCoreLevel << 8U) | 1U);
      // The shift leaves the package's id: 0 for all.
      EXPECT_EQ(vcpu >> Bits(table[1].eax, 4, 0), 0U);
      EXPECT_EQ(table[1].eax, static_cast<unsigned>(std::bit_width(vcpus - 1)));
      // The end of the list.
      EXPECT_EQ(table[2].eax, 0U);
      EXPECT_EQ(table[2].ebx, 0U);
      EXPECT_EQ(table[2].ecx, 2U);
      for (const CpuidLeaf& level : table) {
        EXPECT_EQ(level.edx, vcpu);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Leaves, X2ApicTopology, ::testing::Values(0xbU, 0x1fU));

TEST(SetTopology, CountsCoresTheAmdWay) {
  constexpr struct {
    unsigned vcpus;
    std::uint32_t id_bits;
  } kCases[] = {{1, 0}, {2, 1}, {3, 2}, {32, 5}};
  for (const auto& each : kCases) {
    CpuidTable table{Leaf(0x80000008)};
    table[0].eax = 0x3030;  // address widths
    table[0].ecx = 0xffffffff;
    SetTopology(table, 0, each.vcpus);
    EXPECT_EQ(Bits(table[0].ecx, 7, 0), each.vcpus - 1);
    EXPECT_EQ(Bits(table[0].ecx, 15, 12), each.id_bits);
    EXPECT_EQ(table[0].ecx & ~0xf0ffU, 0xffff0f00U);
    EXPECT_EQ(table[0].eax, 0x3030U);
  }
}

TEST(SetTopology, NamesEachCoreTheAmdWay) {
  for (const unsigned vcpus : kSizes) {
    CpuidTable table{Leaf(0x8000001e)};
    table[0] = CpuidLeaf{0x8000001e, 0, false, 99, 0x1ff, 0x7ff, 0};
    SetTopology(table, vcpus - 1, vcpus);
    EXPECT_EQ(table[0].eax, vcpus - 1);              // extended APIC id
    EXPECT_EQ(Bits(table[0].ebx, 7, 0), vcpus - 1);  // core
    EXPECT_EQ(Bits(table[0].ebx, 15, 8), 0U);        // one thread
    EXPECT_EQ(table[0].ecx, 0U);                     // one node
  }
}

TEST(SetTopology, LeavesOtherLeavesAlone) {
  const CpuidLeaf features{7, 0, true, 1, 2, 3, 4};
  CpuidTable table{features};
  SetTopology(table, 1, 2);
  EXPECT_EQ(table[0].eax, features.eax);
  EXPECT_EQ(table[0].ebx, features.ebx);
  EXPECT_EQ(table[0].ecx, features.ecx);
  EXPECT_EQ(table[0].edx, features.edx);
}

}  // namespace
}  // namespace veneer
