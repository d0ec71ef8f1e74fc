#include "base/clock.h"
#include "check.h"

static time_t seconds;

/* In the place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
	*ret = (struct timespec){.tv_sec = seconds, .tv_nsec = 5};
	return 0;
}

int main(void)
{
	seconds = 1700000000;
	CHECK_INT(clock_unix(), 1700000000);
	CHECK_INT(clock_ns(), 1700000000000000005);
	/* A board without a battery, or a clock that was set wrong. */
	seconds = -12345;
	CHECK_INT(clock_unix(), 0);
	return 0;
}
