/* One mailer, eight threads, and rotations among them. */

#include <pthread.h>

#include "server.h"

#define THREADS 8
#define EACH 10

typedef struct {
    const everpost_mailer *mailer;
    int number;
} worker;

static void *work(void *argument)
{
    const worker *me = (const worker *)argument;
    int round;
    for (round = 0; round < EACH; round++) {
        char id[64];
        everpost_message *message;
        everpost_receipt *receipt = NULL;
        everpost_error *error = NULL;
        (void)snprintf(id, sizeof id, "t%d-%d@test", me->number, round);
        message = message_with(id);
        CHECK_OK(everpost_mailer_send(me->mailer, message, &receipt, &error), &error);
        everpost_receipt_free(receipt);
        everpost_message_free(message);
        (void)everpost_mailer_health(me->mailer);
    }
    return NULL;
}

static void eight_threads_share_a_mailer_while_the_server_rotates(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    pthread_t threads[THREADS];
    worker workers[THREADS];
    int number, round;
    for (number = 0; number < THREADS; number++) {
        workers[number].mailer = mailer;
        workers[number].number = number;
        CHECK_EQ(pthread_create(&threads[number], NULL, work, &workers[number]), 0);
    }
    server_do(server, "{\"do\":\"wait\",\"messages\":5}");
    server_do(server, "{\"do\":\"rotate\"}");
    server_do(server, "{\"do\":\"wait\",\"messages\":20}");
    server_do(server, "{\"do\":\"rotate\",\"signer\":\"new_intermediate\"}");
    for (number = 0; number < THREADS; number++)
        CHECK_EQ(pthread_join(threads[number], NULL), 0);
    for (number = 0; number < THREADS; number++)
        for (round = 0; round < EACH; round++) {
            char id[64];
            (void)snprintf(id, sizeof id, "t%d-%d@test", number, round);
            CHECK_EQ(server_copies(server, id), 1);
        }
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
}

int main(void)
{
    RUN(eight_threads_share_a_mailer_while_the_server_rotates);
    library_end();
    return 0;
}
