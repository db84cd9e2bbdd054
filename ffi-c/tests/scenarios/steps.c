/* The steps of a scenario. */

#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for so many, all empty; never NULL, also for none. */
static void *room(size_t count, size_t size)
{
    void *made = calloc(count + 1, size);
    if (made == NULL)
        abort();
    return made;
}

/* Messages. */

static everpost_status envelope_of(const json_t *addresses, everpost_envelope **out,
                                   everpost_error **error)
{
    static const char *const asked[] = {"envid", "return", "notify"};
    const json_t *dsn = json_object_get(addresses, "dsn");
    const json_t *to, *value;
    size_t index;
    const char *from = json_string_value(json_object_get(addresses, "from"));
    everpost_status status = everpost_envelope_new(from, EVERPOST_NUL, out, error);
    json_array_foreach(json_object_get(addresses, "to"), index, to) {
        if (status == EVERPOST_OK)
            status = everpost_envelope_add(*out, json_string_value(to), EVERPOST_NUL, error);
    }
    if (status == EVERPOST_OK && json_is_true(json_object_get(addresses, "require_tls")))
        status = everpost_envelope_set(*out, "require_tls", EVERPOST_NUL, "true", EVERPOST_NUL,
                                       error);
    for (index = 0; index < sizeof asked / sizeof *asked; index++) {
        value = json_object_get(dsn, asked[index]);
        if (status == EVERPOST_OK && json_is_string(value))
            status = everpost_envelope_set(*out, asked[index], EVERPOST_NUL,
                                           json_string_value(value), EVERPOST_NUL, error);
    }
    return status;
}

/* The message, and its envelope if that is not in its header; or the error. */
static everpost_message *message_of(const json_t *letter, everpost_error **error)
{
    const json_t *raw = json_object_get(letter, "raw");
    const json_t *addresses = json_object_get(letter, "envelope");
    everpost_message *message = NULL;
    everpost_envelope *envelope = NULL;
    everpost_status status = everpost_message_new((const uint8_t *)json_string_value(raw),
                                                  json_string_length(raw), &message, error);
    if (status == EVERPOST_OK && json_is_object(addresses))
        status = envelope_of(addresses, &envelope, error);
    if (status == EVERPOST_OK && envelope != NULL)
        status = everpost_message_set_envelope(message, envelope, error);
    everpost_envelope_free(envelope);
    if (status == EVERPOST_OK)
        return message;
    everpost_message_free(message);
    return NULL;
}

/* What a send came to. Keeps the error whose verdict may still come. */
static json_t *outcome(client *it, operation *over)
{
    json_t *seen;
    if (over->error == NULL)
        return seen_receipt(over->receipt);
    seen = seen_error(over->error);
    everpost_error_free(it->late);
    it->late = NULL;
    if (everpost_error_has_late_verdict(over->error)) {
        it->late = over->error;
        over->error = NULL;
    }
    return seen;
}

/* The outcomes of all, which are freed with the array. */
static json_t *outcomes(client *it, operation *all, size_t count)
{
    json_t *list = json_array();
    size_t index;
    for (index = 0; index < count; index++) {
        (void)json_array_append_new(list, outcome(it, &all[index]));
        operation_end(&all[index]);
    }
    free(all);
    return json_pack("{s:o}", "outcomes", list);
}

/* The error is the callback's as soon as the send has begun. */
static void begin_send(const everpost_mailer *mailer, const everpost_message *message,
                       operation *begun)
{
    everpost_error *error = NULL;
    begun->id = everpost_mailer_send_start(mailer, message, told_send, begun, &error);
    if (begun->id == 0)
        begun->error = error;
}

static json_t *send_each(client *it, scenario *of, const json_t *what)
{
    const json_t *letters = json_object_get(what, "messages");
    size_t count = json_array_size(letters), index;
    operation *sends = (operation *)room(count, sizeof *sends);
    bool cancel = json_is_true(json_object_get(what, "cancel"));
    for (index = 0; index < count; index++) {
        operation *begun = &sends[index];
        everpost_message *message = message_of(json_array_get(letters, index), &begun->error);
        if (message != NULL)
            begin_send(it->mailer, message, begun);
        everpost_message_free(message);
    }
    if (!server_must_all(of, json_object_get(what, "meanwhile")))
        cancel = true;
    for (index = 0; cancel && index < count; index++)
        (void)everpost_cancel(sends[index].id);
    for (index = 0; index < count; index++)
        if (sends[index].id != 0)
            (void)operation_wait(of, &sends[index]);
    return outcomes(it, sends, count);
}

