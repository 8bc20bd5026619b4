/* What a program sees of the container it runs in, as one JSON object in the file that argv[1] names.
 *
 * Every further argument asks one thing: read:PATH and write:PATH (errno of opening or reading it, 0 when it works),
 * text:PATH (its lines), call:NAME (errno of a system call), kind:PATH (like c:1:3, d:0755:0:0, or - for nothing). Strings are escaped
 * as far as /proc needs it. No library but libc, so that it runs in any image.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

extern char **environ;
static FILE *out;

static void string(const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') fprintf(out, "\\%c", c);
        else if (c < 32 || c > 126) fprintf(out, "\\u%04x", c);
        else fputc(c, out);
    }
    fputc('"', out);
}

static void key(const char *name) { fprintf(out, ",\n"); string(name); fputc(':', out); }

/* The lines of a file as an array. */
static void lines(const char *name, const char *path) {
    char line[8192];
    const char *comma = "";
    FILE *file = fopen(path, "re");
    key(name);
    fputc('[', out);
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        fputs(comma, out);
        string(line);
        comma = ",";
    }
    fputc(']', out);
    if (file) fclose(file);
}

static void namespaces(void) {
    static const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
    char path[64], target[128];
    key("namespaces");
    fputc('{', out);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        ssize_t size = readlink(path, target, sizeof target - 1);
        target[size < 0 ? 0 : size] = 0;
        fprintf(out, "%s\"%s\":", i ? "," : "", kinds[i]);
        string(target);
    }
    fputc('}', out);
}

static int read_some(const char *path) {
    char buffer[1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errno;
    ssize_t size = read(fd, buffer, 1);
    int code = size < 0 ? errno : size == 0 ? -1 : 0; /* -1: there is nothing in it, as in what is masked */
    if (size < 0 && errno == EISDIR) {
        DIR *directory = fdopendir(fd);
        struct dirent *entry;
        code = -1;
        while (directory && (entry = readdir(directory)))
            if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) code = 0;
    }
    close(fd);
    return code;
}

static int write_some(const char *path) {
    struct stat status;
    char made[4096];
    int directory = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    snprintf(made, sizeof made, directory ? "%s/.probe" : "%s", path);
    int fd = open(made, O_WRONLY | O_CLOEXEC | O_NONBLOCK | (directory ? O_CREAT : 0), 0600);
    if (fd < 0) return errno;
    close(fd);
    if (directory) unlink(made);
    return 0;
}

static int call(const char *name) {
    long done = -1;
    errno = 0;
    if (!strcmp(name, "unshare-user")) done = syscall(SYS_unshare, CLONE_NEWUSER);
    else if (!strcmp(name, "unshare-net")) done = syscall(SYS_unshare, CLONE_NEWNET);
    else if (!strcmp(name, "clone3")) done = syscall(SYS_clone3, NULL, 0);
    else if (!strcmp(name, "keyctl")) done = syscall(SYS_keyctl, 0, -3, 0);
    else if (!strcmp(name, "bpf")) done = syscall(SYS_bpf, 0, NULL, 0);
    else if (!strcmp(name, "io_uring_setup")) done = syscall(425, 0, NULL);
    else if (!strcmp(name, "mount")) done = mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    else if (!strcmp(name, "chroot")) done = chroot("/");
    else if (!strcmp(name, "socket-alg")) done = socket(38, SOCK_SEQPACKET, 0);
    else if (!strcmp(name, "socket-raw")) done = socket(AF_INET, SOCK_RAW, 1);
    else if (!strcmp(name, "socket-inet")) done = socket(AF_INET, SOCK_STREAM, 0);
    else if (!strcmp(name, "mknod")) done = mknod("/tmp/.probe-node", S_IFCHR | 0600, makedev(1, 3));
    else return -2;
    return done < 0 ? errno : 0;
}

static void kind(const char *path) {
    struct stat status;
    char text[64] = "-";
    if (lstat(path, &status) == 0) {
        unsigned mode = status.st_mode & 07777;
        if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
            snprintf(text, sizeof text, "%c:%u:%u", S_ISCHR(status.st_mode) ? 'c' : 'b', major(status.st_rdev), minor(status.st_rdev));
        else
            snprintf(text, sizeof text, "%c:%04o:%u:%u", S_ISDIR(status.st_mode) ? 'd' : S_ISLNK(status.st_mode) ? 'l' : 'f', mode, status.st_uid, status.st_gid);
    }
    string(text);
}

int main(int argc, char **argv) {
    static const struct { const char *name; int which; } limits[] = {
        {"core", RLIMIT_CORE}, {"memlock", RLIMIT_MEMLOCK}, {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}};
    gid_t groups[256];
    char text[4096], whole[4200];
    if (argc < 2) return 2;
    snprintf(whole, sizeof whole, "%s.part", argv[1]);
    if (!(out = fopen(whole, "we"))) return 3;
    fprintf(out, "{\"pid\":%d,\"uid\":%d,\"gid\":%d,\"groups\":[", getpid(), getuid(), getgid());
    int count = getgroups(256, groups);
    for (int i = 0; i < count; i++) fprintf(out, "%s%d", i ? "," : "", groups[i]);
    fprintf(out, "]");
    key("cwd"); string(getcwd(text, sizeof text) ? text : "");
    gethostname(text, sizeof text);
    key("hostname"); string(text);
    lines("status", "/proc/self/status");
    lines("mounts", "/proc/self/mountinfo");
    lines("cgroup", "/proc/self/cgroup");
    lines("hosts", "/etc/hosts");
    namespaces();
    key("env"); fputc('[', out);
    for (char **each = environ; *each; each++) { if (each != environ) fputc(',', out); string(*each); }
    fputc(']', out);
    key("limits"); fputc('{', out);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit;
        getrlimit(limits[i].which, &limit);
        fprintf(out, "%s\"%s\":[%lld,%lld]", i ? "," : "", limits[i].name, (long long)limit.rlim_cur, (long long)limit.rlim_max);
    }
    fputc('}', out);
    key("dev"); fputc('[', out);
    DIR *directory = opendir("/dev");
    struct dirent *entry;
    const char *comma = "";
    while (directory && (entry = readdir(directory))) { fputs(comma, out); string(entry->d_name); comma = ","; }
    fputc(']', out);
    for (int i = 2; i < argc; i++) {
        if (!strncmp(argv[i], "text:", 5)) {
            lines(argv[i], argv[i] + 5);
            continue;
        }
        key(argv[i]);
        if (!strncmp(argv[i], "read:", 5)) fprintf(out, "%d", read_some(argv[i] + 5));
        else if (!strncmp(argv[i], "write:", 6)) fprintf(out, "%d", write_some(argv[i] + 6));
        else if (!strncmp(argv[i], "call:", 5)) fprintf(out, "%d", call(argv[i] + 5));
        else if (!strncmp(argv[i], "kind:", 5)) kind(argv[i] + 5);
        else fprintf(out, "null");
    }
    fprintf(out, "}\n");
    if (fclose(out) || rename(whole, argv[1])) return 4;
    return 0;
}
