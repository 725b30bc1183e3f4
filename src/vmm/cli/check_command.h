// `veneer check`: what this host can do.
#pragma once

namespace veneer {

// Prints a table, or JSON. Returns the process' exit code: that of a host error when guests cannot
// run here.
int CheckCommand(bool json);

}  // namespace veneer
