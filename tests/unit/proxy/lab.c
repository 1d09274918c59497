/* SPDX-License-Identifier: Apache-2.0
 *
 * The laboratory of the worker tests. Start at lab_new() and make_world().
 */
#include "lab.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "auth/jwt.h"
#include "base/be.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kafka/encode.h"
#include "kafka/kafka_ids.h"
#include "net/socket.h"

static const uint8_t key_bytes[32] = "a key that only this test knows";
static const struct token_key key = {key_bytes, sizeof(key_bytes)};
static const uint8_t new_key_bytes[32] = "the key that comes after it";
static const struct token_key new_key = {new_key_bytes, sizeof(new_key_bytes)};

/* -- worlds */

static const struct user team_b_users[] = {{.name = "sa"}};

static const struct logical logicals[] = {{.name = "main"}, {.name = "eu"}};

static void
fill_vclusters(const struct lab *lab, const struct user *users, struct vcluster *vc)
{
	vc[0] = (struct vcluster){.name = "teamA",
				  .prefix = "teamA",
				  .cluster = "main",
				  .users = users,
				  .users_count = lab->without_sb ? 1 : 2,
				  .session_lifetime_ms = lab->session_ms,
				  .aliases = lab->aliases,
				  .aliases_by_physical = lab->aliases_by_physical,
				  .aliases_count = lab->aliases_count,
				  .cluster_id = "virtualClusterIdTeamA0"};
	vc[1] = (struct vcluster){.name = "teamB",
				  .prefix = "teamB",
				  .cluster = "main",
				  .users = team_b_users,
				  .users_count = 1,
				  .cluster_id = "virtualClusterIdTeamB0"};
	vc[2] = (struct vcluster){.name = "teamE",
				  .prefix = "teamE",
				  .cluster = "eu",
				  .logical = 1,
				  .users = team_b_users,
				  .users_count = 1,
				  .cluster_id = "virtualClusterIdTeamE0"};
}

static struct snapshot *
make_snapshot(const struct lab *lab)
{
	struct arena *arena = arena_new();
	struct snapshot *snap = arena_alloc(arena, sizeof(*snap));
	struct vcluster *vclusters = arena_array(arena, 3, sizeof(*vclusters));
	struct user *users = arena_array(arena, 2, sizeof(*users));

	memcpy(users, lab->team_a, sizeof(lab->team_a));
	fill_vclusters(lab, users, vclusters);
	*snap = (struct snapshot){.arena = arena,
				  .settings = lab->settings,
				  .logicals = logicals,
				  .logicals_count = 2,
				  .vclusters = vclusters,
				  .vclusters_count = 3};
	atomic_store(&snap->references, 1);
	return snap;
}

