/* Every kind of error that a server can be made to cause, as the program sees
 * it. One attempt each: these faults strike once. */

#include "server.h"

#define ONCE "?max_attempts=1"

/* Sends; it must fail like this. Gives the error for more questions. */
static everpost_error *fails(const everpost_mailer *mailer, everpost_status status,
                             const char *kind, const char *stage, const char *delivery)
{
    everpost_message *message = message_with("fails@test");
    everpost_receipt *receipt = NULL;
    everpost_error *error = NULL;
    everpost_status got = everpost_mailer_send(mailer, message, &receipt, &error);
    CHECK(receipt == NULL && error != NULL);
    if (got != status)
        CHECK_STR(everpost_error_message(error), kind);
    CHECK_EQ(everpost_error_status(error), status);
    CHECK_STR(everpost_error_kind(error), kind);
    CHECK_STR(everpost_status_name(status), kind);
    CHECK_STR(everpost_error_stage(error), stage);
    CHECK_STR(everpost_error_delivery(error), delivery);
    CHECK_HAS(everpost_error_json(error), kind);
    CHECK(everpost_error_report(error).len > 0);
    CHECK(!str_has(everpost_error_report(error), PASSWORD));
    everpost_message_free(message);
    return error;
}

/* A server that was told something, and what a send comes to then. */
static everpost_error *fails_with(const char *query, const char *request, everpost_status status,
                                  const char *kind, const char *stage, const char *delivery)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, query);
    everpost_error *error;
    server_do(server, request);
    error = fails(mailer, status, kind, stage, delivery);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
    return error;
}

static everpost_error *fails_after(const char *request, everpost_status status, const char *kind,
                                   const char *stage, const char *delivery)
{
    return fails_with(ONCE, request, status, kind, stage, delivery);
}

static everpost_error *fails_at(const char *url, everpost_status status, const char *kind,
                                const char *stage)
{
    everpost_config *config = NULL;
    everpost_mailer *mailer;
    everpost_error *error = NULL;
    CHECK_OK(everpost_config_new(url, EVERPOST_NUL, &config, &error), &error);
    mailer = mailer_of(config);
    everpost_config_free(config);
    error = fails(mailer, status, kind, stage, "not_sent");
    everpost_mailer_free(mailer);
    return error;
}

static void a_name_that_does_not_resolve_is_dns(void)
{
    everpost_error_free(
        fails_at("smtps://nowhere.invalid" ONCE, EVERPOST_DNS, "dns", "dns"));
}

static void a_port_where_nobody_listens_is_connect(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, ONCE);
    everpost_error *error;
    everpost_rehearsal_free(server);
    error = fails(mailer, EVERPOST_CONNECT, "connect", "connect", "not_sent");
    CHECK(everpost_error_retryable(error));
    CHECK_EQ(everpost_error_attempts(error), 1);
    CHECK_HAS(everpost_error_message_id(error), "fails@test");
    CHECK_STR(everpost_error_sender(error), "from@example.org");
    CHECK_EQ(everpost_error_recipient_count(error), 1);
    CHECK_STR(everpost_error_recipient(error, 0), "to@example.org");
    CHECK_STR(everpost_error_recipient(error, 1), NULL);
    CHECK(everpost_error_source(error).len > 0);
    CHECK_EQ(everpost_error_reply_code(error), 0);
    CHECK_STR(everpost_error_certificate_json(error), NULL);
    everpost_error_free(error);
    everpost_mailer_free(mailer);
}

static void a_server_that_says_nothing_is_a_timeout(void)
{
    everpost_error_free(fails_with(
        ONCE "&greeting_timeout=300ms",
        "{\"do\":\"inject\",\"at\":\"greeting\",\"action\":\"stall\",\"on\":\"every\"}",
        EVERPOST_TIMEOUT, "timeout", "greeting", "not_sent"));
}

static void plain_text_where_tls_should_be_is_tls(void)
{
    everpost_error_free(
        fails_after("{\"do\":\"inject\",\"at\":\"accept\",\"action\":\"wrong_mode\","
                    "\"on\":\"every\"}",
                    EVERPOST_TLS, "tls", "handshake", "not_sent"));
}

static void an_expired_certificate_is_named_with_its_dates_and_the_remedy(void)
{
    everpost_error *error =
        fails_after("{\"do\":\"present\",\"chain\":\"expired\"}", EVERPOST_CERTIFICATE,
                    "certificate", "handshake", "not_sent");
    CHECK_HAS(everpost_error_message(error), "expired");
    CHECK_HAS(everpost_error_hint(error), "renew");
    CHECK_HAS(everpost_error_certificate_json(error), "\"not_after\"");
    CHECK_HAS(everpost_error_report(error), "expired");
    everpost_error_free(error);
}

