#include "cluster/etcd/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Three bytes, the first of them the highest. */
static void write_four(char *at, uint32_t bits)
{
	at[0] = digits[bits >> 18];
	at[1] = digits[bits >> 12 & 63];
	at[2] = digits[bits >> 6 & 63];
	at[3] = digits[bits & 63];
}

void base64_add(struct buf *out, struct slice bytes)
{
	const unsigned char *in = (const unsigned char *)bytes.data;
	size_t whole = bytes.len / 3 * 3, rest = bytes.len - whole;

	if (bytes.len == 0 || buf_reserve(out, whole / 3 * 4 + 4) < 0)
		return;
	char *at = out->data + out->len;
	for (size_t i = 0; i < whole; i += 3, at += 4)
		write_four(at, (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2]);
	if (rest > 0) {
		uint32_t second = rest > 1 ? in[whole + 1] : 0;
		write_four(at, (uint32_t)in[whole] << 16 | second << 8);
		at[3] = '=';
		if (rest == 1)
			at[2] = '=';
		at += 4;
	}
	out->len = (size_t)(at - out->data);
}

/* A digit's value and one, so that what is none is 0. */
/* clang-format off */
static const unsigned char values[256] = {
	['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
	['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
	['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
	['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
	['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
	['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
	['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};
/* clang-format on */

/* The bits of `n` digits, the rest as zeros. False: one of them is none. */
static bool read_four(const unsigned char *in, unsigned n, uint32_t *ret)
{
	bool good = true;

	*ret = 0;
	for (unsigned i = 0; i < 4; i++) {
		unsigned value = i < n ? values[in[i]] : 1;
		good &= value > 0;
		*ret = *ret << 6 | ((value - 1) & 63);
	}
	return good;
}

bool base64_decode(char *text, size_t *len)
{
	const unsigned char *in = (const unsigned char *)text;
	size_t n = *len, padding = 0;
	char *out = text;
	uint32_t bits;

	if (n % 4 != 0)
		return false;
	while (padding < 2 && padding < n && in[n - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < n; i += 4) {
		unsigned here = i + 4 == n ? 4 - (unsigned)padding : 4;
		if (!read_four(in + i, here, &bits))
			return false;
		*out++ = (char)(bits >> 16);
		if (here > 2)
			*out++ = (char)(bits >> 8);
		if (here > 3)
			*out++ = (char)bits;
	}
	*len = (size_t)(out - text);
	return true;
}
