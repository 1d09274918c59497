/* SPDX-License-Identifier: Apache-2.0
 *
 * libev behind loop.h: watchers, the mailbox that other threads post into, and the list of deferred
 * calls.
 */
#include "loop/loop.h"
#include <pthread.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "base/list.h"
#include "base/mem.h"

/* A posted or deferred call. */
struct call {
	struct list node;
	loop_fn fn;
	void *arg;
};

struct loop {
	struct ev_loop *ev;
	pthread_mutex_t lock; /* guards posted and stopping */
	struct list posted;
	bool stopping;
	struct list deferred;
	ev_async wake;
	ev_prepare before_wait;
};

static struct call *
call_new(loop_fn fn, void *arg)
{
	struct call *call = mem_alloc(sizeof(*call));

	list_init(&call->node);
	call->fn = fn;
	call->arg = arg;
	return call;
}

/* Runs the calls of a list until it is empty; a call may append to it. */
static void
run_calls(struct list *calls)
{
	struct list *node;

	while ((node = list_pop(calls)) != NULL) {
		struct call *call = CONTAINER_OF(node, struct call, node);

		call->fn(call->arg);
		free(call);
	}
}

/* Takes what is posted in one go, so that other threads never wait for a call to run. */
static void
run_posted(struct loop *loop)
{
	struct list taken;
	struct list *node;

	list_init(&taken);
	pthread_mutex_lock(&loop->lock);
	while ((node = list_pop(&loop->posted)) != NULL)
		list_append(&taken, node);
	pthread_mutex_unlock(&loop->lock);
	run_calls(&taken);
}

static void
on_wake(struct ev_loop *ev, ev_async *watcher, int events)
{
	struct loop *loop = watcher->data;

	(void)ev;
	(void)events;
	run_posted(loop);
	if (loop->stopping)
		ev_break(loop->ev, EVBREAK_ALL);
}

/* A prepare watcher runs after all callbacks of a turn and before the loop waits again. */
static void
on_before_wait(struct ev_loop *ev, ev_prepare *watcher, int events)
{
	struct loop *loop = watcher->data;

	(void)ev;
	(void)events;
	run_calls(&loop->deferred);
}

struct loop *
loop_new(void)
{
	struct loop *loop = mem_zalloc(sizeof(*loop));

	loop->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	ENSURE(loop->ev != NULL);
	pthread_mutex_init(&loop->lock, NULL);
	list_init(&loop->posted);
	list_init(&loop->deferred);
	ev_async_init(&loop->wake, on_wake);
	loop->wake.data = loop;
	ev_async_start(loop->ev, &loop->wake);
	ev_prepare_init(&loop->before_wait, on_before_wait);
	loop->before_wait.data = loop;
	ev_prepare_start(loop->ev, &loop->before_wait);
	return loop;
}

void
loop_free(struct loop **loop)
{
	if (*loop == NULL)
		return;
	run_posted(*loop);
	run_calls(&(*loop)->deferred);
	ev_loop_destroy((*loop)->ev);
	pthread_mutex_destroy(&(*loop)->lock);
	free(*loop);
	*loop = NULL;
}

void
loop_run(struct loop *loop)
{
	ev_run(loop->ev, 0);
	run_posted(loop);
	run_calls(&loop->deferred);
}

void
loop_turn(struct loop *loop, bool wait)
{
	ev_run(loop->ev, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
	run_calls(&loop->deferred);
}

void
loop_stop(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->stopping = true;
	pthread_mutex_unlock(&loop->lock);
	ev_async_send(loop->ev, &loop->wake);
}

void
loop_post(struct loop *loop, loop_fn fn, void *arg)
{
	struct call *call = call_new(fn, arg);

	pthread_mutex_lock(&loop->lock);
	list_append(&loop->posted, &call->node);
	pthread_mutex_unlock(&loop->lock);
	ev_async_send(loop->ev, &loop->wake);
}

void
loop_defer(struct loop *loop, loop_fn fn, void *arg)
{
	struct call *call = call_new(fn, arg);

	list_append(&loop->deferred, &call->node);
}

static void
on_io(struct ev_loop *ev, ev_io *watcher, int events)
{
	struct loop_io *io = watcher->data;

	(void)ev;
	io->fn(io->arg, events & (EV_READ | EV_WRITE));
}

void
loop_io_init(struct loop_io *io, struct loop *loop, int fd, loop_io_fn fn, void *arg)
{
	io->loop = loop;
	io->fn = fn;
	io->arg = arg;
	io->events = 0;
	ev_io_init(&io->watcher, on_io, fd, 0);
	io->watcher.data = io;
}

void
loop_io_watch(struct loop_io *io, int events)
{
	if (io->events == events)
		return;
	if (io->events != 0)
		ev_io_stop(io->loop->ev, &io->watcher);
	io->events = events;
	if (events != 0) {
		ev_io_set(&io->watcher, io->watcher.fd, events);
		ev_io_start(io->loop->ev, &io->watcher);
	}
}

static void
on_timer(struct ev_loop *ev, ev_timer *watcher, int events)
{
	struct loop_timer *timer = watcher->data;

	(void)ev;
	(void)events;
	timer->fn(timer->arg);
}

void
loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_fn fn, void *arg)
{
	timer->loop = loop;
	timer->fn = fn;
	timer->arg = arg;
	ev_timer_init(&timer->watcher, on_timer, 0., 0.);
	timer->watcher.data = timer;
}

void
loop_timer_start(struct loop_timer *timer, int64_t after_ms, int64_t every_ms)
{
	ev_timer_stop(timer->loop->ev, &timer->watcher);
	ev_now_update(timer->loop->ev);
	ev_timer_set(&timer->watcher, (double)after_ms / 1000., (double)every_ms / 1000.);
	ev_timer_start(timer->loop->ev, &timer->watcher);
}

void
loop_timer_stop(struct loop_timer *timer)
{
	ev_timer_stop(timer->loop->ev, &timer->watcher);
}

bool
loop_timer_is_active(const struct loop_timer *timer)
{
	return ev_is_active(&timer->watcher);
}

static void
on_signal(struct ev_loop *ev, ev_signal *watcher, int events)
{
	struct loop_signal *sig = watcher->data;

	(void)ev;
	(void)events;
	sig->fn(sig->arg);
}

void
loop_signal_start(struct loop_signal *signal, struct loop *loop, int number, loop_fn fn, void *arg)
{
	signal->fn = fn;
	signal->arg = arg;
	ev_signal_init(&signal->watcher, on_signal, number);
	signal->watcher.data = signal;
	ev_signal_start(loop->ev, &signal->watcher);
}

void
loop_signal_stop(struct loop_signal *signal, struct loop *loop)
{
	ev_signal_stop(loop->ev, &signal->watcher);
}
