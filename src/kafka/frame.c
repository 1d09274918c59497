/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a whole frame. Start at frame_read().
 */
#include "kafka/frame.h"
#include <stdio.h>
#include "kafka/kafka_ids.h"

/* Walks one message, or passes over it (fn NULL), up to its end or until fn wants no more. */
static enum walk_event
read_message(struct walk *w, const uint8_t **at, const uint8_t *end, frame_fn fn, void *arg,
	     bool *stopped)
{
	struct walk_item item;
	enum walk_event event;

	while ((event = walk_next(w, *at, (size_t)(end - *at), &item)) > WALK_MORE) {
		if (fn != NULL && !fn(arg, event, &item)) {
			*stopped = true;
			return WALK_END;
		}
		*at += item.size;
	}
	return event;
}

bool
frame_read(int key, int version, enum kafka_direction direction, const uint8_t *frame, size_t size,
	   frame_fn fn, void *arg, char *why, size_t why_size)
{
	struct walk w;
	const uint8_t *at = frame;
	const uint8_t *end = frame + size;
	enum walk_event event;
	bool stopped = false;

	if (direction == KAFKA_REQUEST)
		walk_init_prefix(&w, &kafka_messages[KM_RequestHeader],
				 kafka_request_header_version(key, version), size);
	else
		walk_init_prefix(&w, &kafka_messages[KM_ResponseHeader],
				 kafka_response_header_version(key, version), size);
	event = read_message(&w, &at, end, NULL, NULL, &stopped);
	if (event == WALK_END) {
		/* What follows a request's message is no part of it: see rewrite.c. */
		if (direction == KAFKA_REQUEST)
			walk_init_prefix(&w, kafka_message(key, direction), version,
					 (size_t)(end - at));
		else
			walk_init(&w, kafka_message(key, direction), version, (size_t)(end - at));
		event = read_message(&w, &at, end, fn, arg, &stopped);
	}
	if (event == WALK_END)
		return true;
	snprintf(why, why_size, "%s",
		 event == WALK_ERROR ? w.error : "the frame is shorter than what it says it holds");
	return false;
}