/* Messages that are sent as one operation. */
typedef struct {
    operation *each;
    operation whole;
} batch;

static void told_one(void *user_data, size_t index, everpost_receipt *receipt,
                     everpost_error *error)
{
    told_send(&((batch *)user_data)->each[index], receipt, error);
}

static void told_whole(void *user_data, everpost_error *error)
{
    told_done(&((batch *)user_data)->whole, error);
}

static json_t *send_all(client *it, scenario *of, const json_t *what)
{
    const json_t *letters = json_object_get(what, "messages");
    size_t count = json_array_size(letters), index;
    everpost_message **messages = (everpost_message **)room(count, sizeof *messages);
    everpost_error *error = NULL;
    batch all;
    memset(&all, 0, sizeof all);
    all.each = (operation *)room(count, sizeof *all.each);
    for (index = 0; index < count && error == NULL; index++)
        messages[index] = message_of(json_array_get(letters, index), &error);
    if (error == NULL)
        all.whole.id = everpost_mailer_send_all_start(it->mailer,
                                                      (const everpost_message *const *)messages,
                                                      count, told_one, told_whole, &all, &error);
    if (all.whole.id == 0)
        (void)hindered(of, "the batch is not sent", error);
    else if (operation_wait(of, &all.whole) && all.whole.error != NULL)
        (void)give_up(of, "the batch did not come to its end");
    for (index = 0; index < count; index++) {
        if (all.each[index].calls != 1)
            (void)give_up(of, "a message of the batch was told %d times", all.each[index].calls);
        everpost_message_free(messages[index]);
    }
    free(messages);
    operation_end(&all.whole);
    return outcomes(it, all.each, count);
}

static json_t *late_verdict(client *it, scenario *of, const json_t *what)
{
    operation late = {0, 0, NULL, NULL, NULL, NULL};
    everpost_error *error = NULL, *before = it->late;
    json_t *seen = NULL;
    (void)what;
    it->late = NULL;
    late.id = everpost_error_late_verdict_start(before, told_send, &late, &error);
    if (late.id == 0)
        return (json_t *)hindered(of, "no late verdict to wait for", error);
    if (operation_wait(of, &late)) {
        everpost_str delivery = everpost_error_delivery(late.error);
        /* Still unknown: there was none. */
        if (delivery.len == 7 && memcmp(delivery.data, "unknown", 7) == 0)
            seen = json_pack("{s:n}", "delivery");
        else
            seen = outcome(it, &late);
    }
    everpost_error_free(before);
    operation_end(&late);
    return seen;
}

/* The server, and events. */

static json_t *request(client *it, scenario *of, const json_t *what)
{
    (void)it;
    return server_ask(of, json_object_get(what, "request"));
}

static json_t *event(client *it, scenario *of, const json_t *what)
{
    json_t *awaited = json_object_get(what, "event");
    bool heard = false, in_time = true;
    shared_lock();
    while (!heard && in_time) {
        if (json_array_size(it->events) == 0) {
            in_time = shared_wait(of);
        } else {
            heard = json_equal(json_array_get(it->events, 0), awaited) != 0;
            (void)json_array_remove(it->events, 0);
        }
    }
    shared_unlock();
    if (!heard)
        return (json_t *)give_up(of, "there is no event %s", json_string_value(awaited));
    return json_pack("{s:O}", "event", awaited);
}

static json_t *verify(client *it, scenario *of, const json_t *what)
{
    operation begun = {0, 0, NULL, NULL, NULL, NULL};
    everpost_error *error = NULL;
    json_t *seen = NULL;
    (void)what;
    begun.id = everpost_mailer_verify_start(it->mailer, told_text, &begun, &error);
    if (begun.id == 0)
        return (json_t *)hindered(of, "it is not verified", error);
    if (operation_wait(of, &begun))
        seen = begun.error != NULL
                   ? seen_error(begun.error)
                   : json_pack("{s:n, s:o}", "delivery", "offered",
                               seen_offered(everpost_text_view(begun.text)));
    operation_end(&begun);
    return seen;
}