static struct route
make_route(struct arena *arena, const char *logical, const struct lab_cluster *from,
	   uint64_t generation, bool lists_topics)
{
	struct slot *slots = arena_array(arena, LAB_SLOTS, sizeof(*slots));

	for (size_t i = 0; i < from->slots_count; i++) {
		struct sockaddr_in *address = (struct sockaddr_in *)&slots[i].addresses[0];

		slots[i].broker_id = from->slots[i].id;
		slots[i].present = from->slots[i].port != 0;
		slots[i].port = from->slots[i].port;
		snprintf(slots[i].host, sizeof(slots[i].host), "127.0.0.1");
		slots[i].addresses_count = 1;
		address->sin_family = AF_INET;
		address->sin_port = htons(from->slots[i].port);
		address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	return (struct route){.logical = logical,
			      .cluster = arena_strdup(arena, from->name),
			      .generation = generation,
			      .lists_topics = lists_topics,
			      .slots = slots,
			      .slots_count = from->slots_count};
}

static void
fill_meters(struct lab *lab, struct world *world)
{
	world->meters = arena_array(world->arena, 2, sizeof(*world->meters));
	for (size_t i = 0; i < world->snap->vclusters[0].users_count; i++) {
		const struct user *user = &world->snap->vclusters[0].users[i];

		if (!user_has_limits(user))
			continue;
		world->meters[world->meters_count++] = (struct world_meter){
		    "teamA", user->name, meters_get(&lab->meters, "teamA", user->name)};
	}
	meters_trim(&lab->meters);
}

static struct world *
make_world(struct lab *lab)
{
	struct arena *arena = arena_new();
	struct world *world = arena_alloc(arena, sizeof(*world));
	struct route *routes = arena_array(arena, 2, sizeof(*routes));
	struct key_id *ids = arena_array(arena, 1, sizeof(*ids));

	routes[0] = make_route(arena, "main", &lab->main, lab->generation, lab->lists_topics);
	routes[1] = make_route(arena, "eu", &lab->eu, 1, lab->lists_topics);
	world->arena = arena;
	world->snap = make_snapshot(lab);
	fill_meters(lab, world);
	world->keys = lab->other_key ? &new_key : &key;
	world->keys_count = 1;
	ids[0] = token_key_id(world->keys);
	world->key_ids = ids;
	world->routes = routes;
	world->vnodes = LAB_VNODES;
	world_apis_init(world->apis);
	atomic_store(&world->references, 1);
	return world;
}

/* -- life */

void
lab_set_slot(struct lab_cluster *cluster, size_t slot, int32_t id, uint16_t port)
{
	cluster->slots[slot].id = id;
	cluster->slots[slot].port = port;
	if (cluster->slots_count <= slot)
		cluster->slots_count = slot + 1;
}

struct lab *
lab_new(struct fake_broker *first, struct fake_broker *second)
{
	struct lab *lab = mem_zalloc(sizeof(*lab));

	lab->arena = arena_new();
	lab->settings = (struct settings){
	    .cluster_id = "turnout",
	    .advertised_host = "gateway.example",
	    .port_start = 6969,
	    .workers = 1,
	    .frame_bytes = 104857600,
	    .request_bytes = 104857600,
	    .frame_unauthenticated_bytes = 65536,
	    .connections = 1000,
	    .buffer_bytes = 262144,
	    .authenticate_timeout_ms = 600000,
	    .idle_timeout_ms = 600000,
	    .connect_timeout_ms = 5000,
	};
	lab->team_a[0].name = "sa";
	lab->team_a[1].name = "sb";
	lab->main.name = "a";
	lab->eu.name = "e";
	if (first != NULL)
		lab_set_slot(&lab->main, 0, 101, fake_broker_port(first));
	if (second != NULL)
		lab_set_slot(&lab->main, 1, 102, fake_broker_port(second));
	lab->generation = 1;
	lab->log = memfd_create("log", MFD_CLOEXEC);
	log_set_fd(lab->log);
	log_set_level(LOG_LEVEL_DEBUG);
	return lab;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	return ntohs(address.sin_port);
}

void
lab_run(struct lab *lab)
{
	struct world *world = make_world(lab);
	struct err err;

	lab->control = loop_new();
	lab->worker = worker_start(0, lab->control, world, &err);
	cr_assert_not_null(lab->worker);
	world_unref(&world);
	for (unsigned i = 0; i < LAB_VNODES; i++) {
		int fd = socket_listen("127.0.0.1", 0, &err);

		cr_assert_geq(fd, 0, "%s", err.text);
		lab->ports[i] = port_of(fd);
		worker_listen(lab->worker, i, fd);
	}
}

struct lab *
lab_start(struct fake_broker *first, struct fake_broker *second)
{
	struct lab *lab = lab_new(first, second);

	lab_run(lab);
	return lab;
}

void
lab_stop(struct lab **lab)
{
	worker_stop(&(*lab)->worker);
	meters_free(&(*lab)->meters);
	loop_free(&(*lab)->control);
	log_set_fd(STDERR_FILENO);
	close((*lab)->log);
	arena_free(&(*lab)->arena);
	free(*lab);
	*lab = NULL;
}

uint16_t
lab_free_port(void)
{
	struct err err;
	int fd = socket_listen("127.0.0.1", 0, &err);
	uint16_t port = port_of(fd);

	close(fd);
	return port;
}

/* -- control */

static void
on_ack(void *arg, const struct worker_ack *said)
{
	struct lab_ack *ack = arg;

	cr_assert_not(ack->came, "acknowledged twice");
	ack->came = true;
	ack->said = *said;
}

void
lab_publish(struct lab *lab, struct lab_ack *ack)
{
	struct world *world = make_world(lab);

	*ack = (struct lab_ack){0};
	worker_publish(lab->worker, world, on_ack, ack);
	world_unref(&world);
}

void
lab_hold(struct lab *lab, const char *logical, struct lab_ack *ack)
{
	*ack = (struct lab_ack){0};
	worker_hold(lab->worker, logical, on_ack, ack);
}

void
lab_release(struct lab *lab, const char *logical, struct lab_ack *ack)
{
	*ack = (struct lab_ack){0};
	worker_release(lab->worker, logical, on_ack, ack);
}

void
lab_wait(struct lab *lab, lab_fn fn, void *arg, const char *what)
{
	int64_t until = clock_now_ms() + LAB_PATIENCE_MS;

	while (!fn(arg)) {
		cr_assert_lt(clock_now_ms(), until, "waited in vain: %s", what);
		loop_turn(lab->control, false);
		usleep(500);
	}
}

void
lab_linger(struct lab *lab, int ms)
{
	int64_t until = clock_now_ms() + ms;

	while (clock_now_ms() < until) {
		loop_turn(lab->control, false);
		usleep(1000);
	}
}

static bool
ack_came(void *arg)
{
	return ((struct lab_ack *)arg)->came;
}

void
lab_wait_ack(struct lab *lab, struct lab_ack *ack)
{
	lab_wait(lab, ack_came, ack, "an acknowledgement");
}

struct counting {
	struct fake_broker *broker;
	size_t count;
};

static bool
has_requests(void *arg)
{
	struct counting *c = arg;

	return fake_broker_requests(c->broker) >= c->count;
}

void
lab_wait_requests(struct lab *lab, struct fake_broker *broker, size_t count)
{
	struct counting c = {broker, count};

	lab_wait(lab, has_requests, &c, "requests at the broker");
}

static bool
has_open(void *arg)
{
	struct counting *c = arg;

	return fake_broker_open(c->broker) == c->count;
}

void
lab_wait_open(struct lab *lab, struct fake_broker *broker, unsigned count)
{
	struct counting c = {broker, count};

	lab_wait(lab, has_open, &c, "connections at the broker");
}

static char *
read_log(struct lab *lab)
{
	off_t size = lseek(lab->log, 0, SEEK_END);
	char *text = arena_alloc(lab->arena, (size_t)size + 1);

	cr_assert_eq(pread(lab->log, text, (size_t)size, 0), size);
	return text;
}

bool
lab_has_logged(struct lab *lab, const char *text)
{
	return strstr(read_log(lab), text) != NULL;
}

struct line {
	struct lab *lab;
	const char *event;
	const char *word;
	const char *other;
};

static bool
has_line(void *arg)
{
	struct line *l = arg;
	char *save = NULL;

	for (char *line = strtok_r(read_log(l->lab), "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strstr(line, l->event) != NULL && strstr(line, l->word) != NULL &&
		    strstr(line, l->other) != NULL)
			return true;
	}
	return false;
}

void
lab_wait_log(struct lab *lab, const char *event, const char *word, const char *other)
{
	struct line line = {lab, event, word, other};

	lab_wait(lab, has_line, &line, event);
}

struct worker_counters
lab_counters(struct lab *lab)
{
	struct worker_counters counters;

	worker_counters(lab->worker, &counters);
	return counters;
}

/* -- messages */

static void
give_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	(void)index;
	for (const struct lab_value *v = arg; v->field != KAFKA_NO_FIELD; v++) {
		if (v->field != field)
			continue;
		out->number = v->number;
		out->data = v->data;
		out->length = v->length;
		out->count = v->count;
		out->null = v->null;
	}
}

