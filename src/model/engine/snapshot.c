#include "model/engine/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/json.h"
#include "base/limits.h"

#define SUM_KEY ",\"sum\":\""

/* The end of a file: ,"sum":"0123456789abcdef"}\n */
#define SUM_LEN (sizeof(SUM_KEY) - 1 + 16 + 3)

static void add_hash(struct buf *out, const char *key, uint64_t hash)
{
	buf_add_str(out, key);
	buf_add_hex64(out, hash);
	buf_add_char(out, '"');
}

int snapshot_write(const struct snapshot *s, struct buf *out)
{
	size_t begin = out->len;

	buf_add_str(out, "{\"state\":");
	buf_add_slice(out, s->state);
	buf_printf(out, ",\"offset\":%llu,\"hash\":\"", (unsigned long long)s->offset);
	if (s->pos.off > 0)
		buf_add_hex64(out, s->pos.hash);
	buf_add_char(out, '"');
	add_hash(out, ",\"eventfold\":{\"version\":1,\"reducer\":\"", s->reducer);
	buf_printf(out, ",\"position\":%llu,\"events\":%llu", (unsigned long long)s->pos.off,
		   (unsigned long long)s->pos.seq);
	if (s->changed)
		buf_printf(out, ",\"changed\":%llu", (unsigned long long)s->changed);
	add_hash(out, ",\"checksum\":\"", s->checksum);
	if (s->holes.n > 0) {
		buf_add_str(out, ",\"incomplete\":true,\"missing\":");
		holes_write(&s->holes, out);
	}
	buf_add_char(out, '}');
	if (!out->failed)
		add_hash(out, SUM_KEY, log_hash((struct slice){out->data + begin, out->len - begin}));
	buf_add_str(out, "}\n");
	return buf_error(out);
}

static bool parse_hex(struct slice s, uint64_t *ret)
{
	uint64_t value = 0;

	if (s.len != 16)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		const char *digits = "0123456789abcdef",
			   *found = s.data[i] ? strchr(digits, s.data[i]) : NULL;
		if (!found)
			return false;
		value = value << 4 | (uint64_t)(found - digits);
	}
	*ret = value;
	return true;
}

/* A raw string of 16 hex digits, quotes included. */
static bool to_hash(struct slice raw, uint64_t *ret)
{
	return raw.len == 18 && raw.data[0] == '"' && parse_hex((struct slice){raw.data + 1, 16}, ret);
}

static bool get_hash(struct slice raw, const char *pointer, uint64_t *ret)
{
	struct slice value;

	return json_find(raw, pointer, &value) && to_hash(value, ret);
}

static bool get_number(struct slice raw, const char *pointer, uint64_t *ret)
{
	struct slice value;

	return json_find(raw, pointer, &value) && json_to_uint64(value, ret);
}

/* The file's own members, raw. */
struct members {
	struct slice state, offset, hash, eventfold;
};

/* In one walk, since the state may be large. */
static struct members find_members(struct slice text)
{
	struct json_iter it = json_iterate(text);
	struct members m = {0};
	struct slice key, value;

	while (json_next(&it, &key, &value)) {
		if (slice_eq(key, SLICE("state")))
			m.state = value;
		else if (slice_eq(key, SLICE("offset")))
			m.offset = value;
		else if (slice_eq(key, SLICE("hash")))
			m.hash = value;
		else if (slice_eq(key, SLICE("eventfold")))
			m.eventfold = value;
	}
	return m;
}

static int check_sum(struct slice text, struct diag *diag)
{
	uint64_t sum;

	if (text.len <= SUM_LEN ||
	    memcmp(text.data + text.len - SUM_LEN, SUM_KEY, sizeof(SUM_KEY) - 1) != 0 ||
	    memcmp(text.data + text.len - 3, "\"}\n", 3) != 0)
		return diag_set(diag, 1, "it was written by another program");
	struct slice digits = {text.data + text.len - SUM_LEN + sizeof(SUM_KEY) - 1, 16};
	if (!parse_hex(digits, &sum) || sum != log_hash((struct slice){text.data, text.len - SUM_LEN}))
		return diag_set(diag, 1, "it is damaged: its sum is wrong");
	return 0;
}

