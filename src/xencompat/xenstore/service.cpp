#include "veneer/xencompat/xenstore/service.h"

#include "service_state.h"
#include "veneer/vmm/base/check.h"
#include "veneer/xencompat/xenstore/client.h"

namespace veneer {

XenstoreService::XenstoreService(const Options& options)
    : state_(std::make_unique<XenstoreState>(options)) {
  XenstoreClient client(*this);
  for (const char* path : {"/local/domain", "/tool", "/vm"}) {
    VENEER_CHECK(client.Mkdir(path).has_value());
  }
}

XenstoreService::~XenstoreService() = default;

void XenstoreService::IntroduceDomain(DomId domain) {
  StoreLock lock(*state_);
  lock.store().Introduce(domain);
}

void XenstoreService::ReleaseDomain(DomId domain) {
  StoreLock lock(*state_);
  // Releasing a domain that a host tool has released already is no error.
  static_cast<void>(lock.store().Release(domain));
}

XenstoreService::Usage XenstoreService::UsageOf(DomId domain) const {
  StoreLock lock(*state_);
  return {lock.store().NodesOf(domain), lock.store().WatchesOf(domain),
          lock.store().TransactionsOf(domain)};
}

}  // namespace veneer
