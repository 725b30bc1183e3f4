// The 32-bit guest's start and its traps.
//
// Entered by Xen's PVH protocol (xen/arch-x86/hvm/start_info.h): 32-bit protected mode, EBX =
// hvm_start_info. It stays like that: hosts that interpret guest kernels know no 32-bit paging and no
// 32-bit IRET, and lose their way in ring 3 without paging, so this does without all three. Selectors
// are those of the 64-bit guest.

#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x18

  .text
  .globl Start
Start:
  cli
  cld
  lgdt gdt_pointer
  ljmpl $KERNEL_CODE, $1f
1:
  movl $KERNEL_DATA, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  movl $boot_stack_end, %esp
  xorl %ebp, %ebp
  pushl %ebx
  call Main
1:
  cli
  hlt
  jmp 1b

// ---- Traps: one stub per vector, then HandleTrap(TrapFrame*).

  .altmacro
  .macro TRAP_STUB vector
trap_\vector:
  .if ((\vector != 8) && ((\vector < 10) || (\vector > 14)) && (\vector != 17) && (\vector != 21))
  pushl $0
  .endif
  pushl $\vector
  jmp trap_common
  .endm
  .macro TRAP_ENTRY vector
  .long trap_\vector
  .endm

  .set number, 0
  .rept 64
  TRAP_STUB %number
  .set number, number + 1
  .endr

trap_common:
  pushal
  pushl %esp
  cld
  call HandleTrap
  addl $4, %esp
  // Every trap that returns was taken in ring 0: flags and instruction pointer are all there is to
  // restore. Vector, error code, EIP, CS and EFLAGS become: EFLAGS, EIP.
  movl 40(%esp), %eax       // EIP
  xchgl %eax, 48(%esp)      // where EFLAGS was
  movl %eax, 44(%esp)       // EFLAGS, below it
  popal
  addl $12, %esp
  popfl
  ret

  .section .rodata
  .globl trap_table
  .p2align 2
trap_table:
  .set number, 0
  .rept 64
  TRAP_ENTRY %number
  .set number, number + 1
  .endr

  .data
  .globl gdt, gdt_pointer
  .p2align 4
gdt:
  .quad 0
  .quad 0x00cf9b000000ffff  // 0x08 kernel code
  .quad 0
  .quad 0x00cf93000000ffff  // 0x18 kernel data
  .quad 0, 0, 0
  .quad 0
  .quad 0, 0                // 0x40 task state
gdt_end:
gdt_pointer:
  .word gdt_end - gdt - 1
  .long gdt

  .bss
  .globl trap_stack_end
  .p2align 4
  .skip 16384
boot_stack_end:
  .skip 8192
trap_stack_end:

  .section .note.GNU-stack, "", @progbits
