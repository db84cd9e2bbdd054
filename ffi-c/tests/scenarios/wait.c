/* Waiting for callbacks, up to the end of the scenario's time. */

#include "runner.h"

#include <pthread.h>
#include <stdlib.h>

/* One for all: there is one scenario at a time. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void must(int failed)
{
    if (failed != 0)
        abort();
}

void shared_lock(void) { must(pthread_mutex_lock(&mutex)); }

void shared_unlock(void) { must(pthread_mutex_unlock(&mutex)); }

void shared_changed(void) { must(pthread_cond_broadcast(&changed)); }

bool shared_wait(scenario *it)
{
    return pthread_cond_timedwait(&changed, &mutex, &it->deadline) == 0;
}

static void told(operation *it, everpost_receipt *receipt, everpost_report *report,
                 everpost_text *text, everpost_error *error)
{
    shared_lock();
    it->calls++;
    it->receipt = receipt;
    it->report = report;
    it->text = text;
    it->error = error;
    shared_changed();
    shared_unlock();
}

void told_send(void *user_data, everpost_receipt *receipt, everpost_error *error)
{
    told((operation *)user_data, receipt, NULL, NULL, error);
}

void told_report(void *user_data, everpost_report *report, everpost_error *error)
{
    told((operation *)user_data, NULL, report, NULL, error);
}

void told_text(void *user_data, everpost_text *text, everpost_error *error)
{
    told((operation *)user_data, NULL, NULL, text, error);
}

void told_done(void *user_data, everpost_error *error)
{
    told((operation *)user_data, NULL, NULL, NULL, error);
}

bool operation_wait(scenario *it, operation *under_way)
{
    bool in_time = true;
    shared_lock();
    while (in_time && under_way->calls == 0)
        in_time = shared_wait(it);
    if (!in_time) {
        shared_unlock();
        (void)give_up(it, "it did not end in its time");
        (void)everpost_cancel(under_way->id);
        shared_lock();
        while (under_way->calls == 0)
            must(pthread_cond_wait(&changed, &mutex));
    }
    if (under_way->calls != 1)
        (void)give_up(it, "an operation called back %d times", under_way->calls);
    shared_unlock();
    return in_time;
}

void operation_end(operation *over)
{
    everpost_receipt_free(over->receipt);
    everpost_report_free(over->report);
    everpost_text_free(over->text);
    everpost_error_free(over->error);
}