/* What the mailer knows of itself. */

static json_t *health(client *it, scenario *of, const json_t *what)
{
    (void)of;
    (void)what;
    return json_pack("{s:o}", "status", seen_health(everpost_mailer_health(it->mailer)));
}

static json_t *stats(client *it, scenario *of, const json_t *what)
{
    everpost_text *text = NULL;
    everpost_error *error = NULL;
    json_t *counters;
    (void)what;
    if (everpost_mailer_stats_json(it->mailer, &text, &error) != EVERPOST_OK)
        return (json_t *)hindered(of, "there are no stats", error);
    counters = seen_json(everpost_text_view(text));
    everpost_text_free(text);
    return counters;
}

/* Reports. */

/* The report of an operation that was begun; NULL if there is none. */
static everpost_report *report_of(scenario *of, operation *begun, everpost_error *error)
{
    if (begun->id == 0)
        (void)hindered(of, "it is not begun", error);
    else if (operation_wait(of, begun) && begun->error != NULL)
        (void)hindered(of, "there is no report", begun->error);
    else
        return begun->report;
    return NULL;
}

/* The certificate file that a step names; NULL if none. */
static everpost_certificate_file *file_of(scenario *of, const json_t *what)
{
    json_t *pem = filled(of, json_object_get(what, "file"));
    everpost_certificate_file *file = NULL;
    everpost_error *error = NULL;
    if (json_is_string(pem)
        && everpost_certificate_file_parse((const uint8_t *)json_string_value(pem),
                                           json_string_length(pem), NULL, 0, &file, &error)
               != EVERPOST_OK)
        (void)hindered(of, "there is no such file", error);
    json_decref(pem);
    return file;
}

static json_t *explain(client *it, scenario *of, const json_t *what)
{
    operation begun = {0, 0, NULL, NULL, NULL, NULL};
    everpost_certificate_file *file = file_of(of, what);
    everpost_error *error = NULL;
    everpost_report *report;
    json_t *all, *seen;
    begun.id = everpost_mailer_explain_start(it->mailer, file, told_report, &begun, &error);
    everpost_certificate_file_free(file);
    report = report_of(of, &begun, error);
    if (report == NULL)
        return NULL;
    all = seen_json(everpost_report_json(report));
    seen = json_pack("{s:o, s:o, s:O?}", "fault", seen_text(everpost_report_fault(report)),
                     "remedy", seen_text(everpost_report_remedy(report)), "served",
                     json_object_get(json_object_get(all, "served"), "sha256"));
    json_decref(all);
    everpost_report_free(report);
    return seen;
}

static everpost_status trusting(const client *it, everpost_probe *probe, const scenario *of,
                                everpost_error **error)
{
    const json_t *pem = json_object_get(of->known, "ca_pem");
    if (!it->trusts)
        return EVERPOST_OK;
    return everpost_probe_trust_pem(probe, (const uint8_t *)json_string_value(pem),
                                    json_string_length(pem), error);
}

static json_t *probe(client *it, scenario *of, const json_t *what)
{
    operation begun = {0, 0, NULL, NULL, NULL, NULL};
    json_t *target = filled(of, json_object_get(what, "target")), *findings;
    everpost_probe *probe = NULL;
    everpost_error *error = NULL;
    everpost_report *report;
    size_t index;
    if (target != NULL && everpost_probe_new(&probe, &error) == EVERPOST_OK
        && trusting(it, probe, of, &error) == EVERPOST_OK)
        begun.id = everpost_probe_run_start(probe, json_string_value(target), EVERPOST_NUL,
                                            told_report, &begun, &error);
    /* The run has what it needs. */
    everpost_probe_free(probe);
    json_decref(target);
    report = report_of(of, &begun, error);
    if (report == NULL)
        return NULL;
    findings = json_array();
    for (index = 0; index < everpost_report_finding_count(report); index++)
        (void)json_array_append_new(findings, seen_text(everpost_report_finding_id(report, index)));
    target = json_pack("{s:o, s:o}", "status", seen_health(everpost_report_status(report)),
                       "findings", findings);
    everpost_report_free(report);
    return target;
}

