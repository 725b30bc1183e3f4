// The requests of the protocol, one row and one handler each; arguments and answers as in
// xenstore.txt.
#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/core.h>

#include "connection.h"

namespace veneer {

struct Connection::Row {
  std::uint32_t type;
  Payload (Connection::*handle)(const Request&);
  bool privileged;        // domain 0 only
  bool uses_transaction;  // otherwise the transaction id is ignored
};

namespace {

// "OK" with its NUL, the answer of requests without one of their own.
const std::string kOk("OK", 3);

std::string WithNul(std::string text) {
  text.push_back('\0');
  return text;
}

XsResult<std::string> OkOr(const XsResult<void>& result) {
  return result ? XsResult<std::string>(kOk) : tl::unexpected(result.error());
}

tl::unexpected<XsError> Invalid() { return tl::unexpected(XsError::kInvalid); }

std::string JoinWithNuls(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) {
    joined.append(name).push_back('\0');
  }
  return joined;
}

// Room for the longest path and two NULs has to be left in an event.
constexpr std::size_t kMaxToken = XENSTORE_PAYLOAD_MAX - XENSTORE_ABS_PATH_MAX - 2;

// DOMID_SELF: the caller.
constexpr DomId kSelf{0x7ff0};

}  // namespace

const Connection::Row* Connection::FindRow(std::uint32_t type) {
  using C = Connection;
  static constexpr std::array kRows{
      Row{XS_CONTROL, &C::Control, true, false},
      Row{XS_DIRECTORY, &C::Directory, false, true},
      Row{XS_READ, &C::Read, false, true},
      Row{XS_GET_PERMS, &C::GetPerms, false, true},
      Row{XS_WATCH, &C::Watch, false, false},
      Row{XS_UNWATCH, &C::Unwatch, false, false},
      Row{XS_TRANSACTION_START, &C::TransactionStart, false, true},
      Row{XS_TRANSACTION_END, &C::TransactionEnd, false, true},
      Row{XS_INTRODUCE, &C::Introduce, true, false},
      Row{XS_RELEASE, &C::Release, true, false},
      Row{XS_GET_DOMAIN_PATH, &C::GetDomainPath, false, false},
      Row{XS_WRITE, &C::Write, false, true},
      Row{XS_MKDIR, &C::Mkdir, false, true},
      Row{XS_RM, &C::Remove, false, true},
      Row{XS_SET_PERMS, &C::SetPerms, false, true},
      Row{XS_IS_DOMAIN_INTRODUCED, &C::IsDomainIntroduced, false, false},
      Row{XS_RESUME, &C::Resume, true, false},
      Row{XS_SET_TARGET, &C::SetTarget, true, false},
      Row{XS_RESET_WATCHES, &C::ResetWatches, false, false},
      Row{XS_DIRECTORY_PART, &C::DirectoryPart, false, true},
  };
  const auto row =
      std::find_if(kRows.begin(), kRows.end(), [type](const Row& r) { return r.type == type; });
  return row == kRows.end() ? nullptr : &*row;
}

Connection::Payload Connection::Dispatch(const WireMessage& message) {
  const Row* row = FindRow(message.header.type);
  if (row == nullptr) {
    return tl::unexpected(XsError::kNotImplemented);
  }
  if (row->privileged && !session_->privileged()) {
    return tl::unexpected(XsError::kAccess);
  }
  const TransactionId tx = row->uses_transaction ? message.header.tx_id : 0;
  if (tx != 0 && !store_.HasTransaction(*session_, tx)) {
    return tl::unexpected(XsError::kNotFound);
  }
  return (this->*row->handle)({tx, message.payload});
}

// --- nodes

Connection::Payload Connection::Directory(const Request& request) {
  const auto path = SingleString(request.payload);
  if (!path) {
    return Invalid();
  }
  const auto listing = store_.Directory(*session_, request.tx, *path);
  if (!listing) {
    return tl::unexpected(listing.error());
  }
  return JoinWithNuls(listing->names);
}

Connection::Payload Connection::DirectoryPart(const Request& request) {
  const auto strings = SplitStrings(request.payload);
  if (strings.size() < 2) {
    return Invalid();
  }
  std::size_t offset = 0;
  const char* const end = strings[1].data() + strings[1].size();
  const auto parsed = std::from_chars(strings[1].data(), end, offset);
  const auto listing = store_.Directory(*session_, request.tx, strings[0]);
  if (!listing) {
    return tl::unexpected(listing.error());
  }
  const std::string all = JoinWithNuls(listing->names);
  if (parsed.ec != std::errc{} || parsed.ptr != end || offset > all.size()) {
    return Invalid();
  }
  std::string part = WithNul(fmt::format("{}", listing->generation));
  // Whole names only, and room for the empty name that marks the end of the list.
  while (offset < all.size()) {
    const std::size_t length = all.find('\0', offset) + 1 - offset;
    if (part.size() + length + 1 > XENSTORE_PAYLOAD_MAX) {
      return part;
    }
    part.append(all, offset, length);
    offset += length;
  }
  return WithNul(std::move(part));
}

Connection::Payload Connection::Read(const Request& request) {
  const auto path = SingleString(request.payload);
  return path ? store_.Read(*session_, request.tx, *path) : Invalid();
}

