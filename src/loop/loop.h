/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop: libev with the few things that Turnout needs of it. One loop belongs to one
 * thread; only loop_post() and loop_stop() may be called from another.
 *
 * What a callback may do: anything but free an object that the loop may still name in this turn. It
 * hands that to loop_defer(), which runs once per turn after all callbacks.
 */
#pragma once
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

typedef void (*loop_fn)(void *arg);
typedef void (*loop_io_fn)(void *arg, int events); /* EV_READ, EV_WRITE */

struct loop_io {
	ev_io watcher;
	struct loop *loop;
	loop_io_fn fn;
	void *arg;
	int events; /* those watched now; 0: stopped */
};

struct loop_timer {
	ev_timer watcher;
	struct loop *loop;
	loop_fn fn;
	void *arg;
};

struct loop_signal {
	ev_signal watcher;
	loop_fn fn;
	void *arg;
};

struct loop *loop_new(void);
void loop_free(struct loop **loop);
/* Runs until loop_stop(); then runs what is still posted and deferred. */
void loop_run(struct loop *loop);
/* One turn, waiting for an event if `wait`. For tests. */
void loop_turn(struct loop *loop, bool wait);
void loop_stop(struct loop *loop);

/* Runs fn(arg) on the loop's thread, in the order posted. Thread-safe; never blocks for long. */
void loop_post(struct loop *loop, loop_fn fn, void *arg);
/* Runs fn(arg) at the end of this turn. */
void loop_defer(struct loop *loop, loop_fn fn, void *arg);

/* Prepares a watcher of fd; nothing is watched until loop_io_watch(). */
void loop_io_init(struct loop_io *io, struct loop *loop, int fd, loop_io_fn fn, void *arg);
/* Watches exactly these events (0: none). Cheap when nothing changes. */
void loop_io_watch(struct loop_io *io, int events);

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_fn fn, void *arg);
/* Starts or restarts: first after `after_ms`, then every `every_ms` (0: once). */
void loop_timer_start(struct loop_timer *timer, int64_t after_ms, int64_t every_ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_is_active(const struct loop_timer *timer);

/* Signals belong to the control loop alone (libev's default loop rule). */
void loop_signal_start(struct loop_signal *signal, struct loop *loop, int number, loop_fn fn,
		       void *arg);
void loop_signal_stop(struct loop_signal *signal, struct loop *loop);
