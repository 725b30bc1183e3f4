#include "qcow2_check.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <set>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "qemu_nbd.h"
#include "veneer/host/sandbox/sandbox.h"
#include "veneer/vmm/base/child_process.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {
namespace {

using Json = nlohmann::json;

constexpr const char* kQemuImg = "qemu-img";
// Places in the header, bytes; all numbers are big-endian.
constexpr std::size_t kVersionAt = 4;
constexpr std::size_t kBackingFileAt = 8;
constexpr std::size_t kCryptMethodAt = 32;
constexpr std::size_t kIncompatibleAt = 72;  // from version 3 on
constexpr std::size_t kBackingSizeAt = 16;
constexpr std::size_t kLengthAt = 100;                // the same
constexpr std::size_t kOldHeaderBytes = 72;           // of version 2
constexpr std::uint64_t kExternalData = 1U << 2U;     // of the incompatible features
constexpr std::uint64_t kBackingFormat = 0xe2792aca;  // an extension's type
constexpr std::size_t kLongestName = 1023;
// What is read: the header, and its extensions, which are short.
constexpr std::size_t kHeaderBytes = 4096;

using Header = std::array<unsigned char, kHeaderBytes>;

std::uint64_t Number(const Header& header, std::size_t at, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    value = value << 8U | header.at(at + i);
  }
  return value;
}

// From the extensions behind the header: a type, a length, and so many bytes, padded to 8.
std::string ReadBackingFormat(const Header& header, std::size_t got) {
  const bool old = Number(header, kVersionAt, 4) < 3;
  std::uint64_t at = old ? kOldHeaderBytes : Number(header, kLengthAt, 4);
  while (at + 8 <= got) {
    const std::uint64_t type = Number(header, at, 4);
    const std::uint64_t length = Number(header, at + 4, 4);
    if (type == 0 || at + 8 + length > got) {
      break;
    }
    if (type == kBackingFormat) {
      const auto* const first = header.begin() + at + 8;
      return {first, first + length};
    }
    at += 8 + (length + 7) / 8 * 8;
  }
  return {};
}

std::string ReadBackingName(int fd, const Header& header) {
  const std::uint64_t size = Number(header, kBackingSizeAt, 4);
  std::string name(std::min<std::uint64_t>(size, kLongestName), '\0');
  const auto at = static_cast<off_t>(Number(header, kBackingFileAt, 8));
  const ssize_t got = at > 0 ? pread(fd, name.data(), name.size(), at) : 0;
  return got == static_cast<ssize_t>(size) ? name : std::string();
}

Result<Json> AskQemuImg(const std::string& disk, const std::string& layer) {
  ChildProcess::Plan plan;
  VENEER_TRY_ASSIGN(plan.program, FindProgram(kQemuImg, "qemu-utils"));
  // Without a lock: whoever has one is found out, and named, when the disk is opened.
  plan.arguments = {"info", "--output=json", "--force-share", "-f", "qcow2", layer};
  plan.files = FilesOfProgram({{layer}});
  VENEER_TRY_ASSIGN(const std::unique_ptr<ChildProcess> child, ChildProcess::Start(plan));
  const ChildProcess::Outcome& outcome = child->Wait();
  Json info = Json::parse(outcome.output, nullptr, false);
  if (!outcome.succeeded() || !info.is_object()) {
    return RefusedByQemu(disk, "qcow2", OneLine(outcome.complaint, kQemuImg));
  }
  return info;
}

std::string Text(const Json& info, const char* key) {
  const auto it = info.find(key);
  return it != info.end() && it->is_string() ? it->get<std::string>() : std::string();
}

Result<void> CheckHeader(const std::string& disk, const std::string& layer) {
  const std::optional<Qcow2Header> header = ReadQcow2Header(layer);
  if (!header) {
    return UsageError("disk '{}': its backing file '{}' is no qcow2 image, as it should be", disk,
                      layer);
  }
  const std::string which = layer == disk ? "it" : fmt::format("its backing file '{}'", layer);
  if (header->encrypted) {
    return UsageError("disk '{}' cannot be used: {} is encrypted; decrypt it with qemu-img convert",
                      disk, which);
  }
  if (header->external_data) {
    return UsageError(
        "disk '{}' cannot be used: {} has its data in another file; put them together with "
        "qemu-img convert -O qcow2",
        disk, which);
  }
  return {};
}

// The next file of the chain.
struct Layer {
  std::string path;  // empty: none
  std::string format;
};

