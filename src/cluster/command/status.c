#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/plain.h"
#include "cluster/command/command.h"
#include "cluster/command/seen.h"

/* Of the member that has answered. */
static void say_engine(void *arg, const struct etcd_answer *a)
{
	const struct talk *t = arg;
	char version[32];

	plain_text(version, sizeof(version), slice_of(a->version), false);
	printf("engine  %s, etcd %s, %.1f MiB%s\n", etcd_endpoint(t->etcd), version,
	       (double)a->db_bytes / (1 << 20), a->leader ? "" : ", without a leader");
}

static void say_alarms(void *arg, const struct etcd_answer *a)
{
	if (a->alarm_full)
		puts("        it has no room: nothing is appended (see \"etcd's space\" in CLUSTER.md)");
}

static void say_machine(const struct seen_member *m, const struct seen *s)
{
	uint64_t now = clock_unix();

	printf("machine %s  %s\n", m->machine, m->registered ? m->where : "(forgotten)");
	printf("        %s", m->mounted ? "mounted" : "not mounted");
	if (m->registered)
		printf(", %" PRIu64 " bytes, %" PRIu64 " behind, seen %" PRIu64 " s ago", m->position,
		       s->has_head && s->head.off > m->position ? s->head.off - m->position : 0,
		       now > m->time ? now - m->time : 0);
	putchar('\n');
}

static void say_log(const struct seen *s)
{
	printf("head    %" PRIu64 ":%s\n", s->head.off, s->head.sha);
	if (s->n_batches == 0)
		puts("window  empty");
	else
		printf("window  from byte %" PRIu64 " on; batches: %" PRIu64 "\n", s->first, s->n_batches);
	printf("rules   %s\n", s->config[0] ? s->config : "of whoever comes first");
	for (size_t i = 0; i < s->n_members; i++)
		say_machine(&s->members[i], s);
}

static int status(struct talk *t, struct seen *s)
{
	if (!seen_get(t, 0, s))
		return 1;
	printf("log     %s\n", t->options.log);
	talk_status(t, say_engine, t);
	talk_alarms(t, say_alarms, NULL);
	if (s->has_head) {
		say_log(s);
		return 0;
	}
	fprintf(stderr, "eventfold: the engine has no log %s: eventfold cluster begin makes one\n",
		t->options.log);
	return 1;
}

int command_status(char **args)
{
	struct seen seen = {0};
	struct talk t;

	if (!talk_begin(&t, args[0]))
		return 1;
	int r = status(&t, &seen);
	seen_deinit(&seen);
	talk_end(&t);
	return r;
}
