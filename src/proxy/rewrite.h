/* SPDX-License-Identifier: Apache-2.0
 *
 * Rewriting: a frame goes in as bytes, segments come out. The walker gives the items, a table
 * (rules[] in rewrite.c) gives the action for each meaning and direction, untouched bytes between
 * are passed by reference. Fixed-size values (node ids, ports, epochs, ids) are changed in place:
 * the bytes are ours.
 *
 * Two ways: rewrite_frame() for a frame that is there as a whole, and rewrite_stream_*() for a
 * Produce request or Fetch response whose record batches are passed on while they arrive. A
 * streamed frame promises its size before its last byte is known: after the part before its topics
 * only topic names change, each by a fixed number of bytes (a compact length is written one varint
 * byte longer if need be), so the size follows from the number of topics.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "kafka/walk.h"
#include "net/buf.h"
#include "proxy/names.h"
#include "proxy/producers.h"
#include "proxy/world.h"

/* Config resource types (org.apache.kafka.common.config.ConfigResource). */
enum { RESOURCE_TOPIC = 2, RESOURCE_CLIENT_METRICS = 16, RESOURCE_GROUP = 32 };

struct own_topics;

/* What rewriting needs to know. Borrowed for the call (streams: must live until the stream ends).
 */
struct rewrite_context {
	const char *prefix;
	size_t prefix_length;
	const struct route *route;
	const char *advertised_host;
	const char *cluster_id;
	int32_t port_start;
	bool no_creation;    /* asking for metadata must not create topics */
	int32_t fetch_bytes; /* a fetch asks for so much at most; 0: as it says */
	int32_t throttle_ms; /* an answer tells it; a broker's own may be longer */
	struct scratch *scratch;
	struct names names;
	struct producer_owner producers; /* who writes, where a topic is shared */
	bool is_consumer;    /* the group's protocol, where the frame itself does not say it */
	int32_t whole_bytes; /* limits.request.bytes: what an answer may have that is no stream */
	const struct own_topics *own; /* a request: what stands in place of "all", and what a
				       * Metadata may name; or NULL */
	bool is_expanded;             /* a response: its request had such */
};

/* One construct around the item being walked. */
struct rewrite_level {
	uint16_t field;
	bool is_array;
	bool is_element; /* a struct in an array: may be dropped */
	bool drop;
	bool becomes_null; /* drop: a null stands for it, it is no element */
	bool compact;      /* how count_at is encoded */
	uint8_t *count_at; /* where the array's count, or the struct's tag count, is in the input */
	unsigned count_width;
	uint32_t kept;        /* elements or tags that stay */
	uint32_t count;       /* elements or tags that came */
	const uint8_t *began; /* element or tag: its first byte */
	uint8_t *size_at;     /* a tag: where its size is in the input ... */
	unsigned size_width;
	size_t came;         /* ... what it says ... */
	size_t from;         /* ... and where its value begins in the outgoing frame */
	const uint8_t *span; /* of the rewriter when it began */
	struct segs_mark mark;
	uint8_t *code_at; /* its error code, when that has come */
};

struct rewriter {
	const struct rewrite_context *cx;
	const struct api *api;
	struct walk walk;
	enum kafka_direction direction;
	int key;
	int version;
	bool in_header;
	bool streaming;
	bool promised;      /* streaming: the size prefix is filled in */
	bool promise_waits; /* streaming: for the only topic's name, which may be an alias */
	bool finished;
	struct buf *in;
	const uint8_t *span; /* first byte of the input that is not in `out` yet */
	struct segs out;
	uint8_t *size_at; /* the outgoing frame's size prefix */
	size_t emitted;   /* bytes that went into out, size prefix included */
	size_t total;     /* promised, size prefix included */
	size_t elements;  /* of all arrays so far */
	unsigned depth;
	struct rewrite_level levels[WALK_DEPTH];
	/* What fields say about their neighbours. */
	int error_code;
	int resource_type;
	unsigned config;           /* 1 + row of the latest config name in configs.c; 0: passes */
	uint8_t *resource_type_at; /* where that is in the input */
	uint8_t *max_bytes_at;     /* Fetch: likewise */
	bool is_consumer;          /* the group's protocol is the consumers' */
	size_t grown;              /* bytes that embedded names became longer by */
	int refused_error;         /* what the codes of the element are to be; 0: what they are */
	unsigned refused_depth;    /* of the element that is refused */
	int vnode; /* of the latest BROKER_ID or COORDINATOR_ID; -1 where the id was negative */
	unsigned log_dirs; /* seen so far */
	bool is_expanded;  /* "all" was replaced by what the tenant has */
	/* What the caller wants to know. */
	uint64_t group;        /* hash of the group's id (groups.h) */
	enum name_guard guard; /* Produce: of the topic that is being walked */
	bool named_alias;      /* a Fetch: its answer may not be streamed */
	int acks;              /* Produce: 1 unless the field says otherwise */
	char error[240];       /* why it failed: what and where, for the log */
};

/* Rewrites one whole frame (without its 4-byte size). On success the outgoing frame, size included,
 * is in rw->out (moved away by the caller). false: rw->error. The API and version must be ones that
 * apis.h offers. */
bool rewrite_frame(struct rewriter *rw, const struct rewrite_context *cx,
		   enum kafka_direction direction, int key, int version, struct buf *in,
		   const uint8_t *frame, size_t size) MUST_CHECK;

/* Starts a streamed frame of `size` bytes (without the 4-byte size). */
void rewrite_stream_begin(struct rewriter *rw, const struct rewrite_context *cx,
			  enum kafka_direction direction, int key, int version, size_t size);

enum rewrite_progress { REWRITE_FAILED, REWRITE_DONE, REWRITE_MORE };

/* Takes as many bytes as it can; *consumed says how many. What is ready to be sent is in rw->out,
 * but nothing may go before rw->promised. REWRITE_MORE: at least walk.need bytes from the
 * unconsumed ones on are wanted. */
enum rewrite_progress rewrite_stream_feed(struct rewriter *rw, struct buf *in, const uint8_t *at,
					  size_t length, size_t *consumed);

/* Drops what was not moved away. */
void rewrite_free(struct rewriter *rw);
