/* Operations: one callback each, whatever is cancelled, freed or called from
 * inside. */

#include "latch.h"
#include "server.h"

/* What became of one send. */
typedef struct {
    latch done;
    int calls;
    everpost_status status;
    const everpost_mailer *mailer;
    const everpost_message *message;
} outcome;

static void outcome_begin(outcome *it)
{
    memset(it, 0, sizeof *it);
    latch_begin(&it->done, 1);
    it->status = -1;
}

static void told(void *user_data, everpost_receipt *receipt, everpost_error *error)
{
    outcome *it = (outcome *)user_data;
    CHECK((receipt == NULL) != (error == NULL));
    it->calls++;
    it->status = error == NULL ? EVERPOST_OK : everpost_error_status(error);
    everpost_receipt_free(receipt);
    everpost_error_free(error);
    latch_down(&it->done);
}

static void outcome_end(outcome *it, everpost_status status)
{
    latch_wait(&it->done);
    CHECK_EQ(it->calls, 1);
    CHECK_EQ(it->status, status);
    latch_end(&it->done);
}

static uint64_t begin(const everpost_mailer *mailer, const char *id, outcome *it)
{
    everpost_message *message = message_with(id);
    everpost_error *error = NULL;
    uint64_t operation;
    outcome_begin(it);
    operation = everpost_mailer_send_start(mailer, message, told, it, &error);
    CHECK(operation != 0 && error == NULL);
    /* The operation has what it needs. */
    everpost_message_free(message);
    return operation;
}