/* One option after the other, until one is refused. */
static everpost_status ask_about(everpost_diagnosis *diagnosis, const json_t *what,
                                 everpost_error **error)
{
    const json_t *from = json_object_get(what, "from"), *size = json_object_get(what, "size"), *to;
    char bytes[32];
    size_t index;
    everpost_status status =
        everpost_diagnosis_set(diagnosis, "looks", EVERPOST_NUL, "false", EVERPOST_NUL, error);
    if (status == EVERPOST_OK && json_is_string(from))
        status = everpost_diagnosis_set(diagnosis, "from", EVERPOST_NUL, json_string_value(from),
                                        EVERPOST_NUL, error);
    json_array_foreach(json_object_get(what, "to"), index, to) {
        if (status == EVERPOST_OK)
            status = everpost_diagnosis_set(diagnosis, "to", EVERPOST_NUL, json_string_value(to),
                                            EVERPOST_NUL, error);
    }
    if (status == EVERPOST_OK && json_is_integer(size)) {
        (void)snprintf(bytes, sizeof bytes, "%" JSON_INTEGER_FORMAT, json_integer_value(size));
        status = everpost_diagnosis_set(diagnosis, "size", EVERPOST_NUL, bytes, EVERPOST_NUL, error);
    }
    return status;
}

/* The rung that failed; the number of rungs if none did. */
static size_t failed_rung(const everpost_report *report)
{
    size_t count = everpost_report_rung_count(report), index;
    for (index = 0; index < count; index++) {
        everpost_str outcome = everpost_report_rung_outcome(report, index);
        if (outcome.len == 6 && memcmp(outcome.data, "failed", 6) == 0)
            break;
    }
    return index;
}

static json_t *diagnose(client *it, scenario *of, const json_t *what)
{
    operation begun = {0, 0, NULL, NULL, NULL, NULL};
    everpost_diagnosis *diagnosis = NULL;
    everpost_error *error = NULL;
    everpost_report *report;
    json_t *seen;
    size_t failed;
    if (everpost_diagnosis_new(it->config, &diagnosis, &error) == EVERPOST_OK
        && ask_about(diagnosis, what, &error) == EVERPOST_OK)
        begun.id = everpost_diagnosis_run_start(diagnosis, told_report, &begun, &error);
    everpost_diagnosis_free(diagnosis);
    report = report_of(of, &begun, error);
    if (report == NULL)
        return NULL;
    failed = failed_rung(report);
    seen = json_pack("{s:b, s:o, s:o, s:o}",
                     "holds", (int)(failed == everpost_report_rung_count(report)),
                     /* Absent beyond the last. */
                     "step", seen_text(everpost_report_rung_step(report, failed)),
                     "cause", failed == everpost_report_rung_count(report)
                                  ? json_null()
                                  : seen_text(everpost_report_finding_id(report, 0)),
                     "remedy", seen_text(everpost_report_remedy(report)));
    everpost_report_free(report);
    return seen;
}

static json_t *close_client(client *it, scenario *of, const json_t *what)
{
    (void)what;
    return client_close(it, of) ? json_object() : NULL;
}

static const struct {
    const char *name;
    json_t *(*run)(client *it, scenario *of, const json_t *what);
} STEPS[] = {
    {"send", send_each},   {"send_all", send_all}, {"server", request},
    {"event", event},      {"late_verdict", late_verdict},
    {"verify", verify},    {"health", health},     {"stats", stats},
    {"explain", explain},
    {"probe", probe},      {"diagnose", diagnose}, {"close", close_client},
};

json_t *step(client *it, scenario *of, const json_t *what)
{
    const char *name = json_string_value(json_object_get(what, "do"));
    json_t *seen;
    size_t index;
    for (index = 0; index < sizeof STEPS / sizeof *STEPS; index++) {
        if (strcmp(STEPS[index].name, name) != 0)
            continue;
        seen = STEPS[index].run(it, of, what);
        if (of->why[0] == '\0')
            return seen;
        json_decref(seen);
        return NULL;
    }
    return (json_t *)give_up(of, "there is no step %s", name);
}
