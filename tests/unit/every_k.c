/* every_k REDUCER LOG: a state may be saved and read back after any event. For each k: the state after the
 * first k lines of the log, through a snapshot's text, then the rest of the lines, must be the state after
 * all of them. Prints that state. (The sameness of whole processes is the mount tests' business; this one can
 * afford every k.) */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "model/engine/fold.h"
#include "model/engine/snapshot.h"

static struct buf read_file(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf text = {0};
	struct stat st;

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK_INT(buf_reserve(&text, (size_t)st.st_size), 0);
	CHECK_INT(read(fd, text.data, (size_t)st.st_size), st.st_size);
	text.len = (size_t)st.st_size;
	return text;
}

static struct reducer *load(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum reducer_kind kind;
	struct diag diag = {0};
	struct slice stem;
	struct reducer *r;

	CHECK(fd >= 0 && reducer_kind_of(path, &kind, &stem));
	int result = reducer_load(&r, kind, fd, &diag);
	CHECK_STR(diag.text, "");
	CHECK_INT(result, 0);
	return r;
}

static void feed(struct fold *f, struct view *v, struct slice lines)
{
	struct log_pos pos = v->pos;

	fold_block(f, &v, 1, &pos, lines);
	CHECK_STR(v->why.text, "");
}

static void write_state(struct fold *f, struct view *v, struct buf *ret)
{
	buf_clear(ret);
	CHECK_INT(view_write(v, f->mark, ret), 0);
}

/* Its state from there, as the worker makes it. */
static void restore(struct view *v, const struct log_pos *pos, struct slice state)
{
	const struct snapshot s = {.pos = *pos, .offset = pos->off, .state = state};
	auto_buf struct buf text = {0};
	struct diag diag = {0};
	struct snapshot got;

	CHECK_INT(snapshot_write(&s, &text), 0);
	CHECK_INT(snapshot_parse(buf_slice(&text), &got, &diag), 0);
	CHECK_INT(v->reducer->class->read(v->reducer, got.state, &diag), 0);
	v->pos = got.pos;
}

int main(int argc, char **argv)
{
	auto_buf struct buf whole = {0}, state = {0}, again = {0};
	struct fold_mark mark = {0};
	struct log_pos start = {0};
	struct view all, part;
	struct fold f;
	unsigned k = 0;

	CHECK(argc == 3);
	struct buf log = read_file(argv[2]);
	struct slice lines = buf_slice(&log);
	fold_init(&f, &mark);
	view_init(&part, 1, load(argv[1]), &start);
	feed(&f, &part, lines);
	write_state(&f, &part, &whole);

	view_init(&all, 2, load(argv[1]), &start);
	for (size_t at = 0;; k++) {
		write_state(&f, &all, &state);
		restore(&part, &all.pos, buf_slice(&state));
		write_state(&f, &part, &again);
		CHECK_MEM(again.data, again.len, state.data, state.len);
		feed(&f, &part, (struct slice){lines.data + at, lines.len - at});
		write_state(&f, &part, &again);
		if (again.len != whole.len || memcmp(again.data, whole.data, whole.len) != 0)
			fprintf(stderr, "after the first %u events:\n", k);
		CHECK_MEM(again.data, again.len, whole.data, whole.len);
		if (at == lines.len)
			break;
		const char *newline = memchr(lines.data + at, '\n', lines.len - at);
		CHECK(newline);
		size_t next = (size_t)(newline - lines.data) + 1;
		feed(&f, &all, (struct slice){lines.data + at, next - at});
		at = next;
	}
	printf("%u\n%.*s\n", k, (int)whole.len, whole.data);
	view_deinit(&all);
	view_deinit(&part);
	fold_deinit(&f);
	buf_deinit(&log);
	return 0;
}
