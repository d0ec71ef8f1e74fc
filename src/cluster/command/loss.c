#include "cluster/command/loss.h"

#include <stdio.h>
#include <string.h>

#include "store/history_sha.h"

/* Does DATA's history begin with that? */
static bool data_has(const struct begin *b, const struct batch_head *head)
{
	char text[SHA_TEXT + 1];
	struct sha256_ctx sha;

	if (head->off > b->head.off || history_sha(b->log, &disk_posix, head->off, &sha) < 0)
		return false;
	sha_text(&sha, text);
	return strcmp(text, head->sha) == 0;
}

/* Did the engine's go on from DATA's? It can be told where a batch begins there. */
static bool engine_went_on(const struct begin *b)
{
	return b->seen.at.sha[0] && batch_head_is(&b->seen.at, &b->head);
}

static void say_engine(const struct begin *b)
{
	unsigned long long had = b->seen.head.off, has = b->head.off;

	if (!b->seen.has_head)
		puts("The engine knew nothing of how far it was.");
	else if (had > has)
		printf("LOST: the engine had %llu bytes, %llu more than DATA%s.\n", had, had - has,
		       b->seen.at.sha[0] && !engine_went_on(b) ? ", and other ones" : "");
	else if (data_has(b, &b->seen.head))
		printf("Nothing that the engine had is lost: its %llu bytes are in DATA.\n", had);
	else
		printf(
		    "LOST: the engine had %llu bytes that are not those of DATA: it was another history.\n",
		    had);
}

void loss_say(const struct begin *b)
{
	say_engine(b);
	for (size_t i = 0; i < b->seen.n_members; i++) {
		const struct seen_member *m = &b->seen.members[i];
		if (m->position > b->head.off)
			printf("LOST here, but for DATA of machine %s, %s: it had %llu bytes, %llu more.\n",
			       m->machine, m->where, (unsigned long long)m->position,
			       (unsigned long long)(m->position - b->head.off));
	}
}
