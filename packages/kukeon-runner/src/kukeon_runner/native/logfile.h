/* A log file that is appended to line by line, rotated by size, and never the reason for its writer to stop.
 *
 * Rotation renames path -> path.1 -> ... and opens a new file; there is one writer, so nothing is lost between.  When
 * the disk refuses, lines are counted instead of written, and the count is the first line once it accepts again.
 * A line is written whole or not at all.  The first one of a run says that it begins.
 */
#ifndef KUKEON_LOGFILE_H
#define KUKEON_LOGFILE_H

#include <linux/stat.h>

#include "text.h"

enum {
	MAX_FILES = 100,
	MAX_PATH = 4096 - 4, /* PATH_MAX, less room for ".99" and the final zero */
	PENDING = 65536,
	HEADER = STAMP + 10, /* "<stamp> stdout F " */
	NOTE = HEADER + 80,
};

struct logfile {
	const char *path;
	uint64_t max_size;
	int max_files; /* with the current one */
	long gid;      /* -1: as the directory has it */
	int fd;        /* -1: not open */
	uint64_t inode;
	uint64_t device;
	uint64_t size;
	uint64_t dropped;
	long reason; /* errno of what was dropped last */
	int64_t checked; /* second of the last look at what `path` is */
	int begun;       /* the line that says so has been written */
	size_t used;
	char pending[PENDING];
};

static uint64_t device_of(const struct statx *found)
{
	return (uint64_t)found->stx_dev_major << 32 | found->stx_dev_minor;
}

static long open_fd(const struct logfile *file, int *created)
{
	const long flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	/* The mode of a file that exists was somebody's decision; only a new one gets ours. */
	long fd = SYS(__NR_openat, AT_FDCWD, file->path, flags | O_CREAT | O_EXCL, 0640, 0);
	*created = fd >= 0;
	return fd == -EEXIST ? SYS(__NR_openat, AT_FDCWD, file->path, flags, 0, 0) : fd;
}

/* Open or create the file; 0, or a negated error number. */
static long logfile_open(struct logfile *file)
{
	int created = 0;
	struct statx found = {0};
	long fd = open_fd(file, &created);
	if (fd < 0)
		return fd;
	long result = SYS(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &found);
	if (result == 0 && (found.stx_mode & S_IFMT) != S_IFREG)
		result = -EINVAL;
	if (result < 0) {
		SYS(__NR_close, fd, 0, 0, 0, 0);
		return result;
	}
	if (created) {
		if (file->gid >= 0)
			SYS(__NR_fchown, fd, -1, file->gid, 0, 0);
		/* Whatever the umask was. */
		SYS(__NR_fchmod, fd, 0640, 0, 0, 0);
	}
	if (file->fd >= 0)
		SYS(__NR_close, file->fd, 0, 0, 0, 0);
	file->fd = (int)fd;
	file->inode = found.stx_ino;
	file->device = device_of(&found);
	file->size = found.stx_size;
	/* A writer that was killed may have left half a line. */
	char last = '\n';
	if (file->size > 0 && SYS(__NR_pread64, fd, &last, 1, file->size - 1, 0) == 1 && last != '\n' &&
	    SYS(__NR_write, fd, "\n", 1, 0, 0) == 1)
		file->size++;
	return 0;
}

static char *rotated_name(const struct logfile *file, char *buffer, int number)
{
	char *at = put_text(buffer, file->path);
	if (number > 0) {
		*at++ = '.';
		at = put_number(at, (uint64_t)number, 1);
	}
	*at = 0;
	return buffer;
}

static long rename_to(const struct logfile *file, int from, int to)
{
	char old[MAX_PATH + 8], new[MAX_PATH + 8];
	return SYS(__NR_renameat2, AT_FDCWD, rotated_name(file, old, from), AT_FDCWD, rotated_name(file, new, to), 0);
}

/* Move the full file away and start a new one; when that fails, the full one stays in use. */
static long logfile_rotate(struct logfile *file)
{
	long result;
	if (file->max_files == 1) {
		result = SYS(__NR_unlinkat, AT_FDCWD, file->path, 0, 0, 0);
		return result < 0 && result != -ENOENT ? result : logfile_open(file);
	}
	for (int number = file->max_files - 2; number > 0; number--)
		rename_to(file, number, number + 1);
	result = rename_to(file, 0, 1);
	if (result < 0 && result != -ENOENT)
		return result;
	result = logfile_open(file);
	if (result < 0)
		rename_to(file, 1, 0);
	return result;
}

