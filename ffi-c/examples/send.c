/* Sends one message, and says what became of it.
 *
 *     EVERPOST_URL=smtps://user:password@mail.example.org ./send
 */

#include <everpost.h>
#include <stdio.h>
#include <stdlib.h>

/* What a program does about a failed send: `delivery` decides. */
static void explain(const everpost_error *error)
{
    everpost_str message = everpost_error_message(error);
    everpost_str delivery = everpost_error_delivery(error);
    fprintf(stderr, "%.*s\n", (int)message.len, message.data);
    fprintf(stderr, "delivery: %.*s%s\n", (int)delivery.len, delivery.data,
            everpost_error_retryable(error) ? ", worth another try later" : "");
}

int main(void)
{
    const char *url = getenv("EVERPOST_URL");
    everpost_config *config = NULL;
    everpost_mailer *mailer = NULL;
    everpost_compose *compose = NULL;
    everpost_message *message = NULL;
    everpost_receipt *receipt = NULL;
    everpost_error *error = NULL;
    int result = EXIT_FAILURE;

    if (url == NULL) {
        fputs("set EVERPOST_URL to smtps://user:password@host\n", stderr);
        return 2;
    }

    /* A mailer is made once and kept: it holds the connections. */
    if (everpost_config_new(url, EVERPOST_NUL, &config, &error) != EVERPOST_OK)
        goto end;
    if (everpost_mailer_new(config, &mailer, &error) != EVERPOST_OK)
        goto end;

    if (everpost_compose_new(&compose, &error) != EVERPOST_OK)
        goto end;
    if (everpost_compose_set(compose, "from", EVERPOST_NUL, "app@example.org", EVERPOST_NUL,
                             &error) != EVERPOST_OK ||
        everpost_compose_set(compose, "to", EVERPOST_NUL, "you@example.org", EVERPOST_NUL,
                             &error) != EVERPOST_OK ||
        everpost_compose_set(compose, "subject", EVERPOST_NUL, "Hello", EVERPOST_NUL, &error) !=
            EVERPOST_OK ||
        everpost_compose_set(compose, "text", EVERPOST_NUL, "It works.\n", EVERPOST_NUL, &error) !=
            EVERPOST_OK ||
        everpost_compose_build(compose, &message, &error) != EVERPOST_OK)
        goto end;

    if (everpost_mailer_send(mailer, message, &receipt, &error) == EVERPOST_OK) {
        everpost_str id = everpost_receipt_message_id(receipt);
        printf("accepted: %.*s\n", (int)id.len, id.data);
        result = EXIT_SUCCESS;
    }

end:
    if (error != NULL)
        explain(error);
    everpost_error_free(error);
    everpost_receipt_free(receipt);
    everpost_message_free(message);
    everpost_compose_free(compose);
    everpost_mailer_free(mailer);
    everpost_config_free(config);
    return result;
}