static void a_send_that_was_started_calls_back(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    outcome it;
    uint64_t operation = begin(mailer, "async@test", &it);
    outcome_end(&it, EVERPOST_OK);
    CHECK_EQ(server_copies(server, "async@test"), 1);
    /* It is over: there is nothing to cancel. */
    CHECK(!everpost_cancel(operation));
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

static void a_cancelled_send_was_not_sent(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    outcome it;
    uint64_t operation;
    server_do(server, "{\"do\":\"inject\",\"at\":\"mail\",\"action\":\"stall\"}");
    operation = begin(mailer, "cancelled@test", &it);
    server_do(server, "{\"do\":\"wait\",\"fault\":1}");
    CHECK(everpost_cancel(operation));
    outcome_end(&it, EVERPOST_CANCELLED);
    CHECK_EQ(server_copies(server, "cancelled@test"), 0);
    /* The next one is not harmed. */
    send_one(server, mailer, "next@test");
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

static void cancelling_at_any_moment_ends_in_one_callback_that_tells_the_truth(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    int round, spin;
    for (round = 0; round < 40; round++) {
        char id[64];
        outcome it;
        volatile int pause = 0;
        uint64_t operation;
        int copies;
        (void)snprintf(id, sizeof id, "race%d@test", round);
        operation = begin(mailer, id, &it);
        for (spin = 0; spin < round * 20000; spin++)
            pause = spin;
        (void)pause;
        (void)everpost_cancel(operation);
        (void)everpost_cancel(operation);
        latch_wait(&it.done);
        CHECK_EQ(it.calls, 1);
        copies = server_copies(server, id);
        if (it.status == EVERPOST_OK)
            CHECK_EQ(copies, 1);
        else if (it.status == EVERPOST_CANCELLED)
            CHECK_EQ(copies, 0);
        else
            CHECK_EQ(it.status, EVERPOST_DELIVERY_UNKNOWN);
        latch_end(&it.done);
    }
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

static void a_freed_mailer_brings_its_operations_to_their_end(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    outcome it;
    server_do(server, "{\"do\":\"inject\",\"at\":\"mail\",\"action\":\"stall\"}");
    (void)begin(mailer, "freed@test", &it);
    server_do(server, "{\"do\":\"wait\",\"fault\":1}");
    everpost_mailer_free(mailer);
    server_do(server, "{\"do\":\"release\"}");
    outcome_end(&it, EVERPOST_OK);
    CHECK_EQ(server_copies(server, "freed@test"), 1);
    everpost_rehearsal_free(server);
}

/* Calls back in, twice: a form that waits, and one that does not. */
static void again(void *user_data, everpost_receipt *receipt, everpost_error *error)
{
    outcome *it = (outcome *)user_data;
    everpost_receipt *inner = NULL;
    everpost_text *offered = NULL;
    CHECK(error == NULL);
    CHECK_EQ(everpost_mailer_send(it->mailer, it->message, &inner, &error), EVERPOST_WRONG_THREAD);
    CHECK(inner == NULL);
    CHECK_HAS(everpost_error_hint(error), "_start");
    CHECK_STR(everpost_error_delivery(error), "not_sent");
    drop_error(&error);
    CHECK_EQ(everpost_mailer_close(it->mailer, NULL), EVERPOST_WRONG_THREAD);
    CHECK_EQ(everpost_mailer_verify(it->mailer, &offered, NULL), EVERPOST_WRONG_THREAD);
    CHECK(offered == NULL);
    CHECK_EQ(everpost_shutdown(1), EVERPOST_WRONG_THREAD);
    CHECK_EQ(everpost_mailer_health(it->mailer), EVERPOST_HEALTHY);
    everpost_receipt_free(receipt);
    CHECK(everpost_mailer_send_start(it->mailer, it->message, told, it, &error) != 0);
}

static void a_callback_may_call_back_in(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    everpost_message *first = message_with("first@test"), *second = message_with("second@test");
    everpost_error *error = NULL;
    outcome it;
    outcome_begin(&it);
    it.mailer = mailer;
    it.message = second;
    CHECK(everpost_mailer_send_start(mailer, first, again, &it, &error) != 0);
    outcome_end(&it, EVERPOST_OK);
    CHECK_EQ(server_copies(server, "second@test"), 1);
    everpost_message_free(first);
    everpost_message_free(second);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

static void closed(void *user_data, everpost_error *error)
{
    CHECK(error == NULL);
    latch_down((latch *)user_data);
}

static void closing_can_be_started_too(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    everpost_error *error = NULL;
    latch done;
    outcome late;
    latch_begin(&done, 1);
    CHECK(everpost_mailer_close_start(mailer, closed, &done, &error) != 0);
    latch_wait(&done);
    latch_end(&done);
    (void)begin(mailer, "late@test", &late);
    outcome_end(&late, EVERPOST_CLOSED);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

/* What became of asking whether mail could be sent. */
typedef struct {
    latch done;
    int calls;
    everpost_text *offered;
    everpost_error *error;
} verdict;

static void verified(void *user_data, everpost_text *offered, everpost_error *error)
{
    verdict *it = (verdict *)user_data;
    CHECK((offered == NULL) != (error == NULL));
    it->calls++;
    it->offered = offered;
    it->error = error;
    latch_down(&it->done);
}

static void begin_to_verify(const everpost_mailer *mailer, verdict *it)
{
    everpost_error *error = NULL;
    memset(it, 0, sizeof *it);
    latch_begin(&it->done, 1);
    CHECK(everpost_mailer_verify_start(mailer, verified, it, &error) != 0 && error == NULL);
}

static void verdict_end(verdict *it)
{
    latch_end(&it->done);
    everpost_text_free(it->offered);
    everpost_error_free(it->error);
}

static void whether_mail_could_be_sent_is_told_without_sending_any(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_config *wrong = config_as(server, USER, "wrong", "?auth=PLAIN");
    everpost_mailer *mailer = mailer_with(server, ""), *refused = mailer_of(wrong);
    everpost_text *offered = NULL, *stats;
    everpost_error *error = NULL;
    verdict it;
    CHECK_OK(everpost_mailer_verify(mailer, &offered, &error), &error);
    CHECK_HAS(everpost_text_view(offered), "\"keyword\":\"PIPELINING\"");
    everpost_text_free(offered);
    begin_to_verify(mailer, &it);
    /* The operation has what it needs. */
    everpost_mailer_free(mailer);
    latch_wait(&it.done);
    CHECK_EQ(it.calls, 1);
    CHECK_HAS(everpost_text_view(it.offered), "\"keyword\":\"PIPELINING\"");
    verdict_end(&it);
    begin_to_verify(refused, &it);
    latch_wait(&it.done);
    CHECK_EQ(everpost_error_status(it.error), EVERPOST_AUTH);
    CHECK_STR(everpost_error_delivery(it.error), "not_sent");
    verdict_end(&it);
    CHECK_FAILS(everpost_mailer_verify(refused, &offered, &error), EVERPOST_AUTH, &error);
    CHECK(offered == NULL);
    everpost_mailer_free(refused);
    everpost_config_free(wrong);
    stats = server_ask(server, "{\"do\":\"stats\"}");
    CHECK_HAS(everpost_text_view(stats), "\"messages\":0");
    CHECK_HAS(everpost_text_view(stats), "\"auth_ok\":2");
    everpost_text_free(stats);
    everpost_rehearsal_free(server);
}

/* What became of a send whose error is kept, or of its verdict. */
typedef struct {
    latch done;
    everpost_receipt *receipt;
    everpost_error *error;
} kept;

static void kept_told(void *user_data, everpost_receipt *receipt, everpost_error *error)
{
    kept *it = (kept *)user_data;
    it->receipt = receipt;
    it->error = error;
    latch_down(&it->done);
}

static void a_verdict_that_comes_late_is_waited_for_without_a_thread(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    everpost_message *message = message_with("late@test");
    everpost_error *error = NULL;
    kept sent, verdict;
    uint64_t operation;
    memset(&sent, 0, sizeof sent);
    memset(&verdict, 0, sizeof verdict);
    latch_begin(&sent.done, 1);
    latch_begin(&verdict.done, 1);
    server_do(server, "{\"do\":\"inject\",\"at\":\"end_of_data\",\"action\":\"stall\"}");
    operation = everpost_mailer_send_start(mailer, message, kept_told, &sent, &error);
    server_do(server, "{\"do\":\"wait\",\"fault\":1}");
    CHECK(everpost_cancel(operation));
    latch_wait(&sent.done);
    CHECK_EQ(everpost_error_status(sent.error), EVERPOST_DELIVERY_UNKNOWN);
    CHECK(everpost_error_has_late_verdict(sent.error));
    CHECK(everpost_error_late_verdict_start(sent.error, kept_told, &verdict, &error) != 0);
    everpost_error_free(sent.error);
    server_do(server, "{\"do\":\"release\"}");
    latch_wait(&verdict.done);
    CHECK(verdict.error == NULL);
    CHECK_HAS(everpost_receipt_message_id(verdict.receipt), "late@test");
    everpost_receipt_free(verdict.receipt);
    latch_end(&verdict.done);
    latch_end(&sent.done);
    everpost_message_free(message);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

static void an_error_without_a_verdict_has_none_to_wait_for(void)
{
    everpost_config *config = NULL;
    everpost_error *error = NULL, *none = NULL;
    kept never;
    memset(&never, 0, sizeof never);
    CHECK(everpost_config_new("bogus", EVERPOST_NUL, &config, &error) != EVERPOST_OK);
    CHECK(!everpost_error_has_late_verdict(error));
    CHECK(everpost_error_late_verdict_start(error, kept_told, &never, &none) == 0);
    CHECK_EQ(everpost_error_status(none), EVERPOST_INVALID_ARGUMENT);
    everpost_error_free(none);
    everpost_error_free(error);
}

typedef struct {
    latch done;
    int each[3], results, ends;
} batch;

static void one_of_batch(void *user_data, size_t index, everpost_receipt *receipt,
                         everpost_error *error)
{
    batch *it = (batch *)user_data;
    CHECK(index < 3 && it->ends == 0);
    CHECK((receipt == NULL) != (error == NULL));
    it->each[index]++;
    it->results++;
    everpost_receipt_free(receipt);
    everpost_error_free(error);
}

static void end_of_batch(void *user_data, everpost_error *error)
{
    batch *it = (batch *)user_data;
    CHECK(error == NULL);
    it->ends++;
    latch_down(&it->done);
}

static void a_batch_that_was_started_ends_after_its_last_result(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    everpost_message *messages[3];
    everpost_error *error = NULL;
    batch it;
    size_t index;
    memset(&it, 0, sizeof it);
    latch_begin(&it.done, 1);
    messages[0] = message_with("batch0@test");
    messages[1] = message_with("batch1@test");
    messages[2] = message_with("batch2@test");
    CHECK(everpost_mailer_send_all_start(mailer, (const everpost_message *const *)messages, 3,
                                         one_of_batch, end_of_batch, &it, &error) != 0);
    for (index = 0; index < 3; index++)
        everpost_message_free(messages[index]);
    everpost_mailer_free(mailer);
    latch_wait(&it.done);
    latch_end(&it.done);
    CHECK_EQ(it.results, 3);
    CHECK_EQ(it.ends, 1);
    for (index = 0; index < 3; index++)
        CHECK_EQ(it.each[index], 1);
    CHECK_EQ(server_copies(server, "batch2@test"), 1);
    everpost_rehearsal_free(server);
}

static void after_a_shutdown_the_library_begins_anew(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    send_one(server, mailer, "one@test");
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
    library_end();
    server = server_begin();
    mailer = mailer_with(server, "");
    send_one(server, mailer, "two@test");
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

int main(void)
{
    RUN(a_send_that_was_started_calls_back);
    RUN(a_cancelled_send_was_not_sent);
    RUN(cancelling_at_any_moment_ends_in_one_callback_that_tells_the_truth);
    RUN(a_freed_mailer_brings_its_operations_to_their_end);
    RUN(a_callback_may_call_back_in);
    RUN(closing_can_be_started_too);
    RUN(whether_mail_could_be_sent_is_told_without_sending_any);
    RUN(a_verdict_that_comes_late_is_waited_for_without_a_thread);
    RUN(an_error_without_a_verdict_has_none_to_wait_for);
    RUN(a_batch_that_was_started_ends_after_its_last_result);
    RUN(after_a_shutdown_the_library_begins_anew);
    library_end();
    return 0;
}
