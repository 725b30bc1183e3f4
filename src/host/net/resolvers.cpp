#include "resolvers.h"

#include <sstream>
#include <string>

#include <arpa/inet.h>

namespace veneer {

Resolvers FindResolvers(std::istream& resolv_conf) {
  Resolvers resolvers;
  for (std::string line; std::getline(resolv_conf, line);) {
    std::istringstream words(line);
    std::string key;
    std::string address;
    in_addr ipv4{};
    if (words >> key >> address && key == "nameserver") {
      resolvers.any = true;
      resolvers.ipv4 = resolvers.ipv4 || inet_pton(AF_INET, address.c_str(), &ipv4) == 1;
    }
  }
  return resolvers;
}

}  // namespace veneer
