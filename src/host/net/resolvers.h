// The name servers that a host uses (resolv.conf(5)).
#pragma once

#include <istream>

namespace veneer {

struct Resolvers {
  bool any = false;
  bool ipv4 = false;  // one of them has such an address, which is all that libslirp hands on to
};

Resolvers FindResolvers(std::istream& resolv_conf);

}  // namespace veneer
