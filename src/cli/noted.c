#include "cli/noted.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/plural.h"

#define CHUNK_BYTES (1u << 20)

void notes_deinit(struct notes *notes)
{
	free(notes->list);
}

/* The next word of a line; empty at its end. */
static struct slice next_word(struct slice *line)
{
	static const char between[] = " \t\r:";
	size_t from = 0, to;

	while (from < line->len && memchr(between, line->data[from], sizeof(between) - 1))
		from++;
	for (to = from; to < line->len && !memchr(between, line->data[to], sizeof(between) - 1);)
		to++;
	struct slice word = {line->data + from, to - from};
	*line = slice_skip(*line, to);
	return word;
}

static bool is_hex(struct slice word, size_t digits)
{
	for (size_t i = 0; i < word.len; i++)
		if (!memchr("0123456789abcdef", word.data[i], 16))
			return false;
	return word.len == digits;
}

static bool parse_offset(struct slice word, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9' || __builtin_mul_overflow(*ret, 10, ret) ||
		    __builtin_add_overflow(*ret, (uint64_t)(word.data[i] - '0'), ret))
			return false;
	}
	return word.len > 0;
}

static bool parse(struct slice text, struct noted *ret)
{
	struct slice words[4];

	for (size_t i = 0; i < countof(words); i++)
		words[i] = next_word(&text);
	struct slice off = words[0], sha = words[1];
	if (words[2].len > 0) {
		sha = words[2];
		if (!is_hex(words[1], 16))
			return false;
	} else if (words[0].len == SHA_TEXT) {
		off = words[1];
		sha = words[0];
	}
	if (words[3].len > 0 || !is_hex(sha, SHA_TEXT) || !parse_offset(off, &ret->off))
		return false;
	memcpy(ret->sha, sha.data, SHA_TEXT);
	return true;
}

int notes_add(struct notes *notes, struct slice text)
{
	struct noted noted = {0};

	if (!parse(text, &noted))
		return 1;
	if (!list_room(notes->list, notes->n, notes->cap, 16))
		return -ENOMEM;
	notes->list[notes->n++] = noted;
	return 0;
}

bool notes_read(struct notes *notes, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line auto_free = NULL;
	size_t size = 0, number = 0;
	ssize_t len;
	int r = 0;

	if (!file) {
		fprintf(stderr, "eventfold: cannot open %s: %s\n", path, strerror(errno));
		return false;
	}
	errno = 0;
	while (r == 0 && (len = getline(&line, &size, file)) > 0) {
		struct slice text = {line, (size_t)len - (line[len - 1] == '\n')}, rest = text;
		number++;
		if (next_word(&rest).len > 0 && text.data[0] != '#')
			r = notes_add(notes, text);
	}
	if (r == 0 && ferror(file))
		r = errno ? -errno : -EIO;
	fclose(file);
	if (r > 0)
		fprintf(stderr,
			"eventfold: %s:%zu: it is no head: OFFSET:SHA256 is wanted, or OFFSET HASH SHA256\n",
			path, number);
	else if (r < 0)
		fprintf(stderr, "eventfold: cannot read %s: %s\n", path, strerror(-r));
	return r == 0;
}

bool noted_hash(struct offline *log, struct sha256_ctx *sha, uint64_t *off, uint64_t end,
		struct progress *progress)
{
	char *data auto_free = malloc(CHUNK_BYTES);
	int r = data ? 0 : -ENOMEM;
	uint64_t skip;
	size_t n;

	while (r == 0 && *off < end) {
		r = reader_read(log->reader, *off, end, data, CHUNK_BYTES, &n, &skip);
		if (r != 0)
			break;
		sha256_update(sha, n, (const uint8_t *)data);
		*off += n;
		progress_add(progress, n);
	}
	if (r == 0)
		return true;
	progress_clear(progress);
	fflush(stdout);
	fprintf(stderr, "eventfold: offset %" PRIu64 ": cannot be read: %s\n", *off,
		r > 0 ? "the archive is damaged" : strerror(-r));
	return false;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct noted *)a)->off, y = ((const struct noted *)b)->off;

	return x < y ? -1 : x > y;
}

/* Which of them hold; true: the log could be read as far as it goes. */
static bool look_up(struct notes *notes, struct offline *log, struct progress *progress)
{
	char text[SHA_TEXT + 1];
	struct sha256_ctx sha;
	uint64_t off = 0;

	sha256_init(&sha);
	for (size_t i = 0; i < notes->n && notes->list[i].off <= log->head.off; i++) {
		struct noted *noted = &notes->list[i];
		if (!noted_hash(log, &sha, &off, noted->off, progress))
			return false;
		sha_text(&sha, text);
		noted->holds = strcmp(text, noted->sha) == 0;
	}
	return true;
}

/* Notes that do not hold, although one does that lies further on, are of another log, or wrong. */
static void print_wrong(const struct notes *notes, size_t last)
{
	for (size_t i = 0; i < last; i++)
		if (!notes->list[i].holds)
			printf("the head noted at %" PRIu64
			       " is none of this log, which is as noted at %" PRIu64 ": that note is wrong\n",
			       notes->list[i].off, notes->list[last].off);
}

/* `good`: the log is as it was up to there. */
static void print_differs(const struct noted *noted, const struct noted *good, uint64_t head)
{
	uint64_t from = good ? good->off : 0;

	if (noted->off > head)
		printf("the log ends at %" PRIu64 ", before the head noted at %" PRIu64 "\n", head,
		       noted->off);
	else
		printf("the log differs from what it was at the head noted at %" PRIu64 "\n", noted->off);
	if (good)
		printf("it is as it was up to the head noted at %" PRIu64 "\n", from);
	if (noted->off <= head)
		printf("what has changed first lies in the bytes from %" PRIu64 " to %" PRIu64 "\n", from,
		       noted->off);
}

bool notes_check(struct notes *notes, struct offline *log, struct progress *progress)
{
	size_t good = 0, holding = 0; /* the last that holds, counted from 1; how many do */

	qsort(notes->list, notes->n, sizeof(*notes->list), compare);
	bool read = look_up(notes, log, progress);
	progress_clear(progress);
	for (size_t i = 0; i < notes->n; i++) {
		if (!notes->list[i].holds)
			continue;
		good = i + 1;
		holding++;
	}
	if (good > 0)
		print_wrong(notes, good - 1);
	const struct noted *last = good > 0 ? &notes->list[good - 1] : NULL;
	if (!read && last)
		printf("the log is as it was up to the head noted at %" PRIu64 "\n", last->off);
	else if (read && good < notes->n)
		print_differs(&notes->list[good], last, log->head.off);
	if (holding == notes->n)
		printf("%zu head%s, the last at %" PRIu64 ": the log has them all\n", notes->n,
		       plural(notes->n), last ? last->off : 0);
	return holding == notes->n;
}
