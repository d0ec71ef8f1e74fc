/* The server's limits in one place. Sizes in bytes, times in milliseconds. */
#pragma once

#define WEB_CONNECTIONS 2048 /* at once; fewer where descriptors are short */
#define WEB_STRANGERS 512    /* of these, such as have not yet sent a whole request that is let in */
#define WEB_HEAD_MS                                                                                          \
	15000 /* for a request's whole head, from the connection's beginning or the last answer on */
#define WEB_BODY_MS 60000      /* for its whole body */
#define WEB_IDLE_S 60          /* seconds in which nothing of an answer was taken */
#define WEB_HEAD (32u << 10)   /* a request's head, and what an answer needs at a time */
#define WEB_STACK (256u << 10) /* a connection's thread */
#define WEB_BODY                                                                                             \
	((16u << 20) + 65536)     /* the body of an append: one longest line by default, and a little more */
#define WEB_DISCARDED (32u << 20) /* of a body beyond that, so that its sender hears why it is refused */
#define WEB_TEXT (16u << 20)      /* a text held in memory for its ETag; longer ones are passed through */
#define WEB_OUTLINED (128u << 20) /* a text of which rows are sent */
#define WEB_FOLLOWED (64u << 20)  /* a state that is sent to those who follow it */
#define WEB_MEMORY (512u << 20)   /* bodies and texts of all requests together */
#define WEB_WINDOW (4u << 20)     /* the newest of the log, kept for those who follow it */
#define WEB_SEND (16u << 10)      /* of an event stream, at a time */
#define WEB_PATH 1024             /* a name below /files/ */
#define WEB_PLACE 8192            /* an address that a token was taken from */
#define WEB_TICK_MS 1000          /* a look at the mount where nothing is heard of it */
#define WEB_STATUS_MS 100         /* between two looks at status.json */
#define WEB_BEAT_MS 15000         /* a silent event stream says that it is alive */
#define WEB_PEER_MS 2000          /* between two looks whether an event stream's reader is there still */
