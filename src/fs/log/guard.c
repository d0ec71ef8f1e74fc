#include "fs/log/guard.h"

#include "store/log.h"

void guard_log_add(struct guard_log *log, struct slice line)
{
	size_t n = atomic_load_explicit(&log->n, memory_order_relaxed);

	if (!guard_log_is_open(log))
		return;
	if (n == GUARD_LINES)
		return guard_log_close(log);
	log->lines[n].len = line.len;
	log->lines[n].hash = log_hash(line);
	atomic_store_explicit(&log->n, n + 1, memory_order_release);
}

void guard_log_close(struct guard_log *log)
{
	atomic_store_explicit(&log->ends, true, memory_order_relaxed);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* As it would be stored, if it was there before. */
static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_space(s.data[s.len - 1]))
		s.len--;
	while (s.len > 0 && is_space(*s.data)) {
		s.data++;
		s.len--;
	}
	return s;
}

void guard_watch(struct guard *g, const struct guard_log *log)
{
	size_t known = atomic_load_explicit(&log->n, memory_order_acquire);

	*g = (struct guard){
	    .state = known ? GUARD_WATCH : GUARD_OFF,
	    .known = known,
	    .only = known == 1 && guard_log_is_open(log),
	};
}

bool guard_line(struct guard *g, const struct guard_log *log, struct slice line, bool whole)
{
	size_t at = g->next;

	line = trim(line);
	if (line.len == 0)
		return true;
	if (g->other)
		return false;
	uint64_t hash = log_hash(line);
	while (at < g->known && (log->lines[at].len != line.len || log->lines[at].hash != hash))
		at++;
	if (at == g->known) {
		/* Half a line tells nothing, but that there is more behind the first one. */
		g->other = whole || g->begins;
		return false;
	}
	g->begins |= at == 0;
	g->next = at + 1;
	/* After two of them, what comes behind the last that is known is not looked at. */
	return ++g->matched < GUARD_ENOUGH && (g->matched < 2 || g->next < g->known);
}

bool guard_is_saving(const struct guard *g)
{
	if (g->other)
		return g->begins;
	return g->matched >= 2 || (g->matched == 1 && g->only);
}

void guard_written(struct guard *g, bool ends_in_line)
{
	if (g->state == GUARD_WATCH && (g->other || !ends_in_line))
		g->state = GUARD_OFF;
}
