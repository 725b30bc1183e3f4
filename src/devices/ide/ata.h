// Registers, commands and bits of ATA and ATAPI drives (INCITS 452, ATA8-ACS; INCITS 430, MMC-5)
// and of the PIIX3's bus master (Programming Interface for Bus Master IDE Controller 1.0).
#pragma once

#include <cstdint>

namespace veneer::ata {

inline constexpr std::uint32_t kSectorBytes = 512;

// The command block, as offsets from its base port. The last two have other meanings when written.
enum Register : std::uint64_t {
  kData = 0,
  kError = 1,  // written: features
  kCount = 2,
  kLbaLow = 3,
  kLbaMid = 4,
  kLbaHigh = 5,
  kDevice = 6,
  kStatus = 7,  // written: command
};

// Status.
inline constexpr std::uint8_t kBusy = 0x80;
inline constexpr std::uint8_t kReady = 0x40;
inline constexpr std::uint8_t kSeekDone = 0x10;
inline constexpr std::uint8_t kDataRequest = 0x08;
inline constexpr std::uint8_t kFailed = 0x01;  // ERR; for packets CHK

// Error.
inline constexpr std::uint8_t kUncorrectable = 0x40;
inline constexpr std::uint8_t kIdNotFound = 0x10;
inline constexpr std::uint8_t kAborted = 0x04;
inline constexpr std::uint8_t kDiagnosticPassed = 0x01;

// Device.
inline constexpr std::uint8_t kDeviceLba = 0x40;
inline constexpr std::uint8_t kDeviceSecond = 0x10;

// Device control.
inline constexpr std::uint8_t kHighOrderByte = 0x80;
inline constexpr std::uint8_t kSoftReset = 0x04;
inline constexpr std::uint8_t kNoInterrupt = 0x02;

// Interrupt reason, in the count register of packet commands.
inline constexpr std::uint8_t kReasonCommand = 0x01;
inline constexpr std::uint8_t kReasonToHost = 0x02;

enum Command : std::uint8_t {
  kDataSetManagement = 0x06,
  kDeviceReset = 0x08,
  kRecalibrate = 0x10,
  kReadSectors = 0x20,
  kReadSectorsExt = 0x24,
  kReadDmaExt = 0x25,
  kReadNativeMaxExt = 0x27,
  kReadMultipleExt = 0x29,
  kWriteSectors = 0x30,
  kWriteSectorsExt = 0x34,
  kWriteDmaExt = 0x35,
  kWriteMultipleExt = 0x39,
  kVerify = 0x40,
  kVerifyExt = 0x42,
  kSeek = 0x70,
  kExecuteDiagnostic = 0x90,
  kInitializeParameters = 0x91,
  kPacket = 0xa0,
  kIdentifyPacket = 0xa1,
  kReadMultiple = 0xc4,
  kWriteMultiple = 0xc5,
  kSetMultiple = 0xc6,
  kReadDma = 0xc8,
  kWriteDma = 0xca,
  kStandbyImmediate = 0xe0,
  kIdleImmediate = 0xe1,
  kStandby = 0xe2,
  kIdle = 0xe3,
  kCheckPower = 0xe5,
  kSleep = 0xe6,
  kFlush = 0xe7,
  kFlushExt = 0xea,
  kIdentify = 0xec,
  kSetFeatures = 0xef,
  kReadNativeMax = 0xf8,
};

// Subcommands of SET FEATURES.
inline constexpr std::uint8_t kEnableWriteCache = 0x02;
inline constexpr std::uint8_t kSetTransferMode = 0x03;
inline constexpr std::uint8_t kDisableLookAhead = 0x55;
inline constexpr std::uint8_t kKeepSettings = 0x66;
inline constexpr std::uint8_t kDisableWriteCache = 0x82;
inline constexpr std::uint8_t kEnableLookAhead = 0xaa;
inline constexpr std::uint8_t kDropSettings = 0xcc;

// Subcommand of DATA SET MANAGEMENT.
inline constexpr std::uint8_t kTrim = 0x01;

}  // namespace veneer::ata

namespace veneer::bmide {

// One channel's registers, as offsets.
inline constexpr std::uint64_t kCommand = 0;
inline constexpr std::uint64_t kStatus = 2;
inline constexpr std::uint64_t kTable = 4;  // to 7
inline constexpr std::uint64_t kSize = 8;

// Command.
inline constexpr std::uint8_t kStart = 0x01;
inline constexpr std::uint8_t kToMemory = 0x08;

// Status.
inline constexpr std::uint8_t kActive = 0x01;
inline constexpr std::uint8_t kFailed = 0x02;
inline constexpr std::uint8_t kInterrupt = 0x04;
inline constexpr std::uint8_t kDriveBits = 0x60;  // whatever software wrote

}  // namespace veneer::bmide
