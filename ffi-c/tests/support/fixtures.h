/* One valid value of each type, for the generated test of NULLs. All of them
 * are used by functions that are called wrongly: none of them may suffer. */

#ifndef EVERPOST_FIXTURES_H
#define EVERPOST_FIXTURES_H

#include "latch.h"
#include "server.h"

static struct {
    everpost_rehearsal *server;
    everpost_config *config;
    everpost_mailer *mailer;
    everpost_message *message;
    everpost_envelope *envelope;
    everpost_compose *compose;
    everpost_receipt *receipt;
    everpost_error *error;
    everpost_text *text;
    everpost_probe *probe;
    everpost_diagnosis *diagnosis;
    everpost_report *report;
    everpost_certificate_file *file;
    /* Operations that were started after all: what they lacked was optional.
     * A callback may run before its operation is counted. */
    latch under_way;
} fixtures;

/* What a call must come to: a NULL that is needed is named by the status, one
 * that is not needed leads to whatever the call comes to otherwise. */

static inline void expect_status(everpost_status status, bool refused, everpost_error **error,
                                 const char *function)
{
    if (refused && status != EVERPOST_NULL_ARGUMENT) {
        (void)fprintf(stderr, "%s takes NULL, and returns %" PRId32 "\n", function, status);
        exit(EXIT_FAILURE);
    }
    if (error != NULL) {
        CHECK((*error == NULL) == (status == EVERPOST_OK));
        CHECK(*error == NULL || everpost_error_status(*error) == status);
        drop_error(error);
    }
}

static inline void expect_submission(uint64_t operation, bool refused, everpost_error **error,
                                     const char *function)
{
    if (refused && operation != 0) {
        (void)fprintf(stderr, "%s takes NULL, and begins\n", function);
        exit(EXIT_FAILURE);
    }
    if (error != NULL) {
        CHECK((*error == NULL) == (operation != 0));
        CHECK(!refused || everpost_error_status(*error) == EVERPOST_NULL_ARGUMENT);
        drop_error(error);
    }
    /* Its callback counts down. */
    if (operation != 0)
        latch_add(&fixtures.under_way, 1);
}

static inline void expect_absent(bool absent, const char *function)
{
    if (!absent) {
        (void)fprintf(stderr, "%s makes something of NULL\n", function);
        exit(EXIT_FAILURE);
    }
}

/* What an out parameter holds before the call. It must be written: freeing
 * this would crash. */
static inline void *fixture_poison(void)
{
    static char poison;
    return &poison;
}

/* Values. */

static inline const char *fixture_char_ptr(void) { return "x"; }
static inline const uint8_t *fixture_uint8_t_ptr(void) { return (const uint8_t *)"x"; }
static inline void *fixture_void_ptr(void) { return &fixtures; }
static inline size_t fixture_size_t(void) { return 0; }
static inline uint64_t fixture_uint64_t(void) { return 0; }
static inline int64_t fixture_int64_t(void) { return 0; }
static inline int32_t fixture_int32_t(void) { return 1; }
static inline bool fixture_bool(void) { return false; }

/* Handles. */

#define FIXTURE(type, field) \
    static inline type *fixture_##type##_ptr(void) { return fixtures.field; }

FIXTURE(everpost_rehearsal, server)
FIXTURE(everpost_config, config)
FIXTURE(everpost_mailer, mailer)
FIXTURE(everpost_message, message)
FIXTURE(everpost_envelope, envelope)
FIXTURE(everpost_compose, compose)
FIXTURE(everpost_receipt, receipt)
FIXTURE(everpost_error, error)
FIXTURE(everpost_text, text)
FIXTURE(everpost_probe, probe)
FIXTURE(everpost_diagnosis, diagnosis)
FIXTURE(everpost_report, report)
FIXTURE(everpost_certificate_file, file)

static inline const everpost_certificate *fixture_everpost_certificate_ptr(void)
{
    return everpost_certificate_file_certificate(fixtures.file, 0);
}

/* A request lives until it is answered, and its answer needs no text. */
static inline everpost_token_request *fixture_everpost_token_request_ptr(void) { return NULL; }

static inline const everpost_message *const *fixture_everpost_message_ptr_ptr(void)
{
    static const everpost_message *messages[1];
    messages[0] = fixtures.message;
    return messages;
}

/* Callbacks. */

static void ignore_drop(void *user_data) { (void)user_data; }

static void ignore_done(void *user_data, everpost_error *error)
{
    (void)user_data;
    everpost_error_free(error);
    latch_down(&fixtures.under_way);
}