Result<Layer> BackingOf(const std::string& disk, const Json& info) {
  Layer next{Text(info, "full-backing-filename"), Text(info, "backing-filename-format")};
  if (next.path.empty()) {
    next.path = Text(info, "backing-filename");
  }
  if (next.path.empty()) {
    return next;
  }
  std::error_code error;
  if (!std::filesystem::exists(next.path, error)) {
    return UsageError(
        "disk '{}': its backing file '{}' is missing; put it there, or tell the image the right "
        "place with qemu-img rebase -u",
        disk, next.path);
  }
  if (next.format.empty()) {
    return UsageError(
        "disk '{}' does not say the format of its backing file '{}'; tell it with qemu-img rebase "
        "-u -F FORMAT -b '{}'",
        disk, next.path, next.path);
  }
  if (next.format != "raw" && next.format != "qcow2") {
    return UsageError(
        "disk '{}': its backing file '{}' has the format {}, and can only be raw or qcow2; convert "
        "it with qemu-img convert",
        disk, next.path, next.format);
  }
  return next;
}

// What an overlay holds are differences from what its backing file was when they were written. A
// time that cannot be had tells nothing, nor does that of a device's name.
Result<void> CheckBackingIsOlder(const std::string& disk, const std::string& overlay,
                                 const std::string& backing) {
  std::error_code error;
  const auto written = std::filesystem::last_write_time(overlay, error);
  const auto changed = error ? written : std::filesystem::last_write_time(backing, error);
  if (error || changed <= written || !std::filesystem::is_regular_file(overlay, error) ||
      !std::filesystem::is_regular_file(backing, error)) {
    return {};
  }
  return UsageError(
      "disk '{}': the backing file '{}' was changed after its overlay '{}' was last written, and "
      "they may no longer fit; put the old one back, or, if you know that they fit, touch the "
      "overlay",
      disk, backing, overlay);
}

}  // namespace

tl::unexpected<Error> RefusedByQemu(const std::string& disk, std::string_view format,
                                    const std::string& complaint) {
  // The words with which QEMU's drivers speak of tables that cannot be right.
  constexpr std::array<std::string_view, 5> kDamage{"orrupt", "nvalid", "repair", "overlap",
                                                    "too small"};
  if (std::ranges::any_of(kDamage, [&](std::string_view word) {
        return complaint.find(word) != std::string::npos;
      })) {
    return UsageError(
        "disk '{}' is damaged: {}; keep a copy, and try to repair it with qemu-img check -f {} -r "
        "all '{}'",
        disk, complaint, format, disk);
  }
  return UsageError("disk '{}' is no {} image that can be used: {}", disk, format, complaint);
}

std::optional<Qcow2Header> ReadQcow2Header(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  Header header{};
  const ssize_t got = file.valid() ? pread(file.get(), header.data(), header.size(), 0) : -1;
  constexpr std::uint64_t kMagic = 0x514649fb;
  if (got < static_cast<ssize_t>(kVersionAt) || Number(header, 0, 4) != kMagic) {
    return std::nullopt;
  }
  Qcow2Header facts;
  facts.backing_file = Number(header, kBackingFileAt, 8) != 0;
  facts.encrypted = Number(header, kCryptMethodAt, 4) != 0;
  facts.external_data = Number(header, kVersionAt, 4) >= 3 &&
                        (Number(header, kIncompatibleAt, 8) & kExternalData) != 0;
  if (facts.backing_file) {
    facts.backing_name = ReadBackingName(file.get(), header);
    facts.backing_format = ReadBackingFormat(header, static_cast<std::size_t>(got));
  }
  return facts;
}

Result<Qcow2Facts> CheckQcow2(const std::string& path, bool named) {
  if (const auto header = ReadQcow2Header(path); !named && header && header->backing_file) {
    return UsageError(
        "disk '{}' looks like a qcow2 image with a backing file, which a guest may have made it "
        "look like; write format=qcow2 if you made it, or format=raw",
        path);
  }
  Qcow2Facts facts;
  std::set<std::filesystem::path> seen;
  std::vector<std::string> chain;  // the image, and what it is based on
  Layer layer{std::filesystem::absolute(path).string(), "qcow2"};
  while (layer.format == "qcow2") {
    std::error_code error;
    if (!seen.insert(std::filesystem::weakly_canonical(layer.path, error)).second) {
      return UsageError(
          "disk '{}' is its own backing file, by way of '{}'; say the right one with "
          "qemu-img rebase -u",
          path, layer.path);
    }
    const bool first = seen.size() == 1;
    VENEER_TRY(CheckHeader(path, first ? path : layer.path));
    VENEER_TRY_ASSIGN(const Json info, AskQemuImg(path, layer.path));
    const auto cluster = info.find("cluster-size");
    if (first && cluster != info.end() && cluster->is_number_unsigned()) {
      facts.cluster_bytes = cluster->get<std::uint32_t>();
    }
    chain.push_back(layer.path);
    VENEER_TRY_ASSIGN(layer, BackingOf(path, info));
  }
  if (!layer.path.empty()) {
    chain.push_back(layer.path);
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    VENEER_TRY(CheckBackingIsOlder(path, chain[i - 1], chain[i]));
  }
  facts.raw_base = layer.path;
  return facts;
}

}  // namespace veneer
