/* The runner: one line of JSON for each scenario. */

#include "runner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void *give_up(scenario *it, const char *format, ...)
{
    va_list arguments;
    if (it->why[0] == '\0') {
        va_start(arguments, format);
        (void)vsnprintf(it->why, sizeof it->why, format, arguments);
        va_end(arguments);
    }
    return NULL;
}

void *hindered(scenario *it, const char *what, everpost_error *error)
{
    everpost_str why = everpost_error_message(error);
    (void)give_up(it, "%s: %.*s", what, (int)why.len, why.data == NULL ? "" : why.data);
    everpost_error_free(error);
    return NULL;
}

/* A request without fields but this one. */
static json_t *ask_plainly(scenario *it, const char *what)
{
    json_t *request = json_pack("{s:s}", "do", what);
    json_t *answer = server_must(it, request);
    json_decref(request);
    return answer;
}

/* What the server holds once the client is gone. */
static json_t *end_of(scenario *it)
{
    /* What is still on its way arrives before it is counted. */
    json_t *closed = json_pack("{s:s, s:b}", "do", "wait", "closed", 1);
    json_t *waited = server_must(it, closed);
    json_t *counts = waited == NULL ? NULL : ask_plainly(it, "counts");
    json_t *stats = counts == NULL ? NULL : ask_plainly(it, "stats");
    json_t *end = NULL;
    if (stats != NULL)
        end = json_pack("{s:O, s:O}", "copies", json_object_get(counts, "counts"), "server",
                        json_object_get(stats, "stats"));
    if (end == NULL)
        (void)give_up(it, "the server does not say what it holds");
    json_decref(stats);
    json_decref(counts);
    json_decref(waited);
    json_decref(closed);
    return end;
}

/* All steps in their order, with a client of their own. NULL: it could not be
 * carried out. */
static json_t *steps_of(scenario *it, const json_t *described, json_t **made)
{
    json_t *steps = json_array(), *refusal = NULL, *what;
    size_t index;
    client client;
    if (client_begin(&client, it, json_object_get(described, "client"), &refusal)) {
        json_array_foreach(json_object_get(described, "steps"), index, what) {
            json_t *seen = step(&client, it, what);
            if (seen == NULL)
                break;
            json_array_append_new(steps, seen);
        }
        if (it->why[0] == '\0')
            (void)client_close(&client, it);
    }
    client_end(&client, it);
    *made = refusal == NULL ? json_object() : refusal;
    return steps;
}

static json_t *carry_out(scenario *it, const json_t *described)
{
    json_t *listening, *made = NULL, *steps = NULL, *end = NULL, *seen = NULL;
    if (!server_begin(it, json_object_get(described, "server")))
        return NULL;
    listening = json_copy(it->known);
    if (server_must_all(it, json_object_get(described, "setup")))
        steps = steps_of(it, described, &made);
    if (it->why[0] == '\0')
        end = end_of(it);
    if (it->why[0] == '\0')
        seen = json_pack("{s:O, s:O, s:O, s:O}", "listening", listening, "client", made, "steps",
                         steps, "end", end);
    json_decref(end);
    json_decref(steps);
    json_decref(made);
    json_decref(listening);
    return seen;
}

static void report(const json_t *described)
{
    const char *name = json_string_value(json_object_get(described, "name"));
    scenario it = {NULL, NULL, {0, 0}, ""};
    json_t *seen, *line;
    (void)clock_gettime(CLOCK_REALTIME, &it.deadline);
    it.deadline.tv_sec += PATIENCE_S;
    it.known = json_object();
    seen = carry_out(&it, described);
    server_end(&it);
    json_decref(it.known);
    if (seen == NULL)
        line = json_pack("{s:s, s:b, s:s}", "scenario", name, "ok", 0, "why", it.why);
    else
        line = json_pack("{s:s, s:b, s:o}", "scenario", name, "ok", 1, "seen", seen);
    (void)json_dumpf(line, stdout, JSON_COMPACT);
    (void)puts("");
    (void)fflush(stdout);
    json_decref(line);
}

int main(int count, char **arguments)
{
    json_error_t error;
    json_t *file, *described;
    size_t index;
    if (count != 2) {
        (void)fprintf(stderr, "usage: scenarios FILE\n");
        return EXIT_FAILURE;
    }
    file = json_load_file(arguments[1], 0, &error);
    if (file == NULL) {
        (void)fprintf(stderr, "%s:%d: %s\n", arguments[1], error.line, error.text);
        return EXIT_FAILURE;
    }
    json_array_foreach(json_object_get(file, "scenarios"), index, described)
        report(described);
    json_decref(file);
    return everpost_shutdown(PATIENCE_S * 1000) == EVERPOST_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
