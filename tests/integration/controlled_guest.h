// A guest with a shell on its console, and `veneer ctl` for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "integration/environment.h"
#include "support/child_process.h"

namespace veneer::test {

// Far more than `veneer ctl` takes.
inline constexpr std::chrono::seconds kCtlLimit{60};

// Far more than a tool of the host's takes.
inline constexpr std::chrono::seconds kToolLimit{60};

// A program of the host's, from beginning to end.
struct ToolOutcome {
  int code;
  std::string out;
};
inline ToolOutcome RunToolFor(const std::vector<std::string>& argv) {
  ChildProcess tool(argv);
  tool.CloseInput();
  const int code = tool.WaitForExit(kToolLimit);
  return {code, tool.out()};
}
inline int RunTool(const std::vector<std::string>& argv) { return RunToolFor(argv).code; }

// A raw disk image of zeros.
inline void MakeImage(const std::string& path, std::uint64_t mib) {
  std::ofstream(path).close();
  std::filesystem::resize_file(path, mib << 20U);
}

// A shell that answers on the process' standard streams.
class Shell {
 public:
  explicit Shell(ChildProcess& process) : process_(process) {}

  // What `command` prints, or nothing if it does not end.
  std::string Run(const std::string& command) {
    const std::size_t begin = process_.out().size();
    const std::string end = "done-" + std::to_string(++count_);
    // The shell's echo of the line does not have the mark in it.
    process_.Send(command + "; echo done''-" + std::to_string(count_) + "\n");
    return process_.WaitForOutput(end, BootLimit(), begin) ? process_.out().substr(begin)
                                                           : std::string();
  }

 private:
  ChildProcess& process_;
  int count_ = 0;
};

// A test kernel with a test initramfs; its shell is on the serial port.
class ControlledGuest {
 public:
  explicit ControlledGuest(const std::vector<std::string>& options,
                           const char* initrd = "VENEER_TEST_INITRD")
      : ControlledGuest(options, Needed("VENEER_TEST_KERNEL"), Needed(initrd)) {}
  ControlledGuest(const std::vector<std::string>& options, const std::string& kernel,
                  const std::string& initrd)
      : veneer_(RunCommand(kernel, "console=ttyS0", Options(options, initrd, socket_))) {}

  // Until its shell shows, at or after position `from` of its output.
  bool WaitForShell(std::size_t from = 0) { return veneer_.WaitForOutput("# ", BootLimit(), from); }
  std::string Run(const std::string& command) { return shell_.Run(command); }

  struct Outcome {
    int code;
    std::string out;
    std::string err;
  };
  Outcome Ctl(std::vector<std::string> words) const {
    words.insert(words.begin(), {Veneer(), "ctl", "--socket", socket_, "guest"});
    ChildProcess ctl(words);
    const int code = ctl.WaitForExit(kCtlLimit);
    return {code, ctl.out(), ctl.err()};
  }
  nlohmann::json Info() const {
    return nlohmann::json::parse(Ctl({"info", "--json"}).out, nullptr, false);
  }
  ChildProcess& veneer() { return veneer_; }
  const ChildProcess& veneer() const { return veneer_; }
  const std::string& socket() const { return socket_; }

 private:
  static std::vector<std::string> Options(std::vector<std::string> options,
                                          const std::string& initrd, const std::string& socket) {
    options.insert(options.begin(),
                   {"--initrd", initrd, "--name", "guest", "--control-socket", socket});
    return options;
  }

  const ScratchDirectory scratch_;
  const std::string socket_ = scratch_.File("guest.sock");
  ChildProcess veneer_;
  Shell shell_{veneer_};
};

}  // namespace veneer::test
