/* One call for callbacks that come close together. */

#include "latch.h"
#include "server.h"

/* Sends that ask to be gathered when they have ended. Both count down, and below
 * zero if there is one too many. */
typedef struct {
    latch ended;
    latch gathered;
} crowd;

static void crowd_begin(crowd *it, int sends)
{
    latch_begin(&it->ended, sends);
    latch_begin(&it->gathered, sends);
}

static void crowd_end(crowd *it)
{
    CHECK_EQ(latch_left(&it->ended), 0);
    CHECK_EQ(latch_left(&it->gathered), 0);
    latch_end(&it->ended);
    latch_end(&it->gathered);
}

static void all_gathered(void *user_data)
{
    crowd *it = (crowd *)user_data;
    latch_down(&it->gathered);
}

static void ended_in_a_crowd(void *user_data, everpost_receipt *receipt, everpost_error *error)
{
    crowd *it = (crowd *)user_data;
    everpost_receipt_free(receipt);
    everpost_error_free(error);
    CHECK_OK(everpost_gather(all_gathered, it, &error), &error);
    latch_down(&it->ended);
}

static void begin_in(crowd *it, const everpost_mailer *mailer, const char *id)
{
    everpost_error *error = NULL;
    everpost_message *message = message_with(id);
    CHECK(everpost_mailer_send_start(mailer, message, ended_in_a_crowd, it, &error) != 0);
    everpost_message_free(message);
}

static void each_request_to_gather_is_met_once(void)
{
    enum { SENDS = 20 };
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    crowd it;
    int index;
    crowd_begin(&it, SENDS);
    for (index = 0; index < SENDS; index++)
        begin_in(&it, mailer, "crowd@test");
    latch_wait(&it.ended);
    latch_wait(&it.gathered);
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
    library_end();
    crowd_end(&it);
}

static void what_is_gathered_when_the_library_is_shut_down_is_called_for(void)
{
    everpost_rehearsal *server = server_begin();
    everpost_mailer *mailer = mailer_with(server, "");
    crowd it;
    crowd_begin(&it, 1);
    server_do(server, "{\"do\":\"inject\",\"at\":\"mail\",\"action\":\"stall\"}");
    begin_in(&it, mailer, "last@test");
    server_do(server, "{\"do\":\"wait\",\"fault\":1}");
    everpost_mailer_free(mailer);
    everpost_rehearsal_free(server);
    library_end();
    crowd_end(&it);
}

static void on_a_thread_of_the_program_nothing_is_gathered(void)
{
    everpost_error *error = NULL;
    crowd it;
    crowd_begin(&it, 1);
    latch_down(&it.ended);
    CHECK_OK(everpost_gather(all_gathered, &it, &error), &error);
    crowd_end(&it);
    CHECK_FAILS(everpost_gather(NULL, &it, &error), EVERPOST_NULL_ARGUMENT, &error);
}

int main(void)
{
    RUN(each_request_to_gather_is_met_once);
    RUN(what_is_gathered_when_the_library_is_shut_down_is_called_for);
    RUN(on_a_thread_of_the_program_nothing_is_gathered);
    library_end();
    return 0;
}
