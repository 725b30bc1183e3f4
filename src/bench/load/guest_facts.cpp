#include <fcntl.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include "load.h"

namespace veneer::bench {

std::uint64_t DeviceInterrupts() {
  std::ifstream file("/proc/interrupts");
  std::uint64_t total = 0;
  for (std::string line; std::getline(file, line);) {
    // The first is the row of Xen's upcalls, whatever they were for.
    if (line.find(" HYP:") == std::string::npos && line.rfind("HYP:", 0) != 0 &&
        line.find("virtio") == std::string::npos) {
      continue;
    }
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::uint64_t count = 0; words >> count;) {
      total += count;
    }
  }
  return total;
}

std::uint64_t UptimeAtInitNs() {
  const int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (log < 0) {
    return 0;
  }
  // A record a read: "PRIORITY,SEQUENCE,MICROSECONDS,…;TEXT".
  std::uint64_t found = 0;
  char record[8192];
  for (ssize_t got = 0; (got = read(log, record, sizeof record - 1)) > 0;) {
    record[got] = '\0';
    std::uint64_t us = 0;
    if (std::strstr(record, ";Run /init as init") != nullptr &&
        std::sscanf(record, "%*u,%*u,%" SCNu64, &us) == 1) {
      found = us * 1000;
    }
  }
  close(log);
  return found;
}

}  // namespace veneer::bench
