/* The client: a mailer as the scenario wants it, and the callbacks it has. */

#include "runner.h"

#include <stdlib.h>
#include <string.h>

static void told_event(void *user_data, const everpost_event *event)
{
    client *it = (client *)user_data;
    shared_lock();
    (void)json_array_append_new(it->events, seen_text(everpost_event_name(event)));
    shared_changed();
    shared_unlock();
}

/* Gives each answer once, and the last one from then on. */
static void asked_for_token(void *user_data, everpost_token_request *request)
{
    client *it = (client *)user_data;
    json_t *answer;
    shared_lock();
    answer = json_incref(json_array_get(it->answers, 0));
    if (json_array_size(it->answers) > 1)
        (void)json_array_remove(it->answers, 0);
    shared_unlock();
    if (answer == NULL)
        everpost_token_refuse(request, "there is no token", EVERPOST_NUL);
    else
        everpost_token_answer(request, json_string_value(answer), json_string_length(answer));
    json_decref(answer);
}

static void told_no_more(void *user_data)
{
    client *it = (client *)user_data;
    shared_lock();
    it->listening--;
    shared_changed();
    shared_unlock();
}

/* A text of the scenario or the server, filled in. */
static json_t *text_of(scenario *it, const char *template_text)
{
    json_t *quoted = json_string(template_text), *text = filled(it, quoted);
    json_decref(quoted);
    if (text == NULL || json_is_string(text))
        return text;
    json_decref(text);
    return (json_t *)give_up(it, "%s is no text", template_text);
}

static everpost_status trust(client *it, scenario *of, everpost_error **error)
{
    json_t *pem = text_of(of, "${ca_pem}");
    everpost_status status =
        pem == NULL ? EVERPOST_OK
                    : everpost_config_trust_pem(it->config, (const uint8_t *)json_string_value(pem),
                                                json_string_length(pem), error);
    json_decref(pem);
    return status;
}

static everpost_status show_identity(client *it, scenario *of, everpost_error **error)
{
    json_t *chain = text_of(of, "${chain_pem}"), *key = text_of(of, "${key_pem}");
    everpost_status status = EVERPOST_OK;
    if (chain != NULL && key != NULL)
        status = everpost_config_client_identity(
            it->config, (const uint8_t *)json_string_value(chain), json_string_length(chain),
            (const uint8_t *)json_string_value(key), json_string_length(key), error);
    json_decref(chain);
    json_decref(key);
    return status;
}

static everpost_status provide_tokens(client *it, const json_t *tokens, everpost_error **error)
{
    const json_t *user = json_object_get(tokens, "user");
    everpost_status status;
    it->answers = json_copy(json_object_get(tokens, "answers"));
    status = everpost_config_token_provider(it->config, json_string_value(user),
                                            json_string_length(user), asked_for_token,
                                            told_no_more, it, error);
    if (status == EVERPOST_OK)
        it->listening++;
    return status;
}

static everpost_status listen_to_events(client *it, everpost_error **error)
{
    everpost_status status;
    it->events = json_array();
    status = everpost_config_events(it->config, told_event, told_no_more, it, error);
    if (status == EVERPOST_OK)
        it->listening++;
    return status;
}

/* Every setting in its turn, until one is refused. */
static everpost_status make(client *it, scenario *of, const json_t *wanted, const json_t *url,
                            everpost_error **error)
{
    const json_t *tokens = json_object_get(wanted, "tokens");
    everpost_status status = everpost_config_new(json_string_value(url), json_string_length(url),
                                                 &it->config, error);
    it->trusts = json_is_true(json_object_get(wanted, "trust"));
    if (status == EVERPOST_OK && it->trusts)
        status = trust(it, of, error);
    if (status == EVERPOST_OK && json_is_true(json_object_get(wanted, "identity")))
        status = show_identity(it, of, error);
    if (status == EVERPOST_OK && json_is_object(tokens))
        status = provide_tokens(it, tokens, error);
    if (status == EVERPOST_OK)
        status = listen_to_events(it, error);
    if (status == EVERPOST_OK)
        status = everpost_mailer_new(it->config, &it->mailer, error);
    return status;
}

bool client_begin(client *it, scenario *of, const json_t *wanted, json_t **refusal)
{
    everpost_error *error = NULL;
    json_t *url = text_of(of, json_string_value(json_object_get(wanted, "url")));
    memset(it, 0, sizeof *it);
    if (url != NULL && make(it, of, wanted, url, &error) != EVERPOST_OK) {
        *refusal = seen_error(error);
        everpost_error_free(error);
    }
    json_decref(url);
    return it->mailer != NULL && of->why[0] == '\0';
}

bool client_close(client *it, scenario *of)
{
    operation closing = {0, 0, NULL, NULL, NULL, NULL};
    everpost_error *error = NULL;
    closing.id = everpost_mailer_close_start(it->mailer, told_done, &closing, &error);
    if (closing.id == 0 || !operation_wait(of, &closing) || closing.error != NULL)
        (void)give_up(of, "the mailer does not close");
    everpost_error_free(error);
    operation_end(&closing);
    return of->why[0] == '\0';
}

void client_end(client *it, scenario *of)
{
    everpost_error_free(it->late);
    everpost_mailer_free(it->mailer);
    everpost_config_free(it->config);
    /* Until then callbacks may come that write here; also of a scenario whose
     * time is over. */
    of->deadline.tv_sec += PATIENCE_S;
    shared_lock();
    while (it->listening > 0)
        if (!shared_wait(of))
            abort();
    shared_unlock();
    json_decref(it->events);
    json_decref(it->answers);
}
