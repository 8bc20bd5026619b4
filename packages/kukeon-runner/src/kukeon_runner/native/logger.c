/* kukelog: writes a container's output to a log file.
 *
 * containerd's shim starts it for `binary:///.../kukelog?path=...&max_size=...&max_files=...`: the pairs of the query
 * come as arguments in no particular order, the program's stdout is fd 3, its stderr fd 4, and closing fd 5 says that
 * the program may start.
 *
 *   path       the log file, absolute                               (required)
 *   max_size   bytes at which it is rotated, 4 KiB to 1 TiB         (10 MiB)
 *   max_files  how many files there are with the current one, 1-100 (5)
 *   gid        group of the files                                   (the directory's)
 *
 * Lines have the format of the Kubernetes CRI: time, stream, P or F, text; a line of more than 16 KiB becomes several,
 * all but the last tagged P.  Each run of a container has a logger of its own, which begins with a line tagged F:start.
 * It ends when both streams have ended, or, told to by SIGTERM, when they have gone quiet or that takes too long: a
 * process that outlives its container must not hold up the container's deletion.
 */
#include <linux/poll.h>

#include "logfile.h"

enum {
	PIECE = 16384,
	CHUNK = 65536, /* what a pipe holds, pipe(7) */
	QUIET_MS = 200,
	LINGER_S = 5, /* the shim kills a logger after 12 */
	STDOUT = 3,
	STDERR = 4,
	READY = 5,
};

struct stream {
	const char *name;
	size_t used;
	char line[PIECE];
};

static struct logfile file;
static struct stream streams[2];
static char chunk[CHUNK];

_Noreturn static void refuse(const char *why)
{
	SYS(__NR_write, 2, "kukelog: ", 9, 0, 0);
	SYS(__NR_write, 2, why, text_length(why), 0, 0);
	SYS(__NR_write, 2, "\n", 1, 0, 0);
	sys_exit(2);
}

static void read_arguments(long argc, char **argv)
{
	file.fd = -1;
	file.gid = -1;
	file.max_size = 10 << 20;
	file.max_files = 5;
	for (long i = 1; i + 1 < argc; i += 2) {
		const char *value = argv[i + 1];
		if (text_equal(argv[i], "path"))
			file.path = value;
		else if (text_equal(argv[i], "max_size"))
			file.max_size = number_within(value, 4096, (uint64_t)1 << 40, file.max_size);
		else if (text_equal(argv[i], "max_files"))
			file.max_files = (int)number_within(value, 1, MAX_FILES, 5);
		else if (text_equal(argv[i], "gid"))
			file.gid = (long)number_within(value, 0, 0xfffffffe, (uint64_t)-1);
	}
	if (!file.path || file.path[0] != '/')
		refuse("cannot log: path=/absolute/file is required");
	if (text_length(file.path) >= MAX_PATH)
		refuse("cannot log: path is too long");
}

/* Cut what a stream said into lines.  What is left of an unfinished line waits in the stream. */
static void take(struct stream *from, const char *bytes, size_t size)
{
	char stamp[STAMP];
	put_stamp(stamp);
	while (size > 0) {
		size_t room = PIECE - from->used, length = 0;
		while (length < size && length < room && bytes[length] != '\n')
			length++;
		int ended = length < size && bytes[length] == '\n';
		if (ended && from->used == 0) {
			logfile_add(&file, stamp, from->name, 'F', bytes, length);
		} else {
			/* A line of exactly PIECE bytes is whole: whether it goes on shows with the next byte. */
			if (from->used == PIECE && !ended) {
				logfile_add(&file, stamp, from->name, 'P', from->line, PIECE);
				from->used = 0;
				continue;
			}
			memcpy(from->line + from->used, bytes, length);
			from->used += length;
			if (ended) {
				logfile_add(&file, stamp, from->name, 'F', from->line, from->used);
				from->used = 0;
			}
		}
		bytes += length + (size_t)ended;
		size -= length + (size_t)ended;
	}
}

static void finish(struct stream *from)
{
	char stamp[STAMP];
	put_stamp(stamp);
	if (from->used > 0)
		logfile_add(&file, stamp, from->name, 'F', from->line, from->used);
	from->used = 0;
}

static int listen_for_end(void)
{
	const kernel_sigset asked = SIGNAL_BIT(TERM) | SIGNAL_BIT(INT);
	/* XFSZ: a file size limit is one more reason why the disk refuses. */
	sys_block(asked | SIGNAL_BIT(HUP) | SIGNAL_BIT(PIPE) | SIGNAL_BIT(XFSZ));
	return (int)SYS(__NR_signalfd4, -1, &asked, sizeof(asked), O_CLOEXEC, 0);
}

MAIN
{
	read_arguments(argc, argv);
	streams[0].name = "stdout";
	streams[1].name = "stderr";
	struct pollfd fds[3] = {
		{.fd = STDOUT, .events = POLLIN}, {.fd = STDERR, .events = POLLIN}, {.fd = listen_for_end(), .events = POLLIN}};
	/* The bundle's directory must not be held. */
	SYS(__NR_chdir, "/", 0, 0, 0, 0);
	/* A file that cannot be opened now is tried again with each output: a program without a log beats none. */
	long opened = logfile_open(&file);
	if (opened < 0)
		file.reason = -opened;
	else
		logfile_flush(&file);
	SYS(__NR_close, READY, 0, 0, 0, 0);

	int told_to_end = 0;
	int64_t end = 0;
	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (told_to_end && monotonic_second() > end)
			break;
		struct kernel_timespec quiet = {0, QUIET_MS * 1000000L};
		long count = SYS(__NR_ppoll, fds, 3, told_to_end ? &quiet : 0, 0, 0);
		if (count == -EINTR)
			continue;
		if (count <= 0)
			break;
		for (int i = 0; i < 2; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			long size = SYS(__NR_read, fds[i].fd, chunk, CHUNK, 0, 0);
			if (size > 0) {
				take(&streams[i], chunk, (size_t)size);
			} else if (size != -EINTR && size != -EAGAIN) {
				/* End of file; a terminal says EIO instead. */
				finish(&streams[i]);
				fds[i].fd = -1;
			}
		}
		if (fds[2].revents) {
			fds[2].fd = -1;
			told_to_end = 1;
			end = monotonic_second() + LINGER_S;
		}
		logfile_flush(&file);
	}
	finish(&streams[0]);
	finish(&streams[1]);
	logfile_flush(&file);
	sys_exit(0);
}
