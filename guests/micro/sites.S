// The PVH note, and the two hypercall functions that the VMM must find and rewrite: the shape that
// Linux has had since XSA-466, behind a stretch of int3 like the ones that its linker leaves.
#include <xen/elfnote.h>

  .section .note.Xen, "a", @note
  .p2align 2
  .long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
  .asciz "Xen"
  .long Start

  .section .text.sites, "ax", @progbits
  .p2align 4
  .fill 512, 1, 0xcc

  .globl SiteVmcall, SiteVmmcall
  .p2align 4, 0xcc
SiteVmcall:
  vmcall
  ret
  .p2align 4, 0xcc
SiteVmmcall:
  vmmcall
  ret
  .p2align 4, 0xcc

  .section .note.GNU-stack, "", @progbits