static int read_members(struct slice text, struct snapshot *ret, struct diag *diag)
{
	struct members m = find_members(text);
	struct slice incomplete, missing;
	uint64_t version = 0;

	if (!get_number(m.eventfold, "/version", &version) || version != 1)
		return diag_set(diag, 1, "it was written by another version of this program");
	*ret = (struct snapshot){.state = m.state};
	if (!get_number(m.eventfold, "/changed", &ret->changed))
		ret->changed = 0; /* an earlier version did not say it */
	/* An earlier version did not say what is missing. */
	if (json_find(m.eventfold, "/incomplete", &incomplete) &&
	    !(json_find(m.eventfold, "/missing", &missing) && holes_read(missing, &ret->holes)))
		return diag_set(diag, 1, "a part of the log could not be read when it was made");
	if (!m.state.data || !json_to_uint64(m.offset, &ret->offset) ||
	    !get_number(m.eventfold, "/position", &ret->pos.off) ||
	    !get_number(m.eventfold, "/events", &ret->pos.seq) ||
	    !get_hash(m.eventfold, "/reducer", &ret->reducer) ||
	    !get_hash(m.eventfold, "/checksum", &ret->checksum) ||
	    (ret->pos.off > 0 && !to_hash(m.hash, &ret->pos.hash)))
		return diag_set(diag, 1, "it lacks what a snapshot has");
	return 0;
}

int snapshot_parse(struct slice text, struct snapshot *ret, struct diag *diag)
{
	struct json_error error;

	int r = check_sum(text, diag);
	if (r != 0)
		return r;
	/* From here on the bytes are what this program wrote: a newer version of it, perhaps. A state may be
	 * nested deeper than an event. */
	if (!json_check(text, 10000, &error))
		return diag_set(diag, 1, "it is no JSON: %s at byte %zu", error.why, error.at);
	return read_members(text, ret, diag);
}

int snapshot_parse_trusted(struct slice text, struct snapshot *ret, struct diag *diag)
{
	int r = check_sum(text, diag);

	return r != 0 ? r : read_members(text, ret, diag);
}

bool snapshot_is_at_begin(struct slice text)
{
	uint64_t offset;

	return json_to_uint64(find_members(text).offset, &offset) && offset == 0;
}

/* Does the checksum over the active log hold? Where the log was rotated since, all that was folded lies in
 * the archive, and the archive's own checksums stand for it; or still in the sealed file. Asks for nothing
 * before pos.off, so that the sum can go on from one snapshot to the next. */
static int check_active(const struct snapshot *s, struct reader *reader, struct diag *diag)
{
	const uint64_t nothing = log_hash((struct slice){0});
	uint64_t checksum;

	if (s->offset > s->pos.off)
		return diag_set(diag, 1, "its offset is beyond its position");
	int r = reader_checksum_sealed(reader, s->pos.off - s->offset, s->pos.off, &checksum);
	if (r == 0 && checksum != s->checksum)
		return diag_set(diag, 1, "the log before it is not what it was folded from");
	if (r == -ERANGE)
		r = reader_checksum(reader, s->pos.off, &checksum);
	if (r < 0)
		return r == -ERANGE ? 0 : r;
	/* That of no bytes: the active log begins where the snapshot ends. */
	if (checksum != s->checksum && checksum != nothing)
		return diag_set(diag, 1, "the log before it is not what it was folded from");
	return 0;
}

int snapshot_check(const struct snapshot *s, struct reader *reader, uint64_t limit, struct diag *diag)
{
	struct log_pos pos = {0};

	if (s->pos.off > limit)
		return diag_set(diag, 1, "it has read further than the log goes");
	if (s->pos.off > 0) {
		int r = reader_seek_off(reader, s->pos.off, limit, &pos);
		if (r < 0)
			return r == -EBADMSG ? diag_set(diag, 1, "the log before it is damaged") : r;
		if (r > 0 || pos.hash != s->pos.hash || pos.seq != s->pos.seq)
			return diag_set(diag, 1, "the log is not the one it was folded from");
	}
	return check_active(s, reader, diag);
}

void snapshot_file_name(const char *view, char *ret)
{
	snprintf(ret, LIMIT_NAME + 32, "%s.snapshot.json", view);
}

int snapshot_open(int views_dirfd, const char *view)
{
	char name[LIMIT_NAME + 32];

	snapshot_file_name(view, name);
	int fd = openat(views_dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int snapshot_save(const struct snapshot *s, struct disk *disk, int views_dirfd, const char *view)
{
	auto_buf struct buf text = {0};
	char name[LIMIT_NAME + 32];

	int r = snapshot_write(s, &text);
	if (r < 0)
		return r;
	snapshot_file_name(view, name);
	return disk_replace(disk, views_dirfd, name, text.data, text.len, 0666);
}
