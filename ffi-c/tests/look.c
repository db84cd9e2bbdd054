/* Probes, diagnoses, explanations and certificate files. */

#include "latch.h"
#include "server.h"

static everpost_probe *probe_of(const everpost_rehearsal *server)
{
    everpost_probe *probe = NULL;
    everpost_error *error = NULL;
    everpost_str ca = everpost_rehearsal_ca_pem(server);
    CHECK_OK(everpost_probe_new(&probe, &error), &error);
    CHECK_OK(everpost_probe_trust_pem(probe, (const uint8_t *)ca.data, ca.len, &error), &error);
    return probe;
}

static void target_of(const everpost_rehearsal *server, char *target, size_t size)
{
    (void)snprintf(target, size, "localhost:%u",
                   (unsigned)everpost_rehearsal_starttls_port(server));
}

static void a_probe_shows_the_chain_and_what_is_wrong_with_it(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_probe *probe = probe_of(server);
    everpost_report *report = NULL;
    everpost_error *error = NULL;
    const everpost_certificate *leaf;
    char target[64];
    target_of(server, target, sizeof target);
    CHECK_OK(everpost_probe_run(probe, target, EVERPOST_NUL, &report, &error), &error);
    CHECK_EQ(everpost_report_status(report), EVERPOST_HEALTHY);
    CHECK(everpost_report_certificate_count(report) >= 2);
    CHECK_EQ(everpost_report_rung_count(report), 0);
    leaf = everpost_report_certificate(report, 0);
    CHECK(leaf != NULL);
    CHECK(everpost_report_certificate(report, 99) == NULL);
    CHECK_STR(everpost_certificate_dns_name(leaf, 0), "localhost");
    CHECK_EQ(everpost_certificate_fingerprint(leaf).len, 64);
    CHECK(everpost_certificate_not_before(leaf) < everpost_certificate_not_after(leaf));
    CHECK(everpost_certificate_der(leaf).len > 100);
    everpost_report_free(report);
    server_do(server, "{\"do\":\"present\",\"chain\":\"expired\"}");
    CHECK_OK(everpost_probe_run(probe, target, EVERPOST_NUL, &report, &error), &error);
    CHECK_EQ(everpost_report_status(report), EVERPOST_UNHEALTHY);
    CHECK(everpost_report_finding_count(report) >= 1);
    CHECK_STR(everpost_report_finding_id(report, 0), "expired");
    CHECK_HAS(everpost_report_finding_message(report, 0), "expired");
    CHECK_HAS(everpost_report_finding_remedy(report, 0), "renew");
    CHECK_HAS(everpost_report_json(report), "\"expired\"");
    everpost_report_free(report);
    everpost_probe_free(probe);
    everpost_rehearsal_free(server);
}

typedef struct {
    latch done;
    int32_t health;
} seen;

static void reported(void *user_data, everpost_report *report, everpost_error *error)
{
    seen *it = (seen *)user_data;
    CHECK(error == NULL);
    it->health = everpost_report_status(report);
    everpost_report_free(report);
    latch_down(&it->done);
}

static void a_probe_that_is_freed_runs_to_its_end(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_probe *probe = probe_of(server);
    everpost_error *error = NULL;
    char target[64];
    seen it;
    target_of(server, target, sizeof target);
    latch_begin(&it.done, 1);
    CHECK(everpost_probe_run_start(probe, target, EVERPOST_NUL, reported, &it, &error) != 0);
    everpost_probe_free(probe);
    latch_wait(&it.done);
    latch_end(&it.done);
    CHECK_EQ(it.health, EVERPOST_HEALTHY);
    everpost_rehearsal_free(server);
}

static void a_diagnosis_names_the_step_that_fails(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_config *config = config_as(server, USER, "wrong", "");
    everpost_diagnosis *diagnosis = NULL;
    everpost_report *report = NULL;
    everpost_error *error = NULL;
    CHECK_OK(everpost_diagnosis_new(config, &diagnosis, &error), &error);
    CHECK_OK(everpost_diagnosis_run(diagnosis, &report, &error), &error);
    CHECK_EQ(everpost_report_status(report), EVERPOST_UNHEALTHY);
    CHECK_STR(everpost_report_fault(report), "auth");
    CHECK(everpost_report_cause(report).len > 0);
    everpost_report_free(report);
    everpost_diagnosis_free(diagnosis);
    everpost_config_free(config);
    everpost_rehearsal_free(server);
}

