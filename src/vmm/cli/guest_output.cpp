#include "guest_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace veneer {
namespace {

Result<OutputFile> OpenTarget(const CharacterTarget& target) {
  if (target.kind == CharacterTarget::Kind::kFile) {
    return OutputFile::Open(target.path, target.max_bytes);
  }
  UniqueFd fd(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) {
    return ErrnoError(errno, "cannot use standard output");
  }
  return OutputFile(std::move(fd));
}

}  // namespace

Result<std::unique_ptr<GuestOutput>> GuestOutput::Open(const CharacterTarget& target,
                                                       const std::string& option,
                                                       const std::string& name, Metrics& metrics) {
  std::unique_ptr<GuestOutput> output(
      new GuestOutput(option, metrics.Get(name + ".dropped_bytes")));
  if (target.kind != CharacterTarget::Kind::kOff) {
    Result<OutputFile> file = OpenTarget(target);
    if (!file) {
      return WithContext(std::move(file).error(), option);
    }
    output->stream_ = std::make_unique<OutputStream>(std::move(file).value());
  }
  return output;
}

void GuestOutput::Write(std::span<const std::byte> text) {
  if (stream_ != nullptr) {
    Account(stream_->Write(text));
  }
}

void GuestOutput::WriteWithoutWaiting(std::span<const std::byte> text) {
  if (stream_ != nullptr) {
    Account(stream_->WriteWithoutWaiting(text));
  }
}

void GuestOutput::Say(std::string_view text) {
  WriteWithoutWaiting(std::as_bytes(std::span(text)));
}

void GuestOutput::Finish(std::chrono::steady_clock::time_point deadline) {
  if (stream_ != nullptr) {
    Account(stream_->Flush(deadline));
    if (dropped_.value() > 0) {
      LogWarning("{}: {} bytes of the guest's output were dropped in all ({})", option_,
                 dropped_.value(), stream_->Reason());
    }
  }
}

void GuestOutput::Account(std::uint64_t dropped) {
  if (dropped > 0) {
    dropped_.Add(dropped);
    LogGuest(limiter_, "{}: {} bytes of the guest's output were dropped: {}", option_, dropped,
             stream_->Reason());
  }
}

}  // namespace veneer
