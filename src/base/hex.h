/* Hexadecimal digits, and bytes that are written with them. */
#pragma once

/* What the digit stands for, in either case; -1: it is none. */
static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte, or the %xx, at *at, which goes on behind it; -1: it is half of one. */
static inline int percent_next(const char **at)
{
	const char *p = *at;

	if (*p != '%') {
		*at = p + 1;
		return (unsigned char)*p;
	}
	int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
	if (low < 0)
		return -1;
	*at = p + 3;
	return high << 4 | low;
}