void
lab_encode_request(struct bytes *out, int api, int version, int32_t id,
		   const struct lab_value *values)
{
	encode_request(api, version, id, "test", give_value, (void *)(uintptr_t)values, out);
}

void
lab_encode_response(struct bytes *out, int api, int version, int32_t id,
		    const struct lab_value *values)
{
	encode_response(api, version, id, give_value, (void *)(uintptr_t)values, out);
}

/* -- clients */

int
lab_connect(struct lab *lab, unsigned vnode)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(lab->ports[vnode])};
	struct timeval patience = {.tv_sec = LAB_PATIENCE_MS / 1000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

bool
lab_try_send(int fd, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t n = send(fd, at, length, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += n;
		length -= (size_t)n;
	}
	return true;
}

void
lab_send(int fd, const void *bytes, size_t length)
{
	cr_assert(lab_try_send(fd, bytes, length), "%s", strerror(errno));
}

void
lab_request(int fd, int api, int version, int32_t id, const struct lab_value *values)
{
	struct bytes frame = {0};

	lab_encode_request(&frame, api, version, id, values);
	lab_send(fd, frame.data, frame.length);
	bytes_free(&frame);
}

/* 1: got it all; 0: the end came first. */
static int
read_all(int fd, uint8_t *at, size_t length)
{
	while (length > 0) {
		ssize_t n = recv(fd, at, length, 0);

		if (n == 0 || (n < 0 && (errno == ECONNRESET || errno == EPIPE)))
			return 0;
		cr_assert_gt(n, 0, "nothing came: %s", strerror(errno));
		at += n;
		length -= (size_t)n;
	}
	return 1;
}

bool
lab_read_frame(int fd, struct bytes *frame)
{
	uint8_t head[4];

	frame->length = 0;
	if (!read_all(fd, head, 4))
		return false;
	bytes_add(frame, head, 4);
	cr_assert_lt(be_get32(head), 0x7fffffff);
	return read_all(fd, bytes_add_space(frame, be_get32(head)), be_get32(head));
}

void
lab_expect_end(int fd)
{
	uint8_t byte;

	cr_assert_eq(read_all(fd, &byte, 1), 0, "still open, and says something");
}

void
lab_expect_silence(struct lab *lab, int fd)
{
	uint8_t byte;

	lab_linger(lab, 300);
	cr_assert_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	cr_assert_eq(errno, EAGAIN);
}

struct tree_frame
lab_answer(struct lab *lab, int fd, int api, int version, int32_t id)
{
	struct bytes bytes = {0};
	struct tree_frame frame;

	cr_assert(lab_read_frame(fd, &bytes), "closed instead of an answer to %s v%d",
		  kafka_api_name(api), version);
	cr_assert(tree_frame_parse(lab->arena, KAFKA_RESPONSE, api, version, bytes.data,
				   bytes.length, &frame),
		  "a malformed answer to %s v%d", kafka_api_name(api), version);
	cr_assert_eq(tree_find(frame.header, KF_ResponseHeader_CorrelationId)->number, id,
		     "%s v%d: correlation id %d, expected %d", kafka_api_name(api), version,
		     (int)tree_find(frame.header, KF_ResponseHeader_CorrelationId)->number, id);
	bytes_free(&bytes);
	return frame;
}

int64_t
lab_number(const struct tree_frame *frame, uint16_t field)
{
	struct tree *node = tree_find(frame->body, field);

	cr_assert_not_null(node);
	return node->number;
}

const char *
lab_text(struct lab *lab, const struct tree_frame *frame, uint16_t field)
{
	struct tree *node = tree_find(frame->body, field);

	cr_assert_not_null(node);
	if (node->null)
		return NULL;
	return arena_strndup(lab->arena, (const char *)node->bytes, node->length);
}

char *
lab_token(struct lab *lab, const char *vcluster, const char *user, int64_t lifetime)
{
	struct err err;
	char *token;

	(void)lab;
	cr_assert(token_make(&key, vcluster, user, clock_wall_s(), lifetime, &token, &err), "%s",
		  err.text);
	return token;
}

int64_t
lab_login(struct lab *lab, int fd, const char *user, const char *token)
{
	struct tree_frame answer;
	struct bytes plain = {0};
	struct lab_value values[] = {{.field = KF_SaslAuthenticateRequest_AuthBytes}, LAB_END};

	lab_request(fd, KA_SaslHandshake, 1, 1,
		    LAB_VALUES(LAB_TEXT(KF_SaslHandshakeRequest_Mechanism, "PLAIN")));
	answer = lab_answer(lab, fd, KA_SaslHandshake, 1, 1);
	cr_assert_eq(lab_number(&answer, KF_SaslHandshakeResponse_ErrorCode), 0);
	bytes_add_u8(&plain, 0);
	bytes_add(&plain, user, strlen(user) + 1);
	bytes_add(&plain, token, strlen(token));
	values[0].data = plain.data;
	values[0].length = plain.length;
	lab_request(fd, KA_SaslAuthenticate, 2, 2, values);
	bytes_free(&plain);
	answer = lab_answer(lab, fd, KA_SaslAuthenticate, 2, 2);
	return lab_number(&answer, KF_SaslAuthenticateResponse_ErrorCode);
}

int
lab_client_of(struct lab *lab, unsigned vnode, const char *vcluster, const char *user)
{
	int fd = lab_connect(lab, vnode);
	char *token = lab_token(lab, vcluster, user, 3600);

	cr_assert_eq(lab_login(lab, fd, user, token), 0);
	mem_free_secret(token);
	return fd;
}

int
lab_client(struct lab *lab, unsigned vnode)
{
	return lab_client_of(lab, vnode, "teamA", "sa");
}
