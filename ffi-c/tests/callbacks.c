/* Callbacks that stay: events, tokens and logs, each told once that it is
 * over. */

#include "latch.h"
#include "server.h"

typedef struct {
    latch rotated, dropped;
    int unknown;
} listener;

static void heard(void *user_data, const everpost_event *event)
{
    listener *it = (listener *)user_data;
    CHECK(everpost_event_message(event).len > 0);
    CHECK_HAS(everpost_event_json(event), "{");
    if (str_is(everpost_event_name(event), "rotated"))
        latch_down(&it->rotated);
    if (str_is(everpost_event_name(event), "delivery_unknown")) {
        CHECK_HAS(everpost_event_message_id(event), "unknown@test");
        it->unknown++;
    }
}

static void dropped(void *user_data)
{
    latch_down(&((listener *)user_data)->dropped);
}

static void each_event_is_heard_once_and_the_end_too(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_config *config = config_as(server, USER, PASSWORD, "");
    everpost_mailer *mailer;
    everpost_message *message = message_with("unknown@test");
    everpost_receipt *receipt = NULL;
    everpost_error *error = NULL;
    listener it;
    it.unknown = 0;
    latch_begin(&it.rotated, 1);
    latch_begin(&it.dropped, 1);
    CHECK_OK(everpost_config_events(config, heard, dropped, &it, &error), &error);
    mailer = mailer_of(config);
    everpost_config_free(config);
    send_one(server, mailer, "before@test");
    server_do(server, "{\"do\":\"rotate\",\"restart\":true}");
    send_one(server, mailer, "after@test");
    latch_wait(&it.rotated);
    server_do(server, "{\"do\":\"inject\",\"at\":\"end_of_data\",\"action\":{\"cut\":\"rst\"}}");
    CHECK_FAILS(everpost_mailer_send(mailer, message, &receipt, &error),
                EVERPOST_DELIVERY_UNKNOWN, &error);
    CHECK_OK(everpost_mailer_close(mailer, &error), &error);
    everpost_mailer_free(mailer);
    latch_wait(&it.dropped);
    CHECK_EQ(latch_left(&it.dropped), 0);
    CHECK_EQ(latch_left(&it.rotated), 0);
    CHECK_EQ(it.unknown, 1);
    latch_end(&it.rotated);
    latch_end(&it.dropped);
    everpost_message_free(message);
    everpost_rehearsal_free(server);
}

static void answer(void *user_data, everpost_token_request *request)
{
    (void)user_data;
    (void)everpost_token_answer(request, "token", EVERPOST_NUL);
}

static void refuse(void *user_data, everpost_token_request *request)
{
    (void)user_data;
    (void)everpost_token_refuse(request, "no token today", EVERPOST_NUL);
}

static everpost_mailer *mailer_with_tokens(const everpost_rehearsal *server, everpost_token_fn ask,
                                           listener *it)
{
    char url[128];
    everpost_config *config = NULL;
    everpost_mailer *mailer;
    everpost_error *error = NULL;
    everpost_str ca = everpost_rehearsal_ca_pem(server);
    (void)snprintf(url, sizeof url, "smtps://localhost:%u",
                   (unsigned)everpost_rehearsal_implicit_port(server));
    CHECK_OK(everpost_config_new(url, EVERPOST_NUL, &config, &error), &error);
    CHECK_OK(everpost_config_trust_pem(config, (const uint8_t *)ca.data, ca.len, &error), &error);
    CHECK_OK(everpost_config_token_provider(config, USER, EVERPOST_NUL, ask, dropped, it, &error),
             &error);
    mailer = mailer_of(config);
    everpost_config_free(config);
    return mailer;
}

static void a_token_is_asked_for_and_used(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer;
    listener it;
    latch_begin(&it.dropped, 1);
    mailer = mailer_with_tokens(server, answer, &it);
    send_one(server, mailer, "token@test");
    everpost_mailer_free(mailer);
    latch_wait(&it.dropped);
    latch_end(&it.dropped);
    everpost_rehearsal_free(server);
}

static void a_token_that_is_refused_fails_the_send_and_says_why(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer;
    everpost_message *message = message_with("refused@test");
    everpost_receipt *receipt = NULL;
    everpost_error *error = NULL;
    listener it;
    latch_begin(&it.dropped, 1);
    mailer = mailer_with_tokens(server, refuse, &it);
    CHECK_EQ(everpost_mailer_send(mailer, message, &receipt, &error), EVERPOST_AUTH);
    CHECK_HAS(everpost_error_report(error), "no token today");
    drop_error(&error);
    everpost_message_free(message);
    everpost_mailer_free(mailer);
    latch_wait(&it.dropped);
    latch_end(&it.dropped);
    everpost_rehearsal_free(server);
}

static void logged(void *user_data, int32_t level, everpost_str target, everpost_str message)
{
    (void)user_data;
    CHECK(level >= 1 && level <= 5);
    CHECK(target.len > 0);
    CHECK(!str_has(message, PASSWORD));
}

static void a_logger_is_given_up_when_it_is_replaced(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    everpost_error *error = NULL;
    listener it;
    latch_begin(&it.dropped, 1);
    CHECK_OK(everpost_log_set(5, logged, dropped, &it, &error), &error);
    send_one(server, mailer, "logged@test");
    CHECK_OK(everpost_log_set(0, NULL, NULL, NULL, &error), &error);
    latch_wait(&it.dropped);
    latch_end(&it.dropped);
    CHECK_FAILS(everpost_log_set(9, logged, NULL, NULL, &error), EVERPOST_INVALID_ARGUMENT,
                &error);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

int main(void)
{
    RUN(each_event_is_heard_once_and_the_end_too);
    RUN(a_token_is_asked_for_and_used);
    RUN(a_token_that_is_refused_fails_the_send_and_says_why);
    RUN(a_logger_is_given_up_when_it_is_replaced);
    library_end();
    return 0;
}
