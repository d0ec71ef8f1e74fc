/* How many a sync waits for where many write at once. It costs the same for one line and for ten. On a quick
 * disk only a few come while another one is on its way, though more are about to: each of a crowd that opens,
 * writes and closes has other requests to make first. So a sync waits for as many as came together before:
 * for one more after a while, for fewer when they don't come. Who writes alone, or in turns with another, is
 * not waited for.
 *
 * Pure; one thread. */
#pragma once

#define GATHER_MOST 16 /* it waits for no more than that */

struct gather {
	unsigned wanted;        /* 0: there is no crowd */
	unsigned alarms;        /* so often three have come together since the last one, */
	unsigned alarms_wanted; /* and so often makes one: more where there was none in the end */
	unsigned reached;       /* so often in a row as many came as were wanted, since it is that many */
	unsigned enough;        /* so often, and one more is wanted */
};

/* 0: whatever there is. */
static inline unsigned gather_wanted(const struct gather *g)
{
	return g->wanted;
}

/* So many came together who are waited for, and `others` who are not, yet. (GATHER_MOST: or more.) */
void gather_note(struct gather *g, unsigned n, unsigned others);
