// Writes the tables for a test configuration and walks them from the RSDP, as a guest does.
#pragma once

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "src/vmm/boot/acpi/acpi_layout.h"
#include "veneer/vmm/boot/acpi/acpi_tables.h"

namespace veneer {

class AcpiTest : public ::testing::Test {
 protected:
  using Table = std::vector<std::uint8_t>;

  void SetUp() override {
    auto memory = GuestMemory::CreateFlat(1 << 20);
    ASSERT_TRUE(memory);
    memory_ = std::move(*memory);
  }

  static AcpiConfig Config(unsigned processors) {
    AcpiConfig config;
    for (unsigned i = 0; i < processors; ++i) {
      config.processors.push_back({static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i * 2)});
    }
    return config;
  }

  void WriteTables(const AcpiConfig& config) {
    const Result<AcpiTables> tables = WriteAcpiTables(*memory_, kAcpiTablesDefault, config);
    ASSERT_TRUE(tables) << tables.error().message;
    tables_ = *tables;
  }

  Table Bytes(std::uint64_t address, std::size_t length) {
    Table bytes(length);
    EXPECT_TRUE(memory_->ReadBytes(Gpa{address}, std::as_writable_bytes(std::span(bytes))));
    EXPECT_GE(address, tables_.range.base.value);
    EXPECT_LE(address + length, tables_.range.base.value + tables_.range.size);
    return bytes;
  }

  static unsigned Sum(std::span<const std::uint8_t> bytes) {
    unsigned sum = 0;
    for (const std::uint8_t b : bytes) {
      sum += b;
    }
    return sum & 0xffU;
  }

  template <typename T>
  static T As(const Table& table, std::size_t offset = 0) {
    T value{};
    EXPECT_LE(offset + sizeof value, table.size());
    std::memcpy(&value, table.data() + offset, sizeof value);
    return value;
  }

  // A table by address, with its checksum checked.
  Table TableAt(std::uint64_t address) {
    const auto header = As<acpi::Header>(Bytes(address, sizeof(acpi::Header)));
    Table table = Bytes(address, header.length);
    EXPECT_EQ(Sum(table), 0U) << std::string(header.signature.begin(), header.signature.end());
    return table;
  }

  acpi::Rsdp Rsdp() { return As<acpi::Rsdp>(Bytes(tables_.rsdp.value, sizeof(acpi::Rsdp))); }

  // A table that the XSDT names.
  Table Find(const std::string& signature) {
    const Table xsdt = TableAt(Rsdp().xsdt);
    for (std::size_t at = sizeof(acpi::Header); at + 8 <= xsdt.size(); at += 8) {
      Table table = TableAt(As<std::uint64_t>(xsdt, at));
      if (std::memcmp(table.data(), signature.data(), 4) == 0) {
        return table;
      }
    }
    ADD_FAILURE() << "no " << signature;
    return Table(sizeof(acpi::Fadt));
  }

  acpi::Fadt Fadt() { return As<acpi::Fadt>(Find("FACP")); }
  Table Dsdt() { return TableAt(Fadt().dsdt); }

  std::unique_ptr<GuestMemory> memory_;
  AcpiTables tables_;
};

}  // namespace veneer
