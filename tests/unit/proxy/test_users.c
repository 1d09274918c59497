/* SPDX-License-Identifier: Apache-2.0
 *
 * What a user's entry and session mean on live connections, in a worker with real sockets: what
 * cuts them, how a session ends and is renewed, what a user may do, and its limits.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "lab.h"

struct scene {
	struct fake_broker *broker;
	struct lab *lab;
};

static struct scene
begin(void)
{
	struct scene s = {fake_broker_start(NULL, NULL), NULL};

	s.lab = lab_new(s.broker, NULL);
	return s;
}

static void
end(struct scene *s)
{
	lab_stop(&s->lab);
	fake_broker_stop(&s->broker);
}

static void
ask(int fd, int32_t id)
{
	lab_request(fd, KA_Metadata, 8, id, LAB_NOTHING);
}

static void
answered(struct scene *s, int fd, int32_t id)
{
	lab_answer(s->lab, fd, KA_Metadata, 8, id);
}

static void
publish(struct scene *s)
{
	struct lab_ack ack;

	lab_publish(s->lab, &ack);
	lab_wait_ack(s->lab, &ack);
}

/* -- what cuts a connection */

Test(users, a_retired_key_cuts_the_sessions_that_it_let_in, .timeout = 120)
{
	struct scene s = begin();
	int fd;

	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	ask(fd, 1);
	answered(&s, fd, 1);
	publish(&s);
	ask(fd, 2);
	answered(&s, fd, 2);
	s.lab->other_key = true;
	publish(&s);
	lab_expect_end(fd);
	lab_wait_log(s.lab, "client.close", "user=sa", "token.keys");
	close(fd);
	end(&s);
}

/* -- sessions */

/* SaslHandshake and SaslAuthenticate in one piece; the answers are read by renewed(). */
static void
renew(struct scene *s, int fd, int32_t id, const char *user)
{
	char *token = lab_token(s->lab, "teamA", user, 3600);
	struct bytes plain = {0};
	struct lab_value values[] = {{.field = KF_SaslAuthenticateRequest_AuthBytes}, LAB_END};

	lab_request(fd, KA_SaslHandshake, 1, id,
		    LAB_VALUES(LAB_TEXT(KF_SaslHandshakeRequest_Mechanism, "PLAIN")));
	bytes_add_u8(&plain, 0);
	bytes_add(&plain, user, strlen(user) + 1);
	bytes_add(&plain, token, strlen(token));
	values[0].data = plain.data;
	values[0].length = plain.length;
	lab_request(fd, KA_SaslAuthenticate, 2, id + 1, values);
	bytes_free(&plain);
	mem_free_secret(token);
}

/* The session's milliseconds, or the error made negative. */
static int64_t
renewed(struct scene *s, int fd, int32_t id)
{
	struct tree_frame answer = lab_answer(s->lab, fd, KA_SaslHandshake, 1, id);

	cr_assert_eq(lab_number(&answer, KF_SaslHandshakeResponse_ErrorCode), 0);
	answer = lab_answer(s->lab, fd, KA_SaslAuthenticate, 2, id + 1);
	if (lab_number(&answer, KF_SaslAuthenticateResponse_ErrorCode) != 0)
		return -lab_number(&answer, KF_SaslAuthenticateResponse_ErrorCode);
	return lab_number(&answer, KF_SaslAuthenticateResponse_SessionLifetimeMs);
}

Test(users, a_session_is_as_long_as_the_shorter_of_token_and_key, .timeout = 120)
{
	struct scene s = begin();
	int64_t session;
	int fd;

	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	renew(&s, fd, 10, "sa");
	session = renewed(&s, fd, 10);
	cr_assert(session > 3000000 && session <= 3600000, "%lld", (long long)session);
	s.lab->session_ms = 100000;
	publish(&s);
	renew(&s, fd, 20, "sa");
	cr_assert_eq(renewed(&s, fd, 20), 100000);
	s.lab->session_ms = 4000000;
	publish(&s);
	renew(&s, fd, 30, "sa");
	session = renewed(&s, fd, 30);
	cr_assert(session > 3000000 && session <= 3600000, "%lld", (long long)session);
	close(fd);
	end(&s);
}

Test(users, a_request_after_the_session_ends_the_connection, .timeout = 120)
{
	struct scene s = begin();
	int fd;

	s.lab->session_ms = 1500;
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	ask(fd, 1);
	answered(&s, fd, 1);
	lab_expect_silence(s.lab, fd);
	lab_linger(s.lab, 3000);
	lab_request(fd, KA_ApiVersions, 0, 2, LAB_NOTHING); /* legal before a login, so now */
	lab_answer(s.lab, fd, KA_ApiVersions, 0, 2);
	lab_request(fd, KA_Metadata, 8, 3, LAB_NOTHING);
	lab_expect_end(fd);
	lab_wait_log(s.lab, "client.close", "user=sa", "session");
	cr_assert_eq(fake_broker_requests(s.broker), 1);
	close(fd);
	end(&s);
}

/* With a request in flight before it and one behind it, and late at that. */
Test(users, a_session_is_renewed_on_the_live_connection, .timeout = 120)
{
	struct scene s = begin();
	int fd;

	s.lab->session_ms = 1500;
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	fake_broker_set_mode(s.broker, FAKE_HOLD);
	ask(fd, 1);
	lab_wait_requests(s.lab, s.broker, 1);
	lab_linger(s.lab, 3000);
	renew(&s, fd, 10, "sa");
	ask(fd, 2);
	lab_wait_requests(s.lab, s.broker, 2);
	fake_broker_set_mode(s.broker, FAKE_ANSWER);
	answered(&s, fd, 1);
	cr_assert_eq(renewed(&s, fd, 10), 1500);
	answered(&s, fd, 2);
	cr_assert_eq(fake_broker_accepted(s.broker), 1);
	close(fd);
	end(&s);
}

Test(users, a_session_is_renewed_while_a_switch_holds, .timeout = 120)
{
	struct scene s = begin();
	struct lab_ack hold, done;
	int fd, other;

	s.lab->session_ms = 1500;
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	other = lab_client(s.lab, 0);
	lab_hold(s.lab, "main", &hold);
	lab_wait_ack(s.lab, &hold);
	ask(other, 1);
	renew(&s, other, 10, "sa"); /* behind a request that waits: after the hold */
	lab_linger(s.lab, 3000);
	renew(&s, fd, 10, "sa");
	cr_assert_eq(renewed(&s, fd, 10), 1500);
	lab_release(s.lab, "main", &done);
	lab_wait_ack(s.lab, &done);
	answered(&s, other, 1);
	cr_assert_eq(renewed(&s, other, 10), 1500);
	ask(fd, 2);
	answered(&s, fd, 2);
	close(fd);
	close(other);
	end(&s);
}

Test(users, nobody_becomes_somebody_else, .timeout = 120)
{
	struct scene s = begin();
	int fd;

	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	renew(&s, fd, 10, "sb");
	cr_assert_eq(renewed(&s, fd, 10), -KAFKA_SASL_AUTHENTICATION_FAILED);
	lab_expect_end(fd);
	close(fd);
	end(&s);
}
