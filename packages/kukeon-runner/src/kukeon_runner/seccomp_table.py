"""Which system calls a container may make: the table behind the default seccomp profile.

Every call that Linux has by 6.17 is in one of four places here: allowed, allowed with a capability, decided by its
arguments (in `seccomp`), or refused for a reason. Names: the kernel's asm/unistd_32.h, unistd_64.h and
asm-generic/unistd.h. What is allowed equals in effect what Docker and Podman allow, but for what `REFUSED` says.
"""

_ALLOWED = """
_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2
fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64
fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync
ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list
get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups
getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid
getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents
io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule landlock_create_ruleset
landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr
lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir
mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync
munlock munlockall munmap name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_open
pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2
prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev
pwritev2 read readahead readdir readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg
remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq
rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send
sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsgid32
setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid
setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat
shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice
stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time
timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask
uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write
writev
"""
ALLOWED = frozenset(_ALLOWED.split())

BY_MACHINE = {
    "x86_64": frozenset({"arch_prctl", "modify_ldt"}),
    "aarch64": frozenset(
        {"arm_fadvise64_64", "arm_sync_file_range", "breakpoint", "cacheflush", "set_tls", "sync_file_range2"}
    ),
    "ppc64le": frozenset({"swapcontext", "sync_file_range2"}),
    "riscv64": frozenset({"riscv_flush_icache"}),
    "s390x": frozenset({"s390_pci_mmio_read", "s390_pci_mmio_write", "s390_runtime_instr"}),
}
"""What only one kind of machine has, and its 32-bit programs."""

_ADMIN = """
bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lsm_get_self_attr lsm_list_modules lsm_set_self_attr
mount mount_setattr move_mount open_tree open_tree_attr perf_event_open pivot_root quotactl quotactl_fd setdomainname
sethostname setns syslog umount umount2 unshare
"""

BY_CAPABILITY = {
    "CAP_BPF": frozenset({"bpf"}),
    "CAP_DAC_READ_SEARCH": frozenset({"open_by_handle_at"}),
    "CAP_PERFMON": frozenset({"perf_event_open"}),
    "CAP_SYSLOG": frozenset({"syslog"}),
    "CAP_SYS_ADMIN": frozenset(_ADMIN.split()),
    "CAP_SYS_BOOT": frozenset({"reboot"}),
    "CAP_SYS_CHROOT": frozenset({"chroot"}),
    "CAP_SYS_MODULE": frozenset({"delete_module", "finit_module", "init_module"}),
    "CAP_SYS_NICE": frozenset({"get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"}),
    "CAP_SYS_PACCT": frozenset({"acct"}),
    "CAP_SYS_PTRACE": frozenset({"kcmp", "pidfd_getfd", "process_madvise"}),
    "CAP_SYS_RAWIO": frozenset({"ioperm", "iopl"}),
    "CAP_SYS_TIME": frozenset({"clock_settime", "clock_settime64", "settimeofday", "stime"}),
    "CAP_SYS_TTY_CONFIG": frozenset({"vhangup"}),
}
"""What a capability brings: the kernel would refuse it without, but asking already reaches code that has had holes."""

REFUSED = {
    "add_key keyctl request_key": "keys belong to users of the host, not to containers",
    "io_uring_enter io_uring_register io_uring_setup": "it makes calls that no filter sees, and has had many holes",
    "kexec_file_load kexec_load": "another kernel is the host's affair",
    "migrate_pages move_pages": "they tell where other processes' memory is",
    "nfsservctl query_module create_module get_kernel_syms _sysctl uselib": "the kernel has dropped them",
    "lookup_dcookie sysfs ustat": "they tell about the host's file systems, and nothing needs them any more",
    "swapoff swapon": "swap is the host's affair",
    "userfaultfd": "it lets a program stop the kernel in the middle of copying, which exploits are made of",
    "vm86 vm86old": "they run 16-bit code in the kernel's care",
}
"""Refused to every container with this profile, whatever its capabilities, and why."""
