// The grant table: where it is, and its entries.
#pragma once

#include <stdint.h>

#include "xen.h"

namespace micro {

// Lays frame `index` of the table over the guest's frame `frame`.
intptr_t MapGrantFrame(uint32_t index, uintptr_t frame);

// Grants `frame`; the flags last, since they make the rest count.
void FillGrant(grant_entry_v1_t& entry, uint16_t flags, domid_t domid, uint32_t frame);

}  // namespace micro