/* Open again when `path` has become another file: an operator removed or renamed the one in use.  Once a second. */
static void logfile_check(struct logfile *file)
{
	struct statx found = {0};
	int64_t now = monotonic_second();
	if (now == file->checked)
		return;
	file->checked = now;
	long result = SYS(__NR_statx, AT_FDCWD, file->path, AT_SYMLINK_NOFOLLOW, STATX_INO, &found);
	if (result == -ENOENT || (result == 0 && (found.stx_ino != file->inode || device_of(&found) != file->device)))
		logfile_open(file);
}

/* Append bytes that end a line; what has no room is cut off after the last whole line.  Returns how many stayed. */
static size_t append(struct logfile *file, const char *bytes, size_t size)
{
	size_t done = 0;
	while (done < size) {
		long result = SYS(__NR_write, file->fd, bytes + done, size - done, 0, 0);
		if (result == -EINTR)
			continue;
		if (result <= 0) {
			file->reason = result < 0 ? -result : EIO;
			break;
		}
		done += (size_t)result;
	}
	size_t whole = done;
	while (whole > 0 && whole < size && bytes[whole - 1] != '\n')
		whole--;
	if (whole < done) {
		struct statx found = {0};
		SYS(__NR_statx, file->fd, "", AT_EMPTY_PATH, STATX_SIZE, &found);
		/* Shrink only: somebody may have truncated the file, and growing it would fill it with zeros. */
		if (found.stx_size >= done - whole)
			SYS(__NR_ftruncate, file->fd, found.stx_size - (done - whole), 0, 0, 0);
	}
	file->size += whole;
	return whole;
}

static const char *reason_text(long reason)
{
	switch (reason) {
	case ENOSPC: return "no space left on device";
	case EDQUOT: return "disk quota exceeded";
	case EFBIG: return "file too large";
	case EROFS: return "read-only file system";
	case ENOENT: return "no such directory";
	case EIO: return "input/output error";
	default: return "the log file cannot be written";
	}
}

/* Say that a run begins; 0 when that could be written.  Only we can: a program's lines have F or P for a tag. */
static int announce(struct logfile *file)
{
	char note[NOTE];
	/* A program that is started again and again and says nothing must not make the file grow for ever. */
	if (file->size + NOTE > file->max_size)
		logfile_rotate(file);
	put_stamp(note);
	char *at = put_text(note + STAMP, " stderr F:start \n");
	if (append(file, note, (size_t)(at - note)) == 0)
		return -1;
	file->begun = 1;
	return 0;
}

/* Say how many lines are missing, where they are missing; 0 when that could be written. */
static int admit_drops(struct logfile *file)
{
	char note[NOTE];
	put_stamp(note);
	char *at = put_text(note + STAMP, " stderr F kukelog: ");
	at = put_number(at, file->dropped, 1);
	at = put_text(at, " lines dropped: ");
	at = put_text(at, reason_text(file->reason));
	*at++ = '\n';
	if (append(file, note, (size_t)(at - note)) == 0)
		return -1;
	file->dropped = 0;
	return 0;
}

/* Write what is pending; afterwards no line is, whether the disk took it or not. */
static void logfile_flush(struct logfile *file)
{
	size_t kept = 0;
	if (file->used == 0 && file->begun)
		return;
	if (file->fd < 0) {
		long result = logfile_open(file);
		if (result < 0)
			file->reason = -result;
	} else {
		logfile_check(file);
	}
	if (file->fd >= 0 && (file->begun || announce(file) == 0) && (file->dropped == 0 || admit_drops(file) == 0))
		kept = append(file, file->pending, file->used);
	for (size_t at = kept; at < file->used; at++)
		file->dropped += file->pending[at] == '\n';
	file->used = 0;
}

/* Add one line: `text` with its header, P when the program's line goes on and F when it ends here. */
static void logfile_add(struct logfile *file, const char *stamp, const char *stream, char tag, const char *text,
			size_t size)
{
	size_t needed = HEADER + size + 1;
	if (file->used + needed > PENDING)
		logfile_flush(file);
	if (file->size + file->used + needed > file->max_size)
		logfile_flush(file);
	/* Asked again: the flush may have written nothing. */
	if (file->used == 0 && file->size > 0 && file->fd >= 0 && file->size + needed > file->max_size) {
		long result = logfile_rotate(file);
		if (result < 0 && file->size + needed > 2 * file->max_size) {
			file->reason = -result;
			file->dropped++;
			return;
		}
	}
	char *at = file->pending + file->used;
	memcpy(at, stamp, STAMP);
	at[STAMP] = ' ';
	memcpy(at + STAMP + 1, stream, 6);
	at[STAMP + 7] = ' ';
	at[STAMP + 8] = tag;
	at[STAMP + 9] = ' ';
	memcpy(at + HEADER, text, size);
	at[HEADER + size] = '\n';
	file->used += needed;
}

#endif
