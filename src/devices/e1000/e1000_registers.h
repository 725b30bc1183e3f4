// Registers and descriptors of Intel's 82540EM (PCI/PCI-X Family of Gigabit Ethernet Controllers
// Software Developer's Manual, 317453).
#pragma once

#include <cstdint>

namespace veneer::e1000 {

// Offsets in the memory BAR.
enum Register : std::uint32_t {
  kCtrl = 0x0000,
  kCtrlAgain = 0x0004,
  kStatus = 0x0008,
  kEecd = 0x0010,
  kEerd = 0x0014,
  kMdic = 0x0020,
  kIcr = 0x00c0,
  kItr = 0x00c4,
  kIcs = 0x00c8,
  kIms = 0x00d0,
  kImc = 0x00d8,
  kRctl = 0x0100,
  kTctl = 0x0400,
  kRdbal = 0x2800,
  kRdbah = 0x2804,
  kRdlen = 0x2808,
  kRdh = 0x2810,
  kRdt = 0x2818,
  kTdbal = 0x3800,
  kTdbah = 0x3804,
  kTdlen = 0x3808,
  kTdh = 0x3810,
  kTdt = 0x3818,
  kStatistics = 0x4000,  // to 0x40fc
  kRxcsum = 0x5000,
  kMulticastTable = 0x5200,  // 128 of them
  kReceiveAddress = 0x5400,  // 16 pairs
  kVlanTable = 0x5600,       // 128 of them
};
inline constexpr std::uint32_t kWindowSize = 0x20000;
inline constexpr std::uint32_t kRegistersEnd = 0x6000;  // nothing beyond is kept
inline constexpr unsigned kStatisticsCount = 64;

// Device control.
inline constexpr std::uint32_t kCtrlReset = 1U << 26U;
inline constexpr std::uint32_t kCtrlVlanMode = 1U << 30U;
inline constexpr std::uint32_t kCtrlPhyReset = 1U << 31U;

// Device status: full duplex, link up, 1000 Mb/s.
inline constexpr std::uint32_t kStatusLink = 0x83;

// Interrupt causes.
inline constexpr std::uint32_t kTxWrittenBack = 1U << 0U;
inline constexpr std::uint32_t kTxQueueEmpty = 1U << 1U;
inline constexpr std::uint32_t kLinkChange = 1U << 2U;
inline constexpr std::uint32_t kRxMinimum = 1U << 4U;
inline constexpr std::uint32_t kRxOverrun = 1U << 6U;
inline constexpr std::uint32_t kRxTimer = 1U << 7U;
inline constexpr std::uint32_t kMdioDone = 1U << 9U;
inline constexpr std::uint32_t kAllCauses = 0x1ffff;

// Receive control.
inline constexpr std::uint32_t kRxEnable = 1U << 1U;
inline constexpr std::uint32_t kRxAllUnicast = 1U << 3U;
inline constexpr std::uint32_t kRxAllMulticast = 1U << 4U;
inline constexpr std::uint32_t kRxLong = 1U << 5U;
inline constexpr std::uint32_t kRxLoopback = 3U << 6U;
inline constexpr unsigned kRxThresholdShift = 8;
inline constexpr unsigned kRxMulticastShift = 12;
inline constexpr std::uint32_t kRxBroadcast = 1U << 15U;
inline constexpr unsigned kRxSizeShift = 16;
inline constexpr std::uint32_t kRxVlanFilter = 1U << 18U;
inline constexpr std::uint32_t kRxSizeExtended = 1U << 25U;
inline constexpr std::uint32_t kRxStripCrc = 1U << 26U;

// Transmit control.
inline constexpr std::uint32_t kTxEnable = 1U << 1U;

// Receive checksum control.
inline constexpr std::uint32_t kRxIpChecksum = 1U << 8U;
inline constexpr std::uint32_t kRxTcpChecksum = 1U << 9U;

// Receive address high.
inline constexpr std::uint32_t kAddressValid = 1U << 31U;

// Statistics, as numbers of registers from kStatistics on. Those of bytes have two registers.
enum Statistic : unsigned {
  kMissedPackets = 0x10 / 4,
  kGoodReceived = 0x74 / 4,
  kBroadcastReceived = 0x78 / 4,
  kMulticastReceived = 0x7c / 4,
  kGoodSent = 0x80 / 4,
  kGoodBytesReceived = 0x88 / 4,
  kGoodBytesSent = 0x90 / 4,
  kNoBuffers = 0xa0 / 4,
  kOversizeReceived = 0xac / 4,
  kBytesReceived = 0xc0 / 4,
  kBytesSent = 0xc8 / 4,
  kTotalReceived = 0xd0 / 4,
  kTotalSent = 0xd4 / 4,
  kMulticastSent = 0xf0 / 4,
  kBroadcastSent = 0xf4 / 4,
  kTcpContextsSent = 0xf8 / 4,
};

// Descriptors are 16 bytes.
inline constexpr std::uint32_t kDescriptorBytes = 16;

// Transmit descriptors: the byte at 11 in all of them.
inline constexpr std::uint8_t kTxEndOfPacket = 0x01;
inline constexpr std::uint8_t kTxInsertChecksum = 0x04;  // legacy ones
inline constexpr std::uint8_t kTxSegment = 0x04;         // others
inline constexpr std::uint8_t kTxReportStatus = 0x08;
inline constexpr std::uint8_t kTxExtended = 0x20;
inline constexpr std::uint8_t kTxVlan = 0x40;
// Context descriptors.
inline constexpr std::uint8_t kTxTcp = 0x01;
inline constexpr std::uint8_t kTxIpv4 = 0x02;
// Data descriptors, packet options.
inline constexpr std::uint8_t kTxIpChecksum = 0x01;
inline constexpr std::uint8_t kTxTcpChecksum = 0x02;
inline constexpr std::uint8_t kTxDone = 0x01;

// Receive descriptors: status and errors.
inline constexpr std::uint8_t kRxDone = 0x01;
inline constexpr std::uint8_t kRxEndOfPacket = 0x02;
inline constexpr std::uint8_t kRxIgnoreChecksums = 0x04;
inline constexpr std::uint8_t kRxVlanStripped = 0x08;
inline constexpr std::uint8_t kRxTcpChecked = 0x20;
inline constexpr std::uint8_t kRxIpChecked = 0x40;
inline constexpr std::uint8_t kRxTcpWrong = 0x20;
inline constexpr std::uint8_t kRxIpWrong = 0x40;

}  // namespace veneer::e1000
