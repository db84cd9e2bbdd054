/* Looks at a server's certificate, and says what is wrong and what to do.
 *
 *     ./probe mail.example.org:465
 *
 * Without an argument it looks at the server of EVERPOST_URL, as a mailer with
 * those settings sees it.
 */

#include <everpost.h>
#include <stdio.h>
#include <stdlib.h>

static void line(const char *name, everpost_str text)
{
    if (text.data != NULL)
        printf("%-9s %.*s\n", name, (int)text.len, text.data);
}

static void show(const everpost_report *report)
{
    size_t index;
    line("summary", everpost_report_summary(report));
    for (index = 0; index < everpost_report_finding_count(report); index++) {
        line("finding", everpost_report_finding_message(report, index));
        line("remedy", everpost_report_finding_remedy(report, index));
    }
    for (index = 0; index < everpost_report_certificate_count(report); index++) {
        const everpost_certificate *certificate = everpost_report_certificate(report, index);
        line("subject", everpost_certificate_subject(certificate));
        line("sha256", everpost_certificate_fingerprint(certificate));
    }
}

static everpost_status probe(const char *target, everpost_report **report, everpost_error **error)
{
    everpost_probe *probe = NULL;
    everpost_status status = everpost_probe_new(&probe, error);
    if (status == EVERPOST_OK)
        status = everpost_probe_run(probe, target, EVERPOST_NUL, report, error);
    everpost_probe_free(probe);
    return status;
}

static everpost_status diagnose(const char *url, everpost_report **report, everpost_error **error)
{
    everpost_config *config = NULL;
    everpost_diagnosis *diagnosis = NULL;
    everpost_status status = everpost_config_new(url, EVERPOST_NUL, &config, error);
    if (status == EVERPOST_OK)
        status = everpost_diagnosis_new(config, &diagnosis, error);
    if (status == EVERPOST_OK)
        status = everpost_diagnosis_run(diagnosis, report, error);
    everpost_diagnosis_free(diagnosis);
    everpost_config_free(config);
    return status;
}

int main(int argc, char **argv)
{
    everpost_report *report = NULL;
    everpost_error *error = NULL;
    everpost_status status;
    int healthy;

    if (argc > 1)
        status = probe(argv[1], &report, &error);
    else
        status = diagnose(getenv("EVERPOST_URL"), &report, &error);
    healthy = status == EVERPOST_OK && everpost_report_status(report) == EVERPOST_HEALTHY;
    if (status == EVERPOST_OK)
        show(report);
    else
        line("error", everpost_error_message(error));
    everpost_report_free(report);
    everpost_error_free(error);
    return healthy ? EXIT_SUCCESS : EXIT_FAILURE;
}
