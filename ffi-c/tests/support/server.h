/* A rehearsal server, and what talks to it. */

#ifndef EVERPOST_SERVER_H
#define EVERPOST_SERVER_H

#include "check.h"

#define USER "user"
#define PASSWORD "secret"

static inline everpost_rehearsal *server_begin(void)
{
    const char *options = "{\"credentials\":{\"" USER "\":\"" PASSWORD "\"},"
                          "\"tokens\":{\"" USER "\":\"token\"}}";
    everpost_rehearsal *server = NULL;
    everpost_error *error = NULL;
    CHECK_OK(everpost_rehearsal_start(options, EVERPOST_NUL, &server, &error), &error);
    return server;
}

/* Tells the server something, and gives its answer. */
static inline everpost_text *server_ask(const everpost_rehearsal *server, const char *request)
{
    everpost_text *answer = NULL;
    everpost_error *error = NULL;
    CHECK_OK(everpost_rehearsal_control(server, request, EVERPOST_NUL, &answer, &error), &error);
    CHECK_HAS(everpost_text_view(answer), "\"ok\":true");
    return answer;
}

static inline void server_do(const everpost_rehearsal *server, const char *request)
{
    everpost_text_free(server_ask(server, request));
}

/* How often the server holds the message with this Message-ID. */
static inline int server_copies(const everpost_rehearsal *server, const char *id)
{
    char request[256];
    everpost_text *answer;
    int copies = -1, number;
    (void)snprintf(request, sizeof request, "{\"do\":\"copies\",\"message_id\":\"%s\"}", id);
    answer = server_ask(server, request);
    for (number = 0; number < 10000 && copies < 0; number++) {
        char part[32];
        (void)snprintf(part, sizeof part, "\"copies\":%d%s", number, ",");
        if (str_has(everpost_text_view(answer), part))
            copies = number;
        part[strlen(part) - 1] = '}';
        if (str_has(everpost_text_view(answer), part))
            copies = number;
    }
    everpost_text_free(answer);
    return copies;
}

/* A config for the listener with implicit TLS, with more after the `?`. */
static inline everpost_config *config_as(const everpost_rehearsal *server, const char *user,
                                         const char *password, const char *query)
{
    char url[512];
    everpost_config *config = NULL;
    everpost_error *error = NULL;
    everpost_str ca = everpost_rehearsal_ca_pem(server);
    (void)snprintf(url, sizeof url, "smtps://%s:%s@localhost:%u%s", user, password,
                   (unsigned)everpost_rehearsal_implicit_port(server), query);
    CHECK_OK(everpost_config_new(url, EVERPOST_NUL, &config, &error), &error);
    CHECK_OK(everpost_config_trust_pem(config, (const uint8_t *)ca.data, ca.len, &error), &error);
    return config;
}

static inline everpost_mailer *mailer_of(const everpost_config *config)
{
    everpost_mailer *mailer = NULL;
    everpost_error *error = NULL;
    CHECK_OK(everpost_mailer_new(config, &mailer, &error), &error);
    return mailer;
}

static inline everpost_mailer *mailer_with(const everpost_rehearsal *server, const char *query)
{
    everpost_config *config = config_as(server, USER, PASSWORD, query);
    everpost_mailer *mailer = mailer_of(config);
    everpost_config_free(config);
    return mailer;
}

/* A message with this Message-ID. */
static inline everpost_message *message_with(const char *id)
{
    char mail[512];
    everpost_message *message = NULL;
    everpost_error *error = NULL;
    (void)snprintf(mail, sizeof mail,
                   "From: <from@example.org>\r\nTo: <to@example.org>\r\n"
                   "Message-ID: <%s>\r\nSubject: test\r\n\r\nHello.\r\n",
                   id);
    CHECK_OK(everpost_message_new((const uint8_t *)mail, strlen(mail), &message, &error), &error);
    return message;
}

/* Sends, and the server has it once. */
static inline void send_one(const everpost_rehearsal *server, const everpost_mailer *mailer,
                            const char *id)
{
    everpost_message *message = message_with(id);
    everpost_receipt *receipt = NULL;
    everpost_error *error = NULL;
    CHECK_OK(everpost_mailer_send(mailer, message, &receipt, &error), &error);
    CHECK_EQ(everpost_receipt_reply_code(receipt), 250);
    CHECK_HAS(everpost_receipt_message_id(receipt), id);
    everpost_receipt_free(receipt);
    everpost_message_free(message);
    CHECK_EQ(server_copies(server, id), 1);
}

/* The library leaves nothing: what valgrind still sees then is a leak. */
static inline void library_end(void)
{
    CHECK_EQ(everpost_shutdown(30000), EVERPOST_OK);
}

#endif
