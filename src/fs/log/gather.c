#include "fs/log/gather.h"

#include "base/defs.h"

#define CROWD 3        /* that many are one */
#define ENOUGH_LEAST 8 /* a wait for one who does not come costs as much as a few syncs */
#define ENOUGH_MOST 512
#define ALARMS_MOST 64

static void came(struct gather *g)
{
	g->reached++;
	/* One more was no mistake. */
	if (g->reached == 1)
		g->enough = max(g->enough / 2, (unsigned)ENOUGH_LEAST);
	if (g->reached < g->enough)
		return;
	g->alarms_wanted = 1;
	if (g->wanted == GATHER_MOST)
		return;
	g->wanted++;
	g->reached = 0;
}

static void did_not_come(struct gather *g, unsigned n)
{
	if (g->reached == 0)
		g->enough = min(g->enough * 2, (unsigned)ENOUGH_MOST);
	/* By chance, or have they gone? */
	g->wanted = n > g->wanted / 2 ? g->wanted - 1 : n;
	g->reached = 1;
	/* It was no crowd, or is none any more. */
	if (g->wanted < CROWD)
		*g = (struct gather){
		    .enough = g->enough,
		    .alarms_wanted = min(g->alarms_wanted * 2, (unsigned)ALARMS_MOST),
		};
}

void gather_note(struct gather *g, unsigned n, unsigned others)
{
	if (g->wanted > 0 && n >= g->wanted)
		return came(g);
	if (g->wanted > 0)
		return did_not_come(g, n);
	g->alarms_wanted = max(g->alarms_wanted, 1u);
	if (n < 2 || n + others < CROWD || ++g->alarms < g->alarms_wanted)
		return;
	g->wanted = max(n, (unsigned)CROWD);
	g->alarms = 0;
	g->reached = 1;
	g->enough = max(g->enough, (unsigned)ENOUGH_LEAST);
}