static void a_wrong_password_is_auth_and_never_shown(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_config *config = config_as(server, USER, "hunter2", ONCE);
    everpost_mailer *mailer = mailer_of(config);
    everpost_error *error = fails(mailer, EVERPOST_AUTH, "auth", "auth", "not_sent");
    CHECK_EQ(everpost_error_reply_code(error), 535);
    CHECK_STR(everpost_error_reply_enhanced(error), "5.7.8");
    CHECK(everpost_error_reply_text(error).len > 0);
    CHECK(!str_has(everpost_error_report(error), "hunter2"));
    CHECK(!str_has(everpost_error_json(error), "hunter2"));
    everpost_error_free(error);
    everpost_mailer_free(mailer);
    everpost_config_free(config);
    everpost_rehearsal_free(server);
}

static void a_refused_recipient_is_rejected_with_the_servers_words(void)
{
    everpost_error *error =
        fails_after("{\"do\":\"settings\",\"set\":{\"refuse_recipients\":"
                    "[{\"pattern\":\"to@*\",\"reply\":\"550 5.1.1 no such user\"}]}}",
                    EVERPOST_REJECTED, "rejected", "rcpt", "refused");
    CHECK_EQ(everpost_error_rejected_count(error), 1);
    CHECK_STR(everpost_error_rejected_address(error, 0), "to@example.org");
    CHECK_EQ(everpost_error_rejected_code(error, 0), 550);
    CHECK_HAS(everpost_error_rejected_reply(error, 0), "no such user");
    CHECK_STR(everpost_error_rejected_address(error, 1), NULL);
    CHECK_EQ(everpost_error_rejected_code(error, 1), 0);
    CHECK(!everpost_error_retryable(error));
    everpost_error_free(error);
}

static void an_extension_that_is_needed_and_missing_is_unsupported(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, ONCE);
    everpost_message *message = message_with("tls@test");
    everpost_envelope *envelope = NULL;
    everpost_receipt *receipt = NULL;
    everpost_error *error = NULL;
    const char *without = "{\"do\":\"settings\",\"set\":"
                          "{\"capabilities\":{\"require_tls\":false}}}";
    server_do(server, without);
    CHECK_OK(everpost_envelope_new("from@example.org", EVERPOST_NUL, &envelope, &error), &error);
    CHECK_OK(everpost_envelope_add(envelope, "to@example.org", EVERPOST_NUL, &error), &error);
    CHECK_OK(everpost_envelope_set(envelope, "require_tls", EVERPOST_NUL, "true", EVERPOST_NUL,
                                   &error),
             &error);
    CHECK_OK(everpost_message_set_envelope(message, envelope, &error), &error);
    CHECK_FAILS(everpost_mailer_send(mailer, message, &receipt, &error), EVERPOST_UNSUPPORTED,
                &error);
    CHECK(receipt == NULL);
    everpost_envelope_free(envelope);
    everpost_message_free(message);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

static void words_that_are_no_smtp_are_protocol(void)
{
    everpost_error_free(fails_after(
        "{\"do\":\"inject\",\"at\":\"ehlo\",\"action\":{\"reply\":\"garbage\\r\\n\"}}",
        EVERPOST_PROTOCOL, "protocol", "ehlo", "not_sent"));
}

static void a_cut_after_the_dot_is_delivery_unknown_and_not_sent_again(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    everpost_error *error, *late = NULL;
    everpost_str verdict;
    server_do(server, "{\"do\":\"inject\",\"at\":\"end_of_data\",\"action\":{\"cut\":\"rst\"},"
                      "\"keep\":true}");
    error = fails(mailer, EVERPOST_DELIVERY_UNKNOWN, "delivery_unknown", "end_of_data", "unknown");
    CHECK_HAS(everpost_error_message_id(error), "fails@test");
    CHECK_OK(everpost_error_late_verdict(error, 0, &verdict, &late), &late);
    CHECK_STR(verdict, NULL);
    CHECK(!everpost_error_has_late_verdict(error));
    CHECK_EQ(server_copies(server, "fails@test"), 1);
    everpost_error_free(error);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

static void a_closed_mailer_is_closed(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    everpost_error *error = NULL;
    send_one(server, mailer, "open@test");
    CHECK_OK(everpost_mailer_close(mailer, &error), &error);
    everpost_error_free(fails(mailer, EVERPOST_CLOSED, "closed", "checkout", "not_sent"));
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

int main(void)
{
    RUN(a_name_that_does_not_resolve_is_dns);
    RUN(a_port_where_nobody_listens_is_connect);
    RUN(a_server_that_says_nothing_is_a_timeout);
    RUN(plain_text_where_tls_should_be_is_tls);
    RUN(an_expired_certificate_is_named_with_its_dates_and_the_remedy);
    RUN(a_wrong_password_is_auth_and_never_shown);
    RUN(a_refused_recipient_is_rejected_with_the_servers_words);
    RUN(an_extension_that_is_needed_and_missing_is_unsupported);
    RUN(words_that_are_no_smtp_are_protocol);
    RUN(a_cut_after_the_dot_is_delivery_unknown_and_not_sent_again);
    RUN(a_closed_mailer_is_closed);
    library_end();
    return 0;
}
