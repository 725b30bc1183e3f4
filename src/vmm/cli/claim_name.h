// A guest's name and control socket, which no other guest that runs may have.
#pragma once

#include <memory>
#include <string>

#include "run_options.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/control/control_socket.h"

namespace veneer {

// Claims the socket that `options` ask for; a name that the user has not chosen is changed to one
// that is free. `folder`: the usual place (see ControlFolder()). Null if there shall be none, or if
// the usual place cannot be used, which is logged. UsageError if another guest has it.
Result<std::unique_ptr<ControlSocket>> ClaimName(RunOptions& options,
                                                 const Result<std::string>& folder);

}  // namespace veneer
