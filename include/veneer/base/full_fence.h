// A fence between a store and a later load of something else, as ring protocols need it (Xen,
// public/io/ring.h: mb()).
#pragma once

namespace veneer {

// What std::atomic_thread_fence(seq_cst) compiles to on x86-64, which ThreadSanitizer's builds do
// not accept: it does not model fences. What is shared is accessed by atomics in any case.
inline void FullFence() { asm volatile("lock; orq $0, (%%rsp)" : : : "memory", "cc"); }

}  // namespace veneer
