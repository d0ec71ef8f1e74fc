/* Functions of numbers, and of the calendar in UTC. */
#include "model/host/jq/functions.h"

#include <limits.h>
#include <math.h>
#include <time.h>

#include "model/host/jq/text.h"

struct val f_infinite(struct run *m, struct val *a)
{
	val_free(a[0]);
	return number(m, INFINITY);
}

struct val f_nan(struct run *m, struct val *a)
{
	val_free(a[0]);
	return number(m, NAN);
}

static struct val is_number(struct val v, bool answer)
{
	bool number = v.kind == VAL_NUMBER;

	val_free(v);
	return val_bool(number && answer);
}

struct val f_isinfinite(struct run *m, struct val *a)
{
	return is_number(a[0], a[0].kind == VAL_NUMBER && isinf(a[0].u.number));
}

struct val f_isnan(struct run *m, struct val *a)
{
	return is_number(a[0], a[0].kind == VAL_NUMBER && isnan(a[0].u.number));
}

struct val f_isnormal(struct run *m, struct val *a)
{
	return is_number(a[0], a[0].kind == VAL_NUMBER && isnormal(a[0].u.number));
}

static struct val of_one(struct run *m, struct val *a, double (*f)(double))
{
	return a[0].kind == VAL_NUMBER ? number(m, f(a[0].u.number)) : fail_kind(m, a[0], "number required");
}

static struct val of_two(struct run *m, struct val *a, double (*f)(double, double))
{
	val_free(a[0]);
	for (int i = 1; i <= 2; i++)
		if (a[i].kind != VAL_NUMBER) {
			val_free(a[3 - i]);
			return fail_kind(m, a[i], "number required");
		}
	return number(m, f(a[1].u.number, a[2].u.number));
}

/* clang-format off */
#define OF_ONE(X) \
	X(floor) X(ceil) X(round) X(trunc) X(rint) X(nearbyint) X(fabs) X(sqrt) X(cbrt) X(exp) X(exp2) \
	X(exp10) X(expm1) X(log) X(log2) X(log10) X(log1p) X(logb) X(sin) X(cos) X(tan) X(asin) X(acos) \
	X(atan) X(sinh) X(cosh) X(tanh) X(asinh) X(acosh) X(atanh) X(significand)
#define OF_TWO(X) \
	X(pow) X(atan2) X(fmin) X(fmax) X(fmod) X(hypot) X(copysign) X(fdim) X(remainder) X(drem)

#define DEFINE_ONE(f) static struct val f_##f(struct run *m, struct val *a) { return of_one(m, a, f); }
#define DEFINE_TWO(f) static struct val f_##f(struct run *m, struct val *a) { return of_two(m, a, f); }
#define ROW_ONE(f) {.name = #f, .arity = 0, .call = f_##f},
#define ROW_TWO(f) {.name = #f, .arity = 2, .call = f_##f},

OF_ONE(DEFINE_ONE)
OF_TWO(DEFINE_TWO)

static const struct builtin functions[] = { OF_ONE(ROW_ONE) OF_TWO(ROW_TWO) };
/* clang-format on */

const struct builtin *math_find(struct slice name, unsigned arity)
{
	for (size_t i = 0; i < countof(functions); i++)
		if (functions[i].arity == arity && slice_eq(name, slice_of(functions[i].name)))
			return &functions[i];
	return NULL;
}

/* The calendar. */

static int64_t seconds_of(double x)
{
	return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}

struct val f_gmtime(struct run *m, struct val *a)
{
	if (a[0].kind != VAL_NUMBER) {
		val_free(a[0]);
		return fail_value(m, val_text("gmtime() requires numeric inputs"));
	}
	double seconds = a[0].u.number;
	time_t whole = seconds_of(seconds);
	struct tm tm = {0};

	if (!gmtime_r(&whole, &tm))
		return fail_value(m, val_text("errror converting number of seconds since epoch to datetime"));
	const double parts[] = {tm.tm_year + 1900.0, tm.tm_mon, tm.tm_mday,
				tm.tm_hour,          tm.tm_min, tm.tm_sec + (seconds - floor(seconds)),
				tm.tm_wday,          tm.tm_yday};
	struct val broken_down = val_array(countof(parts));
	for (size_t i = 0; i < countof(parts); i++)
		broken_down = val_push(broken_down, number(m, parts[i]));
	return broken_down;
}

static bool part_of(struct val array, uint32_t i, int *ret)
{
	if (i >= val_length(array) || val_at(array, i)->kind != VAL_NUMBER)
		return false;
	double x = val_at(array, i)->u.number;
	*ret = x > -2147483649.0 && x < 2147483648.0 ? (int)x : INT_MIN;
	return true;
}

static bool to_tm(struct val array, struct tm *tm)
{
	int year;

	*tm = (struct tm){0};
	if (!part_of(array, 0, &year) || !part_of(array, 1, &tm->tm_mon) ||
	    !part_of(array, 2, &tm->tm_mday) || !part_of(array, 3, &tm->tm_hour) ||
	    !part_of(array, 4, &tm->tm_min) || !part_of(array, 5, &tm->tm_sec) ||
	    !part_of(array, 6, &tm->tm_wday) || !part_of(array, 7, &tm->tm_yday))
		return false;
	tm->tm_year = (int)((unsigned)year - 1900u);
	return true;
}

/* The format is the program's: what it says is harmless. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static size_t format_time(char *out, size_t room, const char *format, const struct tm *tm)
{
	return strftime(out, room, format, tm);
}
#pragma GCC diagnostic pop

struct val f_strftime(struct run *m, struct val *a)
{
	struct val result = VAL(VAL_NONE);
	struct tm tm;

	if (a[0].kind == VAL_NUMBER)
		a[0] = f_gmtime(m, a);
	else if (a[0].kind != VAL_ARRAY)
		fail(m, val_text("strftime/1 requires parsed datetime inputs"));
	if (m->failed) {
		val_free(a[0]);
		val_free(a[1]);
		return result;
	}
	if (a[1].kind != VAL_STRING) {
		fail(m, val_text("strftime/1 requires a string format"));
	} else if (!to_tm(a[0], &tm)) {
		fail(m, val_text("strftime/1 requires parsed datetime inputs"));
	} else {
		const char *format = a[1].u.string->data;
		size_t room = strlen(format) + 100;
		char *text = val_alloc(room);
		size_t n = format_time(text, room, format, &tm);
		if (n > 0)
			result = val_message("%s", text);
		else
			fail(m, val_text("strftime/1: unknown system failure"));
		free(text);
	}
	val_free(a[0]);
	val_free(a[1]);
	return result;
}