static void ignore_send(void *user_data, everpost_receipt *receipt, everpost_error *error)
{
    everpost_receipt_free(receipt);
    ignore_done(user_data, error);
}

static void ignore_report(void *user_data, everpost_report *report, everpost_error *error)
{
    everpost_report_free(report);
    ignore_done(user_data, error);
}

static void ignore_text(void *user_data, everpost_text *text, everpost_error *error)
{
    everpost_text_free(text);
    ignore_done(user_data, error);
}

static void ignore_batch(void *user_data, size_t index, everpost_receipt *receipt,
                         everpost_error *error)
{
    (void)user_data;
    (void)index;
    everpost_receipt_free(receipt);
    everpost_error_free(error);
}

static void ignore_event(void *user_data, const everpost_event *event)
{
    (void)user_data;
    (void)event;
}

static void ignore_log(void *user_data, int32_t level, everpost_str target, everpost_str message)
{
    (void)user_data;
    (void)level;
    (void)target;
    (void)message;
}

static void ignore_request(void *user_data, everpost_token_request *request)
{
    (void)user_data;
    (void)everpost_token_refuse(request, NULL, 0);
}

static inline everpost_drop_fn fixture_everpost_drop_fn(void) { return ignore_drop; }
static inline everpost_done_fn fixture_everpost_done_fn(void) { return ignore_done; }
static inline everpost_send_fn fixture_everpost_send_fn(void) { return ignore_send; }
static inline everpost_report_fn fixture_everpost_report_fn(void) { return ignore_report; }
static inline everpost_text_fn fixture_everpost_text_fn(void) { return ignore_text; }
static inline everpost_batch_fn fixture_everpost_batch_fn(void) { return ignore_batch; }
static inline everpost_event_fn fixture_everpost_event_fn(void) { return ignore_event; }
static inline everpost_log_fn fixture_everpost_log_fn(void) { return ignore_log; }
static inline everpost_token_fn fixture_everpost_token_fn(void) { return ignore_request; }

static inline void fixtures_begin(void)
{
    everpost_error *error = NULL;
    everpost_config *none = NULL;
    everpost_str ca;
    latch_begin(&fixtures.under_way, 0);
    fixtures.server = server_begin();
    ca = everpost_rehearsal_ca_pem(fixtures.server);
    fixtures.config = config_as(fixtures.server, USER, PASSWORD, "?max_attempts=1");
    fixtures.mailer = mailer_of(fixtures.config);
    fixtures.message = message_with("fixture@test");
    CHECK_OK(everpost_mailer_send(fixtures.mailer, fixtures.message, &fixtures.receipt, &error),
             &error);
    CHECK_OK(everpost_envelope_new("x@example.org", EVERPOST_NUL, &fixtures.envelope, &error),
             &error);
    CHECK_OK(everpost_envelope_add(fixtures.envelope, "y@example.org", EVERPOST_NUL, &error),
             &error);
    CHECK_OK(everpost_compose_new(&fixtures.compose, &error), &error);
    CHECK_OK(everpost_mailer_stats_json(fixtures.mailer, &fixtures.text, &error), &error);
    CHECK_OK(everpost_probe_new(&fixtures.probe, &error), &error);
    CHECK_OK(everpost_diagnosis_new(fixtures.config, &fixtures.diagnosis, &error), &error);
    CHECK_OK(everpost_certificate_file_parse((const uint8_t *)ca.data, ca.len, NULL, 0,
                                             &fixtures.file, &error),
             &error);
    CHECK_OK(everpost_mailer_explain(fixtures.mailer, NULL, &fixtures.report, &error), &error);
    CHECK(everpost_config_new("bogus", EVERPOST_NUL, &none, &fixtures.error) != EVERPOST_OK);
}

static inline void fixtures_end(void)
{
    latch_wait(&fixtures.under_way);
    everpost_certificate_file_free(fixtures.file);
    everpost_report_free(fixtures.report);
    everpost_diagnosis_free(fixtures.diagnosis);
    everpost_probe_free(fixtures.probe);
    everpost_text_free(fixtures.text);
    everpost_error_free(fixtures.error);
    everpost_receipt_free(fixtures.receipt);
    everpost_compose_free(fixtures.compose);
    everpost_envelope_free(fixtures.envelope);
    everpost_message_free(fixtures.message);
    everpost_mailer_free(fixtures.mailer);
    everpost_config_free(fixtures.config);
    everpost_rehearsal_free(fixtures.server);
    library_end();
    latch_end(&fixtures.under_way);
}

#endif
