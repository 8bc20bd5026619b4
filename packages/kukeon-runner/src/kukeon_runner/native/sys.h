/* System calls for programs that need no C library.
 *
 * On x86_64 and aarch64 a program is built with -nostdlib: a few kilobytes, nothing resident but its own pages, and one
 * file that runs under any C library.  With KUKEON_LIBC it is an ordinary static program instead: the build for other
 * machines, and the one that sanitizers can look into.
 *
 * Every call returns what the kernel returns: the result, or the negated error number.
 */
#ifndef KUKEON_SYS_H
#define KUKEON_SYS_H

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <stddef.h>
#include <stdint.h>

#ifdef KUKEON_LIBC
long syscall(long number, ...);
extern int *__errno_location(void);

static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	long result = syscall(n, a, b, c, d, e, f);
	return result == -1 ? -(long)*__errno_location() : result;
}
#elif defined(__x86_64__)
static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return x0;
}
#else
#error "no raw system calls for this machine: build with -DKUKEON_LIBC -static"
#endif

#define SYS(n, a, b, c, d, e) sys6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

/* The kernel's own shapes: a C library's differ (sigset_t is 128 bytes there). */
typedef uint64_t kernel_sigset;
struct kernel_timespec {
	long seconds;
	long nanoseconds;
};

#define SIGNAL_BIT(n) ((kernel_sigset)1 << ((n) - 1))
enum { HUP = 1, INT = 2, PIPE = 13, TERM = 15, CHLD = 17, XFSZ = 25 };
enum { BLOCK_SIGNALS = 0 };

static inline long sys_block(kernel_sigset set)
{
	return SYS(__NR_rt_sigprocmask, BLOCK_SIGNALS, &set, 0, sizeof(set), 0);
}

_Noreturn static inline void sys_exit(int status)
{
	for (;;)
		SYS(__NR_exit_group, status, 0, 0, 0, 0);
}

#ifndef KUKEON_LIBC
/* The kernel starts a program with argc and argv on the stack, aligned; C wants them as arguments. */
#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov (%rsp), %rdi\n\tlea 8(%rsp), %rsi\n\tand $-16, %rsp\n"
	"\tcall begin\n\thlt\n");
#else
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tldr x0, [sp]\n\tadd x1, sp, #8\n\tbl begin\n\tbrk #0\n");
#endif
_Noreturn void begin(long argc, char **argv);
#define MAIN _Noreturn void begin(long argc, char **argv)
#else
#define MAIN int main(int argc, char **argv)
#endif

#endif
