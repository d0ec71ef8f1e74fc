#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

static double since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

void progress_begin(struct progress *p, const char *what, uint64_t total)
{
	*p = (struct progress){.what = what, .total = total, .terminal = isatty(2)};
	clock_gettime(CLOCK_MONOTONIC, &p->begin);
	p->shown = p->begin;
}

void progress_add(struct progress *p, uint64_t bytes)
{
	p->done += bytes;
	if (!p->terminal || since(&p->shown) < 0.1)
		return;
	clock_gettime(CLOCK_MONOTONIC, &p->shown);
	double seconds = since(&p->begin);
	double rate = (double)p->done / seconds;
	double left = rate > 0 ? (double)(p->total - p->done) / rate : 0;
	int filled = p->total ? (int)(30 * p->done / p->total) : 30;
	fprintf(stderr, "\r%s [%.*s%*s] %3d %%  %.0f MB/s  %.0f s left \033[K", p->what, filled,
		"##############################", 30 - filled, "",
		p->total ? (int)(100 * p->done / p->total) : 100, rate / 1e6, left);
}

void progress_clear(struct progress *p)
{
	if (p->terminal)
		fputs("\r\033[K", stderr);
}
