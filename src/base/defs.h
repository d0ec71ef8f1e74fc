/* What every file needs: attributes, scoped clean-up, small arithmetic.
 *
 * Results. Functions that can fail return int: 0, a negative errno (the environment failed: pass it
 * on), or a positive value that the function documents (a result: handle it, never pass it on). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define must_check __attribute__((warn_unused_result))
#define printf_like(fmt, first) __attribute__((format(printf, fmt, first)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define countof(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
/* clang-format on */

/* Scoped clean-up: cleanup(fn) calls fn(&variable) when the variable leaves its scope. */
#define cleanup(fn) __attribute__((cleanup(fn)))

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define auto_free cleanup(freep)
#define auto_close cleanup(closep)

/* Gives away what a scoped variable owns: returns it and leaves NULL or -1 behind. */
/* clang-format off */
#define take_ptr(p) ({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })
/* clang-format on */
static inline int take_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

/* Room for one more in a list on the heap that has `n` and room for `cap`: that is doubled, and begins with
 * `least`. False: no memory, and all is as it was. */
#define list_room(list, n, cap, least)                                                                       \
	({                                                                                                   \
		size_t cap_ = (n) < (cap) ? 0 : (cap) ? 2 * (size_t)(cap) : (least);                         \
		void *list_ = cap_ ? reallocarray((list), cap_, sizeof(*(list))) : (list);                   \
		if (cap_ && list_) {                                                                         \
			(list) = list_;                                                                      \
			(cap) = cap_;                                                                        \
		}                                                                                            \
		list_ != NULL;                                                                               \
	})

/* clang-format off */
#define min(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
/* clang-format on */
