/* Sends from a program that has a loop of its own: the loop polls file
 * descriptors, and the callbacks, which come from threads of the library,
 * wake it through a pipe.
 *
 *     EVERPOST_URL=smtps://user:password@mail.example.org ./async
 */

#include <errno.h>
#include <everpost.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGES 5

/* What a callback hands to the loop. A pointer to it fits into the pipe in one
 * piece, and now belongs to the loop. */
typedef struct {
    everpost_receipt *receipt;
    everpost_error *error;
} result;

/* Runs on a thread of the library: it passes on, and is done. */
static void done(void *user_data, everpost_receipt *receipt, everpost_error *error)
{
    const int *wake = (const int *)user_data;
    result *it = (result *)malloc(sizeof *it);
    if (it == NULL)
        abort();
    it->receipt = receipt;
    it->error = error;
    while (write(*wake, &it, sizeof it) < 0 && errno == EINTR)
        continue;
}

/* Runs in the loop. Whether the message was accepted. */
static int handle(result *it)
{
    int accepted = it->error == NULL;
    everpost_str text = accepted ? everpost_receipt_message_id(it->receipt)
                                 : everpost_error_message(it->error);
    printf("%s: %.*s\n", accepted ? "accepted" : "failed", (int)text.len, text.data);
    everpost_receipt_free(it->receipt);
    everpost_error_free(it->error);
    free(it);
    return accepted;
}

/* Starts one send; 0 if it could not be started. */
static uint64_t start(const everpost_mailer *mailer, int number, int *wake)
{
    char mail[256];
    everpost_message *message = NULL;
    everpost_error *error = NULL;
    uint64_t operation = 0;
    snprintf(mail, sizeof mail,
             "From: app@example.org\r\nTo: you@example.org\r\nMessage-ID: <%d.%ld@example.org>\r\n"
             "Subject: Number %d\r\n\r\nIt works.\r\n",
             number, (long)getpid(), number);
    if (everpost_message_new((const uint8_t *)mail, strlen(mail), &message, &error) == EVERPOST_OK)
        operation = everpost_mailer_send_start(mailer, message, done, wake, &error);
    if (operation == 0) {
        everpost_str why = everpost_error_message(error);
        fprintf(stderr, "not started: %.*s\n", (int)why.len, why.data);
    }
    everpost_message_free(message);
    everpost_error_free(error);
    return operation;
}

int main(void)
{
    const char *url = getenv("EVERPOST_URL");
    everpost_config *config = NULL;
    everpost_mailer *mailer = NULL;
    everpost_error *error = NULL;
    int ends[2], pending = 0, accepted = 0, number;

    if (pipe(ends) != 0)
        return EXIT_FAILURE;
    if (everpost_config_new(url, EVERPOST_NUL, &config, &error) != EVERPOST_OK ||
        everpost_mailer_new(config, &mailer, &error) != EVERPOST_OK) {
        everpost_str why = everpost_error_message(error);
        fprintf(stderr, "%.*s\n", (int)why.len, why.data);
    } else {
        for (number = 0; number < MESSAGES; number++)
            pending += start(mailer, number, &ends[1]) != 0;
    }

    /* The loop: other descriptors of the program would be polled here too. */
    while (pending > 0) {
        struct pollfd ready;
        result *it;
        ready.fd = ends[0];
        ready.events = POLLIN;
        ready.revents = 0;
        if (poll(&ready, 1, -1) < 0) {
            if (errno == EINTR)
                continue;
            break;
        }
        if (read(ends[0], &it, sizeof it) == (ssize_t)sizeof it) {
            accepted += handle(it);
            pending--;
        }
    }

    everpost_mailer_free(mailer);
    everpost_config_free(config);
    everpost_error_free(error);
    /* No callback can come any more: the pipe may go. */
    close(ends[0]);
    close(ends[1]);
    return accepted == MESSAGES ? EXIT_SUCCESS : EXIT_FAILURE;
}
