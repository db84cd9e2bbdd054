/* Sending, and what comes back. */

#include "server.h"

static void a_rotation_is_invisible_to_who_sends(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    send_one(server, mailer, "before@test");
    server_do(server, "{\"do\":\"rotate\"}");
    send_one(server, mailer, "after@test");
    server_do(server, "{\"do\":\"rotate\",\"restart\":true,\"goodbye\":\"rst\"}");
    send_one(server, mailer, "restarted@test");
    CHECK_EQ(everpost_mailer_health(mailer), EVERPOST_HEALTHY);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

static void an_envelope_rules_over_the_header(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    everpost_message *message = message_with("envelope@test");
    everpost_envelope *envelope = NULL;
    everpost_receipt *receipt = NULL;
    everpost_error *error = NULL;
    everpost_text *received;
    CHECK_OK(everpost_envelope_new(NULL, 0, &envelope, &error), &error);
    CHECK_OK(everpost_envelope_add(envelope, "one@example.org", EVERPOST_NUL, &error), &error);
    CHECK_OK(everpost_envelope_add(envelope, "two@example.org", EVERPOST_NUL, &error), &error);
    CHECK_OK(everpost_envelope_set(envelope, "envid", EVERPOST_NUL, "x1", 2, &error), &error);
    CHECK_FAILS(everpost_envelope_set(envelope, "bogus", EVERPOST_NUL, "1", 1, &error),
                EVERPOST_INVALID_ARGUMENT, &error);
    CHECK_OK(everpost_message_set_envelope(message, envelope, &error), &error);
    everpost_envelope_free(envelope);
    server_do(server, "{\"do\":\"settings\",\"set\":{\"refuse_recipients\":"
                      "[{\"pattern\":\"two@*\",\"reply\":\"550 5.1.1 no such user\"}]}}");
    CHECK_OK(everpost_mailer_send(mailer, message, &receipt, &error), &error);
    CHECK_EQ(everpost_receipt_accepted_count(receipt), 1);
    CHECK_STR(everpost_receipt_accepted(receipt, 0), "one@example.org");
    CHECK_STR(everpost_receipt_accepted(receipt, 1), NULL);
    CHECK_EQ(everpost_receipt_rejected_count(receipt), 1);
    CHECK_STR(everpost_receipt_rejected_address(receipt, 0), "two@example.org");
    CHECK_EQ(everpost_receipt_rejected_code(receipt, 0), 550);
    CHECK_HAS(everpost_receipt_rejected_reply(receipt, 0), "no such user");
    CHECK_EQ(everpost_receipt_rejected_code(receipt, 1), 0);
    CHECK_HAS(everpost_receipt_json(receipt), "one@example.org");
    received = server_ask(server, "{\"do\":\"received\"}");
    CHECK_HAS(everpost_text_view(received), "one@example.org");
    CHECK(!str_has(everpost_text_view(received), "to@example.org"));
    everpost_text_free(received);
    everpost_receipt_free(receipt);
    everpost_message_free(message);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

static void a_composed_message_arrives_with_its_attachment(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    everpost_compose *compose = NULL;
    everpost_message *message = NULL;
    everpost_receipt *receipt = NULL;
    everpost_error *error = NULL;
    const char *fields[][2] = {{"from", "Gr\xc3\xb6\xc3\x9f" "e <from@example.org>"},
                               {"to", "to@example.org"},
                               {"bcc", "hidden@example.org"},
                               {"subject", "Gr\xc3\xbc\xc3\x9f" "e"},
                               {"text", "Hello."},
                               {"html", "<p>Hello.</p>"},
                               {"X-Test", "yes"}};
    size_t index;
    CHECK_OK(everpost_compose_new(&compose, &error), &error);
    for (index = 0; index < sizeof fields / sizeof *fields; index++)
        CHECK_OK(everpost_compose_set(compose, fields[index][0], EVERPOST_NUL, fields[index][1],
                                      EVERPOST_NUL, &error),
                 &error);
    CHECK_OK(everpost_compose_attach(compose, "a.txt", EVERPOST_NUL, "text/plain", EVERPOST_NUL,
                                     (const uint8_t *)"attached", 8, &error),
             &error);
    CHECK_OK(everpost_compose_build(compose, &message, &error), &error);
    everpost_compose_free(compose);
    CHECK_OK(everpost_mailer_send(mailer, message, &receipt, &error), &error);
    CHECK_EQ(everpost_receipt_accepted_count(receipt), 2);
    everpost_receipt_free(receipt);
    everpost_message_free(message);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

typedef struct {
    bool seen[3];
    size_t accepted, refused;
} tally;

static void count(void *user_data, size_t index, everpost_receipt *receipt, everpost_error *error)
{
    tally *all = (tally *)user_data;
    CHECK(index < 3 && !all->seen[index]);
    CHECK((receipt == NULL) != (error == NULL));
    all->seen[index] = true;
    all->accepted += receipt != NULL;
    all->refused += error != NULL;
    everpost_receipt_free(receipt);
    everpost_error_free(error);
}

static void each_message_of_a_batch_is_told_of_once(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    everpost_message *messages[3];
    everpost_error *error = NULL;
    tally all;
    size_t index;
    memset(&all, 0, sizeof all);
    messages[0] = message_with("batch0@test");
    messages[1] = message_with("batch1@test");
    messages[2] = message_with("batch2@test");
    CHECK_OK(everpost_mailer_send_all(mailer, (const everpost_message *const *)messages, 3, count,
                                      &all, &error),
             &error);
    CHECK_EQ(all.accepted, 3);
    CHECK_EQ(all.refused, 0);
    CHECK_EQ(server_copies(server, "batch1@test"), 1);
    for (index = 0; index < 3; index++)
        everpost_message_free(messages[index]);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

static void health_and_figures_can_be_read(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    everpost_text *text = NULL;
    everpost_error *error = NULL;
    send_one(server, mailer, "figures@test");
    CHECK_OK(everpost_mailer_health_json(mailer, &text, &error), &error);
    CHECK_HAS(everpost_text_view(text), "healthy");
    everpost_text_free(text);
    CHECK_OK(everpost_mailer_stats_json(mailer, &text, &error), &error);
    CHECK_HAS(everpost_text_view(text), "{");
    everpost_text_free(text);
    CHECK_OK(everpost_mailer_stats_prometheus(mailer, &text, &error), &error);
    CHECK_HAS(everpost_text_view(text), "# TYPE everpost_");
    everpost_text_free(text);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

int main(void)
{
    RUN(a_rotation_is_invisible_to_who_sends);
    RUN(an_envelope_rules_over_the_header);
    RUN(a_composed_message_arrives_with_its_attachment);
    RUN(each_message_of_a_batch_is_told_of_once);
    RUN(health_and_figures_can_be_read);
    library_end();
    return 0;
}
