// The 64-bit guest's way into long mode, its traps, and its ring 3.
//
// Entered by Xen's PVH protocol (xen/arch-x86/hvm/start_info.h): 32-bit protected mode, EBX =
// hvm_start_info. Selectors are laid out as Linux has them.

#define KERNEL_CODE 0x10
#define KERNEL_DATA 0x18
#define USER_DATA 0x2b
#define USER_CODE 0x33

  .text
  .code32
  .globl Start
Start:
  cli
  cld
  movl %ebx, %esi
  lgdt gdt_pointer
  movl $pml4, %eax
  movl %eax, %cr3
  movl %cr4, %eax
  orl $0x20, %eax           // PAE
  movl %eax, %cr4
  movl $0xc0000080, %ecx    // EFER.LME
  rdmsr
  orl $0x100, %eax
  wrmsr
  movl %cr0, %eax
  orl $0x80000000, %eax
  movl %eax, %cr0
  ljmpl $KERNEL_CODE, $long_mode

  .code64
long_mode:
  movl $KERNEL_DATA, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  movl $boot_stack_end, %esp
  movl %esi, %edi
  xorl %ebp, %ebp
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
  pushq $0
  .endif
  pushq $\vector
  jmp trap_common
  .endm
  .macro TRAP_ENTRY vector
  .quad trap_\vector
  .endm

  .set number, 0
  .rept 64
  TRAP_STUB %number
  .set number, number + 1
  .endr

trap_common:
  pushq %rax
  pushq %rcx
  pushq %rdx
  pushq %rbx
  pushq %rbp
  pushq %rsi
  pushq %rdi
  pushq %r8
  pushq %r9
  pushq %r10
  pushq %r11
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, %rdi
  cld
  call HandleTrap
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %r11
  popq %r10
  popq %r9
  popq %r8
  popq %rdi
  popq %rsi
  popq %rbp
  popq %rbx
  popq %rdx
  popq %rcx
  popq %rax
  addq $16, %rsp
  iretq

// ---- Ring 3: EnterUser(target, number, first, second) calls `target` there, with a hypercall's
// registers and IOPL 3, and returns what it leaves in RAX.

  .globl EnterUser, LeaveUser, user_code_end
EnterUser:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  pushfq
  movq %rsp, user_resume_stack
  movq %rdi, %rbx
  movl %esi, %eax
  movq %rdx, %rdi
  movq %rcx, %rsi
  pushq $USER_DATA
  pushq $user_stack_end
  pushq $0x3202             // IOPL 3, interrupts on
  pushq $USER_CODE
  pushq $user_code
  iretq

user_code:
  call *%rbx
user_code_end:
  ud2                       // the way back: HandleTrap() calls LeaveUser(RAX)

LeaveUser:
  movq user_resume_stack, %rsp
  movq $0, user_resume_stack
  movq %rdi, %rax
  popfq
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret

  .section .rodata
  .globl trap_table
  .p2align 3
trap_table:
  .set number, 0
  .rept 64
  TRAP_ENTRY %number
  .set number, number + 1
  .endr

// ---- Page tables: the first 4 GiB one to one in 2 MiB pages, for ring 3 too, with accessed and
// dirty bits set beforehand. Nothing is mapped from 30 to 32 MiB.

  .data
  .p2align 12
pml4:
  .quad pdpt + 0x27
  .fill 511, 8, 0
pdpt:
  .quad directories + 0x27, directories + 0x1027, directories + 0x2027, directories + 0x3027
  .fill 508, 8, 0
directories:
  .set number, 0
  .rept 2048
  .if (number == 15)
  .quad 0
  .else
  .quad (number << 21) + 0xe7
  .endif
  .set number, number + 1
  .endr

  .globl gdt, gdt_pointer
  .p2align 4
gdt:
  .quad 0
  .quad 0x00cf9b000000ffff  // 0x08 kernel code, 32-bit
  .quad 0x00af9b000000ffff  // 0x10 kernel code, 64-bit
  .quad 0x00cf93000000ffff  // 0x18 kernel data
  .quad 0x00cffb000000ffff  // 0x23 user code, 32-bit
  .quad 0x00cff3000000ffff  // 0x2b user data
  .quad 0x00affb000000ffff  // 0x33 user code, 64-bit
  .quad 0
  .quad 0, 0                // 0x40 task state
gdt_end:
gdt_pointer:
  .word gdt_end - gdt - 1
  .quad gdt

  .bss
  .globl trap_stack_end, user_resume_stack
  .p2align 4
  .skip 16384
boot_stack_end:
  .skip 8192
trap_stack_end:
  .skip 4096
user_stack_end:
user_resume_stack:
  .skip 8

  .section .note.GNU-stack, "", @progbits