static void the_rungs_of_a_diagnosis_tell_how_far_it_came(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_config *config = config_as(server, USER, "wrong", "");
    everpost_diagnosis *diagnosis = NULL;
    everpost_report *report = NULL;
    everpost_error *error = NULL;
    size_t last, index;
    CHECK_OK(everpost_diagnosis_new(config, &diagnosis, &error), &error);
    CHECK_OK(everpost_diagnosis_run(diagnosis, &report, &error), &error);
    CHECK(everpost_report_rung_count(report) > 3);
    last = everpost_report_rung_count(report) - 1;
    for (index = 0; index <= last; index++) {
        CHECK(everpost_report_rung_step(report, index).len > 0);
        CHECK(everpost_report_rung_detail(report, index).len > 0);
        if (index < last && !str_is(everpost_report_rung_outcome(report, index), "skipped"))
            CHECK_STR(everpost_report_rung_outcome(report, index), "held");
    }
    CHECK_STR(everpost_report_rung_step(report, last), "auth");
    CHECK_STR(everpost_report_rung_outcome(report, last), "failed");
    CHECK(everpost_report_rung_elapsed_ms(report, last) > 0);
    CHECK_STR(everpost_report_rung_step(report, last + 1), NULL);
    CHECK_STR(everpost_report_rung_outcome(report, last + 1), NULL);
    CHECK_STR(everpost_report_rung_detail(report, last + 1), NULL);
    CHECK_EQ(everpost_report_rung_elapsed_ms(report, last + 1), 0);
    everpost_report_free(report);
    everpost_diagnosis_free(diagnosis);
    everpost_config_free(config);
    everpost_rehearsal_free(server);
}

static void a_mailer_explains_where_the_fault_is(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "?max_attempts=1");
    everpost_report *report = NULL;
    everpost_error *error = NULL;
    send_one(server, mailer, "good@test");
    server_do(server, "{\"do\":\"present\",\"chain\":\"expired\"}");
    CHECK_OK(everpost_mailer_explain(mailer, NULL, &report, &error), &error);
    CHECK_STR(everpost_report_fault(report), "certificate");
    CHECK(everpost_report_cause(report).len > 0);
    everpost_report_free(report);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

static void a_certificate_file_is_read_and_judged(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_str ca = everpost_rehearsal_ca_pem(server);
    everpost_certificate_file *file = NULL;
    everpost_report *report = NULL;
    everpost_text *text = NULL;
    everpost_error *error = NULL;
    CHECK_OK(everpost_certificate_file_parse((const uint8_t *)ca.data, ca.len, NULL, 0, &file,
                                             &error),
             &error);
    CHECK_EQ(everpost_certificate_file_count(file), 1);
    CHECK(!everpost_certificate_file_has_key(file));
    CHECK_EQ(everpost_certificate_file_key_matches(file), -1);
    CHECK(everpost_certificate_is_ca(everpost_certificate_file_certificate(file, 0)));
    CHECK(everpost_certificate_file_certificate(file, 1) == NULL);
    CHECK_OK(everpost_certificate_file_judge(file, "localhost", EVERPOST_NUL, 0, "mozilla",
                                             EVERPOST_NUL, &report, &error),
             &error);
    CHECK(everpost_report_status(report) != EVERPOST_HEALTHY);
    everpost_report_free(report);
    CHECK_OK(everpost_certificate_file_to_pem(file, false, &text, &error), &error);
    CHECK_HAS(everpost_text_view(text), "-----BEGIN CERTIFICATE-----");
    everpost_text_free(text);
    everpost_certificate_file_free(file);
    everpost_rehearsal_free(server);
}

int main(void)
{
    RUN(a_probe_shows_the_chain_and_what_is_wrong_with_it);
    RUN(a_probe_that_is_freed_runs_to_its_end);
    RUN(a_diagnosis_names_the_step_that_fails);
    RUN(the_rungs_of_a_diagnosis_tell_how_far_it_came);
    RUN(a_mailer_explains_where_the_fault_is);
    RUN(a_certificate_file_is_read_and_judged);
    library_end();
    return 0;
}
