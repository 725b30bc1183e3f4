// Operations on an image without a guest: handed in and waited for as a queue's thread does.
#pragma once

#include <poll.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/child_process.h"

namespace veneer {

// Waits for `count` operations to end.
inline void WaitForEnd(DiskChannel& channel, std::size_t count) {
  constexpr int kLongestMs = 20'000;
  while (count > 0) {
    const std::size_t ended = channel.Collect().size();
    count -= ended;
    if (ended > 0 || channel.Arm()) {
      continue;
    }
    pollfd ready{channel.ready_fd(), POLLIN, 0};
    ASSERT_EQ(poll(&ready, 1, kLongestMs), 1) << "nothing ends";
    channel.Disarm();
  }
}

inline DiskOperation Transfer(DiskAction action, std::uint64_t offset,
                              std::vector<std::byte>& data) {
  DiskOperation operation;
  operation.action = action;
  operation.offset = offset;
  operation.length = data.size();
  operation.buffers = {iovec{data.data(), data.size()}};
  return operation;
}

// Returns the operation's error.
inline int Perform(DiskChannel& channel, DiskOperation& operation) {
  channel.Queue(operation);
  channel.Submit();
  WaitForEnd(channel, 1);
  return operation.error;
}

inline int Write(DiskChannel& channel, std::uint64_t offset, std::vector<std::byte> data) {
  DiskOperation operation = Transfer(DiskAction::kWrite, offset, data);
  return Perform(channel, operation);
}

// Empty after an error.
inline std::vector<std::byte> Read(DiskChannel& channel, std::uint64_t offset, std::size_t length) {
  std::vector<std::byte> data(length);
  DiskOperation operation = Transfer(DiskAction::kRead, offset, data);
  return Perform(channel, operation) == 0 ? data : std::vector<std::byte>();
}

inline int Flush(DiskChannel& channel) {
  DiskOperation operation;
  operation.action = DiskAction::kFlush;
  return Perform(channel, operation);
}

inline int Discard(DiskChannel& channel, std::uint64_t offset, std::uint64_t length) {
  DiskOperation operation;
  operation.action = DiskAction::kDiscard;
  operation.offset = offset;
  operation.length = length;
  return Perform(channel, operation);
}

inline std::unique_ptr<DiskChannel> ChannelOf(DiskImage& image) {
  auto channel = image.OpenChannel();
  EXPECT_TRUE(channel.has_value()) << channel.error().message;
  return channel ? std::move(*channel) : nullptr;
}

inline void OpenBoth(const DiskConfig& config, std::unique_ptr<DiskImage>& image,
                     std::unique_ptr<DiskChannel>& channel) {
  auto opened = OpenDiskImage(config);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  image = std::move(*opened);
  channel = ChannelOf(*image);
  ASSERT_NE(channel, nullptr);
}

// What opening a disk is refused with.
inline std::string RefusalOf(const DiskConfig& config) {
  const auto image = OpenDiskImage(config);
  EXPECT_FALSE(image.has_value());
  return image ? "" : image.error().message;
}

// Runs one of qemu-utils; what it wrote goes with the failure.
inline ChildProcess::Outcome RunTool(const std::string& name, std::vector<std::string> arguments) {
  ChildProcess::Plan plan;
  plan.program = FindProgram(name, "qemu-utils").value();
  plan.arguments = std::move(arguments);
  auto child = ChildProcess::Start(plan);
  VENEER_CHECK(child.has_value());
  return (*child)->Wait();
}

}  // namespace veneer
