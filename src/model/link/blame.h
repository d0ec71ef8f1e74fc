/* Whose fault the end of a worker was, as far as can be seen from outside. */
#pragma once

enum worker_blame {
	BLAME_VIEW,    /* that of the view that was running */
	BLAME_PROVEN,  /* that of the view that is named, whoever else there was */
	BLAME_MEMORY,  /* the view that was running, or any other, took too much */
	BLAME_UNKNOWN, /* one of those that it has */
	BLAME_OUTSIDE, /* somebody else's */
};
