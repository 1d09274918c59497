/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions of the gateway's own: what a client's request needs to be known first is asked on the
 * client's own upstream connection while the request waits in the input buffer. Private to proxy/.
 *
 *     request --> begin --> question --> answer --> take --> next --> question ... or done
 *        ^ stays unread in client.in, and nothing behind it is read ^   --> handled again, with
 *                                                                          what was learned
 *
 * The connection is there anyway, answers come in order on it, and what they say is as fresh as the
 * request itself: nothing is polled, nothing is kept, nothing is shared between workers. A question
 * counts as unanswered like any request, so a switch waits for it; what it learned is thrown away
 * when a hold has begun by then, and asked anew of the cluster that the request will go to.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kafka/encode.h"

struct client;

enum asking_state {
	ASKING_NOTHING,
	ASKING_OUT,  /* an answer is awaited; the client's request waits */
	ASKING_DONE, /* the request can be handled: `work` has what it needs */
};

/* What is done with answers. */
struct asking_kind {
	/* Reads one answer (a whole frame without its size). false: it is not what it should be,
	 * and why; the client is closed. It must not touch the connection. */
	bool (*take)(struct client *c, void *work, const uint8_t *frame, size_t size, char *why,
		     size_t why_size);
	/* After an answer: the next question, by asking_send(), or asking_done(). */
	void (*next)(struct client *c, void *work);
	void (*drop)(void *work);
};

struct asking {
	enum asking_state state;
	const struct asking_kind *kind;
	void *work;   /* the kind's own */
	bool is_last; /* of asking_send_last() */
	int16_t key;  /* of the question that is out */
	int16_t version;
};

/* Begins with the first question; takes `work` over. */
void asking_begin(struct client *c, const struct asking_kind *kind, void *work);
/* Sends a question to the client's broker. */
void asking_send(struct client *c, int key, int version, encode_fn fn, void *arg);
/* The same for a question that changes something: what is said to it is the request's answer, also
 * when a hold has begun by then. */
void asking_send_last(struct client *c, int key, int version, encode_fn fn, void *arg);
/* No question is left: the request is handled now. */
void asking_done(struct client *c);
/* The upstream's answer to the question that is out, in two steps: read it; then, with nothing of
 * it needed any more, go on. */
bool asking_take(struct client *c, const uint8_t *frame, size_t size, char *why, size_t why_size);
void asking_go_on(struct client *c);
/* What was learned for this kind, or NULL. */
void *asking_result(struct client *c, const struct asking_kind *kind);
/* Forgets what was learned. No question may be out, unless the client goes. */
void asking_drop(struct client *c);
