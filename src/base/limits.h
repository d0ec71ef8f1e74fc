/* Every limit in one place. Sizes in bytes. */
#pragma once

#define LIMIT_LINE (16u << 20)   /* longest stored line without its newline, by default */
#define LIMIT_TS 253402300799u   /* the last second of the year 9999: a later time is in another unit */
#define LIMIT_DEPTH 127          /* nesting of an event, its own braces counted */
#define LIMIT_WRITE (1u << 20)   /* one FUSE write request */
#define LIMIT_REJECTED 1000      /* refused lines that are remembered */
#define LIMIT_REJECTED_LINE 4096 /* of a refused line, this much is kept */
#define LIMIT_REASONS 64         /* for which lines were refused that are counted apart */
#define LIMIT_QUEUE (8u << 20)   /* lines queued for the disk before writers wait */
#define LIMIT_NAME 64            /* longest view name */
#define LIMIT_FRAME (1u << 20)   /* lines in one archive frame, about */
#define LIMIT_ROTATE (64u << 20) /* active log that starts a rotation, by default */
