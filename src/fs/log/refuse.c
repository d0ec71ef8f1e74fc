#include "fs/log/refuse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "fs/mount.h"

static void note(struct mount *m, struct rejection rejection)
{
	rejection.time = clock_unix();
	rejected_add(&m->rejected, &rejection);
	mtime_note_rejected(m);
	follow_rejected_changed(m);
}

void refuse_line(struct mount *m, pid_t pid, int error, const struct json_error *why, struct slice line)
{
	note(m, (struct rejection){
		    .error = -error,
		    .why = why->why,
		    .column = why->at + 1,
		    .pid = pid,
		    .bytes = line.len,
		    .line = line,
		});
}

void refuse_refusal(struct mount *m, pid_t pid, const struct refusal *r)
{
	if (r->error)
		note(m, (struct rejection){
			    .error = -r->error,
			    .why = r->why.why,
			    .column = r->why.at + 1,
			    .pid = pid,
			    .bytes = r->bytes,
			    .line = buf_slice(&r->head),
			});
}

/* Whole stored lines: the newline is not theirs. */
static void refuse_stored(struct mount *m, pid_t pid, int error, const char *why, const char *text,
			  struct slice lines)
{
	lines.len--;
	note(m, (struct rejection){
		    .error = -error,
		    .why = why,
		    .text = text,
		    .column = 1,
		    .pid = pid,
		    .bytes = lines.len,
		    .line = lines,
		});
}

/* What a rule refuses is counted by its name, with which the reason begins. */
static void count_by_rule(const char *said, char *ret, size_t size)
{
	snprintf(ret, size, "rule %.*s", (int)strcspn(said, ":"), said);
}

void refuse_decided(struct mount *m, pid_t pid, const struct verdict *v, size_t stored)
{
	char counted[LIMIT_NAME + 8];
	size_t i = 0;

	if (v->said)
		count_by_rule(v->said, counted, sizeof(counted));
	while (v->units[i].stored <= stored)
		i++;
	refuse_stored(m, pid, v->error, v->said ? counted : v->why, v->said ? v->said : v->text,
		      (struct slice){v->brought.data + stored, v->units[i].stored - stored});
}

void refuse_moved(struct mount *m, pid_t pid, struct slice lines, const struct log_pos *head)
{
	static const char why[] = "the head has moved on";
	auto_buf struct buf text = {0};

	buf_printf(&text, "%s, to ", why);
	log_pos_text(head, &text);
	buf_add_char(&text, '\0');
	refuse_stored(m, pid, -ESTALE, why, buf_error(&text) < 0 ? NULL : text.data, lines);
}
