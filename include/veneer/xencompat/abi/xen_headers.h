// The one way into Xen's public headers (libxen-dev, <xen/...>): the interface version is set here,
// and nowhere else, so that every area sees the same layouts.
//
// The structures and constants keep Xen's own names at global scope. The *_x86_32 types are the
// layouts that 32-bit guests use.
#pragma once

#include <cstdint>

#ifdef __XEN_PUBLIC_XEN_H__
#error \
    "include veneer/xencompat/abi/xen_headers.h instead of <xen/...>: it sets the interface version"
#endif
// 4.14, the newest that the 4.17 headers define.
#define __XEN_INTERFACE_VERSION__ 0x00040e00

#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/foreign/x86_32.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/xen.h>