Connection::Payload Connection::Write(const Request& request) {
  const std::size_t end = request.payload.find('\0');
  if (end == std::string_view::npos) {
    return Invalid();
  }
  return OkOr(store_.Write(*session_, request.tx, request.payload.substr(0, end),
                           request.payload.substr(end + 1)));
}

Connection::Payload Connection::Mkdir(const Request& request) {
  const auto path = SingleString(request.payload);
  return path ? OkOr(store_.Mkdir(*session_, request.tx, *path)) : Invalid();
}

Connection::Payload Connection::Remove(const Request& request) {
  const auto path = SingleString(request.payload);
  return path ? OkOr(store_.Remove(*session_, request.tx, *path)) : Invalid();
}

Connection::Payload Connection::GetPerms(const Request& request) {
  const auto path = SingleString(request.payload);
  if (!path) {
    return Invalid();
  }
  const auto permissions = store_.GetPermissions(*session_, request.tx, *path);
  if (!permissions) {
    return tl::unexpected(permissions.error());
  }
  std::string text;
  for (const XsPermission& permission : *permissions) {
    text += WithNul(EncodePermission(permission));
  }
  return text;
}

Connection::Payload Connection::SetPerms(const Request& request) {
  const auto strings = SplitStrings(request.payload);
  if (strings.size() < 2) {
    return Invalid();
  }
  XsPermissions permissions;
  for (auto it = strings.begin() + 1; it != strings.end(); ++it) {
    const auto permission = ParsePermission(*it);
    if (!permission) {
      return Invalid();
    }
    permissions.push_back(*permission);
  }
  return OkOr(store_.SetPermissions(*session_, request.tx, strings[0], permissions));
}

// --- watches and transactions

Connection::Payload Connection::Watch(const Request& request) {
  const auto strings = SplitStrings(request.payload);
  if (strings.size() < 2 || strings[1].size() > kMaxToken) {
    return Invalid();
  }
  const auto result = store_.Watch(*session_, strings[0], strings[1]);
  if (result) {
    OnWatchEvent(strings[0], strings[1]);
  }
  return OkOr(result);
}

Connection::Payload Connection::Unwatch(const Request& request) {
  const auto strings = SplitStrings(request.payload);
  return strings.size() < 2 ? Invalid() : OkOr(store_.Unwatch(*session_, strings[0], strings[1]));
}

Connection::Payload Connection::ResetWatches(const Request&) {
  store_.ResetWatches(*session_);
  return kOk;
}

Connection::Payload Connection::TransactionStart(const Request& request) {
  if (request.tx != 0) {
    return tl::unexpected(XsError::kBusy);
  }
  const auto id = store_.StartTransaction(*session_);
  if (!id) {
    return tl::unexpected(id.error());
  }
  return WithNul(fmt::format("{}", *id));
}

Connection::Payload Connection::TransactionEnd(const Request& request) {
  const auto argument = SingleString(request.payload);
  if (!argument || (*argument != "T" && *argument != "F")) {
    return Invalid();
  }
  return OkOr(store_.EndTransaction(*session_, request.tx, *argument == "T"));
}

// --- domains

Connection::Payload Connection::Introduce(const Request& request) {
  const auto strings = SplitStrings(request.payload);
  const auto domain = strings.size() < 3 ? std::nullopt : ParseDomain(strings[0]);
  // There is one guest, and its ring is set up by the VMM whatever page and port are named here.
  if (domain != kGuestDomId) {
    return Invalid();
  }
  store_.Introduce(*domain);
  return kOk;
}

Connection::Payload Connection::Release(const Request& request) {
  const auto argument = SingleString(request.payload);
  const auto domain = argument ? ParseDomain(*argument) : std::nullopt;
  if (!domain || *domain == kHostDomId) {
    return Invalid();
  }
  return OkOr(store_.Release(*domain));
}

Connection::Payload Connection::Resume(const Request& request) {
  const auto argument = SingleString(request.payload);
  const auto domain = argument ? ParseDomain(*argument) : std::nullopt;
  if (!domain || *domain == kHostDomId) {
    return Invalid();
  }
  return store_.IsIntroduced(*domain) ? Payload(kOk) : tl::unexpected(XsError::kNotFound);
}

Connection::Payload Connection::SetTarget(const Request& request) {
  const auto strings = SplitStrings(request.payload);
  const auto domain = strings.size() == 2 ? ParseDomain(strings[0]) : std::nullopt;
  const auto target = strings.size() == 2 ? ParseDomain(strings[1]) : std::nullopt;
  if (!domain || !target || *domain == kHostDomId) {
    return Invalid();
  }
  return OkOr(store_.SetTarget(*domain, *target));
}

Connection::Payload Connection::GetDomainPath(const Request& request) {
  const auto argument = SingleString(request.payload);
  const auto domain = argument ? ParseDomain(*argument) : std::nullopt;
  return domain ? Payload(WithNul(XsDomainPath(*domain))) : Invalid();
}

Connection::Payload Connection::IsDomainIntroduced(const Request& request) {
  const auto argument = SingleString(request.payload);
  const auto domain = argument ? ParseDomain(*argument) : std::nullopt;
  if (!domain) {
    return Invalid();
  }
  return WithNul(*domain == kSelf || store_.IsIntroduced(*domain) ? "T" : "F");
}

// Commands to the daemon itself; this one has none.
Connection::Payload Connection::Control(const Request&) { return Invalid(); }

}  // namespace veneer
