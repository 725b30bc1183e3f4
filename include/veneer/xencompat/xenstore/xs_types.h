// The vocabulary of xenstore: errors that have a name on the wire (<xen/io/xs_wire.h>), permissions
// and limits.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

// The errors xenstore can answer with; the values are errno's.
enum class XsError : std::uint8_t {
  kInvalid = EINVAL,         // a malformed path or argument
  kAccess = EACCES,          // the caller may not, or may not know
  kExists = EEXIST,          // the same watch twice
  kNotFound = ENOENT,        // no such node, watch or transaction
  kNoSpace = ENOSPC,         // a quota on nodes, values, permissions or transactions
  kNotImplemented = ENOSYS,  // unknown request
  kBusy = EBUSY,             // a transaction inside a transaction
  kAgain = EAGAIN,           // the transaction conflicts with another change: start over
  kTooBig = E2BIG,           // the answer does not fit into a message, or too many watches
  kNotPermitted = EPERM,     // only domain 0 gives nodes away
};

// "EINVAL", as it goes over the wire.
std::string_view XsErrorName(XsError error);

template <typename T>
using XsResult = tl::expected<T, XsError>;

// Bits: what a domain may do with a node's value and its list of children.
enum class XsAccess : std::uint8_t { kNone = 0, kRead = 1, kWrite = 2, kBoth = 3 };

struct XsPermission {
  DomId domain;
  XsAccess access = XsAccess::kNone;
  friend bool operator==(const XsPermission&, const XsPermission&) = default;
};

// The first entry names the owner, who may do everything, and what domains that are not listed may
// do; the others are exceptions for one domain each. Never empty. Domain 0 may do everything.
using XsPermissions = std::vector<XsPermission>;

// The usual sets: `owner` alone, and `owner` with one more domain.
XsPermissions XsPrivate(DomId owner);
XsPermissions XsShared(DomId owner, DomId other, XsAccess other_access);

// "/local/domain/N".
std::string XsDomainPath(DomId domain);

// What one domain other than 0 can make us keep.
struct XenstoreQuotas {
  std::size_t nodes = 1000;              // owned by the domain, in the whole tree
  std::size_t watches = 128;             // in force at once
  std::size_t transactions = 10;         // open at once
  std::size_t transaction_nodes = 1024;  // different paths touched by one transaction
  std::size_t value_bytes = 2048;        // of one node
  std::size_t permissions = 5;           // entries of one node
  std::size_t reply_bytes = 16 * 1024;   // unread replies, before requests are left waiting
  std::size_t event_bytes = 256 * 1024;  // unread watch events, before further ones are dropped
};

}  // namespace veneer
