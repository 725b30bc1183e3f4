// SMBIOS structures as they lie in memory: DMTF's specification DSP0134, chapters 5 and 7, as far
// as its version 2.4 has them. Each is followed by its strings, which it names by number, from 1
// on.
#pragma once

#include <array>
#include <cstdint>

namespace veneer::smbios {

#pragma pack(push, 1)

struct EntryPoint {
  std::array<char, 4> anchor{'_', 'S', 'M', '_'};
  std::uint8_t checksum = 0;  // of all of it
  std::uint8_t length = sizeof(EntryPoint);
  std::uint8_t major = 2;
  std::uint8_t minor = 4;
  std::uint16_t largest = 0;  // structure, in bytes, with its strings
  std::uint8_t revision = 0;
  std::array<std::uint8_t, 5> formatted{};
  std::array<char, 5> second_anchor{'_', 'D', 'M', 'I', '_'};
  std::uint8_t second_checksum = 0;  // from the second anchor on
  std::uint16_t table_length = 0;
  std::uint32_t table = 0;  // address
  std::uint16_t structures = 0;
  std::uint8_t bcd_revision = 0x24;
};
static_assert(sizeof(EntryPoint) == 31);

struct Header {
  std::uint8_t type;
  std::uint8_t length;  // without the strings
  std::uint16_t handle = 0;
};

struct Bios {
  Header header{.type = 0, .length = sizeof(Bios)};
  std::uint8_t vendor = 1;
  std::uint8_t version = 2;
  std::uint16_t start_segment = 0xe800;
  std::uint8_t release_date = 3;
  std::uint8_t rom_size = 0;
  std::uint64_t characteristics = 1U << 3U;                       // none are said
  std::array<std::uint8_t, 2> more_characteristics{0, 1U << 2U};  // targeted content distribution
  std::uint8_t major = 0;
  std::uint8_t minor = 0;
  std::array<std::uint8_t, 2> controller_release{0xff, 0xff};  // there is none
};
static_assert(sizeof(Bios) == 24);

struct System {
  Header header{.type = 1, .length = sizeof(System)};
  std::uint8_t manufacturer = 1;
  std::uint8_t product = 2;
  std::uint8_t version = 3;
  std::uint8_t serial = 4;
  std::array<std::uint8_t, 16> uuid{};  // in the order of its text, as before version 2.6
  std::uint8_t wake_up = 6;             // the power switch
  std::uint8_t sku = 0;
  std::uint8_t family = 0;
};
static_assert(sizeof(System) == 27);

struct Chassis {
  Header header{.type = 3, .length = sizeof(Chassis)};
  std::uint8_t manufacturer = 1;
  std::uint8_t kind = 1;  // other
  std::uint8_t version = 0;
  std::uint8_t serial = 0;
  std::uint8_t asset_tag = 0;
  std::array<std::uint8_t, 3> states{3, 3, 3};  // of start, power, temperature: safe
  std::uint8_t security = 2;                    // unknown
};
static_assert(sizeof(Chassis) == 13);

struct Boot {
  Header header{.type = 32, .length = sizeof(Boot)};
  std::array<std::uint8_t, 6> reserved{};
  std::uint8_t status = 0;  // no errors
};
static_assert(sizeof(Boot) == 11);

struct End {
  Header header{.type = 127, .length = sizeof(End)};
};

#pragma pack(pop)

}  // namespace veneer::smbios
