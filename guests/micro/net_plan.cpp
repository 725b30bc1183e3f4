#include "net_plan.h"

namespace micro {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

void Put16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

uint32_t Sum(const uint8_t* from, uint32_t bytes) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < bytes; i += 2) {
    sum += static_cast<uint32_t>(from[i]) << 8 | from[i + 1];
  }
  return sum;
}

uint32_t Fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum + (sum >> 16)) & 0xffff;
}

}  // namespace

void FillFrame(uint8_t* frame, const NetWork& work) {
  constexpr uint8_t kTo[6] = {0x52, 0x54, 0, 0xaa, 0xbb, 0xcc};
  constexpr uint8_t kFrom[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
  for (uint32_t i = 0; i < sizeof kTo; ++i) {
    frame[i] = kTo[i];
    frame[sizeof kTo + i] = kFrom[i];
  }
  Put16(frame + 12, 0x0800);
  const uint8_t protocol = work.segmented ? kTcp : kUdp;
  uint8_t* const ip = frame + kIpAt;
  ip[0] = 0x45;
  Put16(ip + 2, work.bytes - kIpAt);
  ip[8] = 64;
  ip[9] = protocol;
  Put16(ip + 12, 10 << 8);
  Put16(ip + 14, 9 << 8 | 2);
  Put16(ip + 16, 10 << 8);
  Put16(ip + 18, 9 << 8 | 1);
  Put16(ip + 10, ~Fold(Sum(ip, 20)) & 0xffff);
  uint8_t* const transport = frame + kTransportAt;
  if (work.segmented) {
    transport[12] = 5 << 4;
    Put16(transport + 16, Fold(Sum(ip + 12, 8) + kTcp));
  } else {
    Put16(transport + 4, work.bytes - kTransportAt);
  }
}

}  // namespace micro
