/* Numbers and times as text, and back: what a program without a C library has to bring along. */
#ifndef KUKEON_TEXT_H
#define KUKEON_TEXT_H

#include "sys.h"

#ifndef KUKEON_LIBC
/* The compiler may call these whatever the flags; gcc's manual, -ffreestanding. */
__attribute__((used)) void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	char *t = to;
	const char *f = from;
#if defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(t), "+S"(f), "+c"(size) : : "memory");
#else
	typedef uint64_t __attribute__((may_alias, aligned(1))) word;
	for (; size >= sizeof(word); size -= sizeof(word), t += sizeof(word), f += sizeof(word))
		*(word *)t = *(const word *)f;
	while (size--)
		*t++ = *f++;
#endif
	return to;
}

__attribute__((used)) void *memset(void *to, int byte, size_t size)
{
	for (char *t = to; size--;)
		*t++ = (char)byte;
	return to;
}
#else
void *memcpy(void *restrict to, const void *restrict from, size_t size);
#endif

static inline size_t text_length(const char *text)
{
	size_t length = 0;
	while (text[length])
		length++;
	return length;
}

static inline int text_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static inline char *put_text(char *at, const char *text)
{
	size_t length = text_length(text);
	memcpy(at, text, length);
	return at + length;
}

/* Write `value` with at least `width` digits; 20 bytes are always enough. */
static inline char *put_number(char *at, uint64_t value, int width)
{
	char digits[20];
	int count = 0;
	do
		digits[count++] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	while (count < width)
		digits[count++] = '0';
	while (count > 0)
		*at++ = digits[--count];
	return at;
}

/* The number that `text` is, held within bounds; `fallback` when it is none. */
static inline uint64_t number_within(const char *text, uint64_t least, uint64_t most, uint64_t fallback)
{
	uint64_t value = 0;
	if (!*text)
		return fallback;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return fallback;
		uint64_t digit = (uint64_t)(*text - '0');
		value = value > (most - digit) / 10 ? most : value * 10 + digit;
	}
	return value < least ? least : value > most ? most : value;
}

static inline int64_t monotonic_second(void)
{
	struct kernel_timespec now = {0, 0};
	SYS(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, &now, 0, 0, 0);
	return now.seconds;
}

enum { STAMP = 30 };

/* Write the time now as 2026-11-21T10:00:00.123456789Z, STAMP bytes. */
static inline void put_stamp(char *at)
{
	struct kernel_timespec now = {0, 0};
	SYS(__NR_clock_gettime, 0 /* CLOCK_REALTIME */, &now, 0, 0, 0);
	uint64_t seconds = now.seconds > 0 ? (uint64_t)now.seconds : 0;
	uint64_t days = seconds / 86400, second = seconds % 86400;
	/* Days are counted from a 1 March, so that the leap day is a year's last: 719468 days lie between 0000-03-01 and
	 * 1970-01-01, an era of 400 years has 146097, and five months from March on have 153. */
	uint64_t shifted = days + 719468, era = shifted / 146097, day_of_era = shifted % 146097;
	uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t month_from_march = (5 * day_of_year + 2) / 153;
	uint64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
	uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	uint64_t year = year_of_era + era * 400 + (month <= 2);
	if (year > 9999)
		year = 9999;
	at = put_number(at, year, 4);
	*at++ = '-';
	at = put_number(at, month, 2);
	*at++ = '-';
	at = put_number(at, day, 2);
	*at++ = 'T';
	at = put_number(at, second / 3600, 2);
	*at++ = ':';
	at = put_number(at, second / 60 % 60, 2);
	*at++ = ':';
	at = put_number(at, second % 60, 2);
	*at++ = '.';
	at = put_number(at, (uint64_t)now.nanoseconds, 9);
	*at = 'Z';
}

#endif
