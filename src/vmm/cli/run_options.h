// The options of `veneer run`, from the command line and a configuration file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>

#include "reboot_limit.h"
#include "veneer/host/sandbox/sandbox.h"
#include "veneer/host/seed/seed.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/machine/machine_config.h"

namespace veneer {

inline constexpr std::string_view kNoControlSocket = "off";

struct RunOptions {
  MachineConfig machine;
  std::string image;             // a disk before all others; empty: none
  std::string boot;              // --boot; empty: not given
  std::string firmware;          // --firmware, a path; empty: not given
  bool ephemeral = false;        // no disk is written
  SeedConfig seed;               // --cloud-init, with --ssh-key
  std::string ssh_key;           // --ssh-key
  std::string boot_reason;       // for the log; may be empty
  bool name_chosen = false;      // by the user; else another free one will do
  std::string control_socket;    // path; empty: the usual place; kNoControlSocket: none
  unsigned timeout_seconds = 0;  // 0: none
  bool dry_run = false;          // only say what would be made
  bool detach = false;           // go on in the background
  SandboxMode sandbox = SandboxMode::kOn;
  std::string user;                       // whom root becomes; empty: nobody else
  std::vector<std::string> disk_folders;  // out of which disks may be added
  RebootLimit::Rate reboot_rate;
  LogLevel log_level = LogLevel::kInfo;
  std::string log_file;      // empty: stderr
  std::string metrics_file;  // empty: none
};

// "256M", "1G", "1536": a whole number of MiB, or with K, M, G or T, or B for bytes. Bytes.
Result<std::uint64_t> ParseSize(std::string_view text);

// "stdio", "off" or "file:PATH[,max-size=SIZE]".
Result<CharacterTarget> ParseCharacterTarget(std::string_view text);

// Declares the options on `command`; parsing fills `options`, which must outlive it.
void DeclareRunOptions(CLI::App& command, RunOptions& options);

}  // namespace veneer
