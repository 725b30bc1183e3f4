#include "interface_address.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace veneer::bench {
namespace {

struct Control {
  Control() : fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  ~Control() { close(fd); }
  const int fd;
};

ifreq Request(const std::string& interface) {
  ifreq request{};
  interface.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
  return request;
}

bool PutAddress(int control, unsigned long what, const std::string& interface,
                const std::string& address) {
  ifreq request = Request(interface);
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  if (inet_pton(AF_INET, address.c_str(), &ipv4.sin_addr) != 1) {
    errno = EINVAL;
    return false;
  }
  std::memcpy(&request.ifr_addr, &ipv4, sizeof ipv4);
  return ioctl(control, what, &request) == 0;
}

std::string MacOf(int control, const char* interface) {
  ifreq request = Request(interface);
  if (ioctl(control, SIOCGIFHWADDR, &request) != 0) {
    return {};
  }
  std::array<char, 18> text{};
  const auto byte = [&request](int i) {
    return static_cast<unsigned>(static_cast<unsigned char>(request.ifr_hwaddr.sa_data[i]));
  };
  static_cast<void>(std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x",
                                  byte(0), byte(1), byte(2), byte(3), byte(4), byte(5)));
  return text.data();
}

}  // namespace

std::string InterfaceWithMac(const std::string& mac) {
  const Control control;
  struct if_nameindex* const all = if_nameindex();
  std::string found;
  for (auto* one = all; one != nullptr && one->if_index != 0 && found.empty(); ++one) {
    if (MacOf(control.fd, one->if_name) == mac) {
      found = one->if_name;
    }
  }
  if_freenameindex(all);
  return found;
}

std::string SetInterfaceAddress(const std::string& interface, const std::string& address) {
  const Control control;
  if (PutAddress(control.fd, SIOCSIFADDR, interface, address) &&
      PutAddress(control.fd, SIOCSIFNETMASK, interface, "255.255.255.0")) {
    ifreq request = Request(interface);
    if (ioctl(control.fd, SIOCGIFFLAGS, &request) == 0) {
      request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
      if (ioctl(control.fd, SIOCSIFFLAGS, &request) == 0) {
        return {};
      }
    }
  }
  return "cannot give " + interface + " the address " + address + ": " + std::strerror(errno);
}

}  // namespace veneer::bench
