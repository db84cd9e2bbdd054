/* Carries out the scenarios of tests/scenarios in C: docs/scenarios.md has the
 * format, and core/examples/scenarios is the model. The runner reports what it
 * saw and judges nothing.
 *
 *     everpost_rehearsal <-- JSON -- scenario -- calls --> everpost
 *                                       `-- what was seen --> standard output
 *
 * What cannot be carried out is told by `give_up`, and every function on the
 * way out returns NULL or false. Whatever happens, an operation that was
 * started is waited for: its callback writes where it was told to. */

#ifndef EVERPOST_RUNNER_H
#define EVERPOST_RUNNER_H

#include <stdbool.h>
#include <time.h>

#include <jansson.h>

#include "everpost.h"

/* No scenario takes longer. */
#define PATIENCE_S 30

/* One scenario under way. */
typedef struct {
    everpost_rehearsal *server;
    /* All that the server has said: the fields of its first line and of its
     * answers, newer over older. */
    json_t *known;
    /* It must have ended by then. */
    struct timespec deadline;
    /* Why it cannot be carried out; empty until then. */
    char why[1024];
} scenario;

/* Notes why, unless there is a reason already. NULL, for whoever returns it. */
void *give_up(scenario *it, const char *format, ...);
/* As `give_up`, with what the library says; takes the error. */
void *hindered(scenario *it, const char *what, everpost_error *error);

/* Waiting (wait.c). */

/* What the one callback of an operation brought. */
typedef struct {
    uint64_t id;
    int calls;
    everpost_receipt *receipt;
    everpost_report *report;
    everpost_text *text;
    everpost_error *error;
} operation;

void told_send(void *user_data, everpost_receipt *receipt, everpost_error *error);
void told_report(void *user_data, everpost_report *report, everpost_error *error);
void told_text(void *user_data, everpost_text *text, everpost_error *error);
void told_done(void *user_data, everpost_error *error);

/* Waits for the callback. When the scenario's time is over, cancels it, waits
 * all the same, and returns false. */
bool operation_wait(scenario *it, operation *under_way);
/* Frees what it brought. */
void operation_end(operation *over);

/* What callbacks and the scenario share is read and written in between. A
 * change is announced by whoever made it. */
void shared_lock(void);
void shared_unlock(void);
void shared_changed(void);
/* Inside the lock: waits for a change, and returns false when the scenario's
 * time is over. */
bool shared_wait(scenario *it);

/* The server (server.c). */

bool server_begin(scenario *it, const json_t *options);
void server_end(scenario *it);
/* One request, and the answer to it. */
json_t *server_ask(scenario *it, const json_t *request);
/* As `server_ask`, of what must work. */
json_t *server_must(scenario *it, const json_t *request);
/* Each of a list must work. */
bool server_must_all(scenario *it, const json_t *requests);
/* `value` with every ${path} in its texts replaced by what is known. */
json_t *filled(scenario *it, const json_t *value);

/* The client (client.c). */

typedef struct {
    everpost_config *config;
    everpost_mailer *mailer;
    /* Whether it trusts the server's root. */
    bool trusts;
    /* The names of events that nobody has waited for yet. */
    json_t *events;
    /* Answers of the token provider, and the user; NULL without one. */
    json_t *answers;
    /* How many callbacks may still come: of events, and for tokens. */
    int listening;
    /* The error whose verdict may still come. */
    everpost_error *late;
} client;

/* Makes it as the scenario wants it. On false either the scenario cannot be
 * carried out, or `*refusal` is what the library says against such a client. */
bool client_begin(client *it, scenario *of, const json_t *wanted, json_t **refusal);
bool client_close(client *it, scenario *of);
void client_end(client *it, scenario *of);

/* The steps (steps.c). */

/* Does one, and returns what was seen. */
json_t *step(client *it, scenario *of, const json_t *what);

/* What is seen (seen.c). */

/* A text, or null where it is absent. */
json_t *seen_text(everpost_str text);
json_t *seen_error(const everpost_error *error);
json_t *seen_receipt(const everpost_receipt *receipt);
/* Of the JSON of capabilities: by keyword. */
json_t *seen_offered(everpost_str capabilities);
json_t *seen_health(int32_t status);
/* Of a JSON text of the library. */
json_t *seen_json(everpost_str text);

#endif
