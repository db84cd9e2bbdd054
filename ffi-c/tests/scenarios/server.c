/* The server of a scenario, known by its requests and answers alone. */

#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keeps what the server has said. */
static json_t *heard(scenario *it, everpost_str text)
{
    json_t *said = seen_json(text);
    if (!json_is_object(said)) {
        json_decref(said);
        return (json_t *)give_up(it, "the server does not answer by an object");
    }
    (void)json_object_update(it->known, said);
    return said;
}

bool server_begin(scenario *it, const json_t *options)
{
    everpost_error *error = NULL;
    char *text = json_dumps(options, JSON_COMPACT);
    if (everpost_rehearsal_start(text, EVERPOST_NUL, &it->server, &error) == EVERPOST_OK)
        json_decref(heard(it, everpost_rehearsal_listening(it->server)));
    else
        (void)hindered(it, "the server does not start", error);
    free(text);
    return it->why[0] == '\0';
}

void server_end(scenario *it)
{
    everpost_rehearsal_free(it->server);
}

json_t *server_ask(scenario *it, const json_t *request)
{
    json_t *complete = filled(it, request), *answer = NULL;
    everpost_text *said = NULL;
    everpost_error *error = NULL;
    char *text;
    if (complete == NULL)
        return NULL;
    text = json_dumps(complete, JSON_COMPACT);
    if (everpost_rehearsal_control(it->server, text, EVERPOST_NUL, &said, &error) == EVERPOST_OK)
        answer = heard(it, everpost_text_view(said));
    else
        (void)hindered(it, "a request to the server", error);
    everpost_text_free(said);
    free(text);
    json_decref(complete);
    return answer;
}

json_t *server_must(scenario *it, const json_t *request)
{
    json_t *answer = server_ask(it, request);
    if (answer != NULL && !json_is_true(json_object_get(answer, "ok"))) {
        char *asked = json_dumps(request, JSON_COMPACT), *said = json_dumps(answer, JSON_COMPACT);
        (void)give_up(it, "%s: %s", asked, said);
        free(asked);
        free(said);
        json_decref(answer);
        answer = NULL;
    }
    return answer;
}

bool server_must_all(scenario *it, const json_t *requests)
{
    json_t *request, *answer;
    size_t index;
    json_array_foreach(requests, index, request) {
        answer = server_must(it, request);
        json_decref(answer);
        if (answer == NULL)
            return false;
    }
    return true;
}

/* What the server has said under a path, such as leaf.sha256. */
static json_t *looked_up(scenario *it, const char *path, size_t len)
{
    json_t *value = it->known;
    const char *end = path + len;
    while (path < end && value != NULL) {
        const char *dot = (const char *)memchr(path, '.', (size_t)(end - path));
        char name[64];
        (void)snprintf(name, sizeof name, "%.*s", (int)((dot == NULL ? end : dot) - path), path);
        value = json_object_get(value, name);
        path = dot == NULL ? end : dot + 1;
    }
    return value == NULL ? (json_t *)give_up(it, "the server has not said %.*s", (int)len, end - len)
                         : value;
}

/* Adds to a text that grows. */
static void append(char **text, size_t *used, const char *part, size_t len)
{
    char *longer = (char *)realloc(*text, *used + len + 1);
    if (longer == NULL)
        abort();
    memcpy(longer + *used, part, len);
    *used += len;
    longer[*used] = '\0';
    *text = longer;
}

/* A text that is one ${path} becomes the value itself, whatever its kind. */
static json_t *filled_text(scenario *it, const char *text)
{
    char *done = NULL, *number;
    size_t used = 0;
    const char *from, *end;
    json_t *value;
    for (from = strstr(text, "${"); from != NULL; from = strstr(text, "${")) {
        end = strchr(from, '}');
        value = end == NULL ? (json_t *)give_up(it, "${ without } in %s", text)
                            : looked_up(it, from + 2, (size_t)(end - from - 2));
        if (value == NULL || (used == 0 && from == text && end[1] == '\0')) {
            free(done);
            return json_incref(value);
        }
        append(&done, &used, text, (size_t)(from - text));
        if (json_is_string(value)) {
            append(&done, &used, json_string_value(value), json_string_length(value));
        } else {
            number = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
            append(&done, &used, number, strlen(number));
            free(number);
        }
        text = end + 1;
    }
    append(&done, &used, text, strlen(text));
    value = json_stringn(done, used);
    free(done);
    return value;
}

json_t *filled(scenario *it, const json_t *value)
{
    json_t *all, *item;
    const char *name;
    size_t index;
    if (json_is_string(value))
        return filled_text(it, json_string_value(value));
    if (!json_is_array(value) && !json_is_object(value))
        return json_deep_copy(value);
    all = json_is_array(value) ? json_array() : json_object();
    json_array_foreach(value, index, item) {
        (void)json_array_append_new(all, filled(it, item));
    }
    json_object_foreach((json_t *)value, name, item) {
        (void)json_object_set_new(all, name, filled(it, item));
    }
    if (it->why[0] == '\0')
        return all;
    json_decref(all);
    return NULL;
}
