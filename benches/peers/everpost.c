/* Everpost through its C library: from threads that wait, or from callbacks
 * that each start the next message. */

#include <everpost.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define MOST 64

static const char *job;
static everpost_mailer *mailer;
static uint8_t *mail;
static size_t mail_len;

/* A stretch of sending. */
static double end;
static atomic_ullong sent;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static int under_way;

static void fail(const char *what, const everpost_error *error)
{
    everpost_str why = everpost_error_message(error);
    fprintf(stderr, "%s: %.*s\n", what, (int)why.len, why.data == NULL ? "" : why.data);
    exit(EXIT_FAILURE);
}

static void check(everpost_status status, const char *what, const everpost_error *error)
{
    if (status != EVERPOST_OK)
        fail(what, error);
}

/* The value of a key in the job, up to its quote or comma. The job is one flat
 * object, and nothing in it is escaped. */
static char *field(const char *key)
{
    char name[32];
    const char *begin;
    char *value;
    size_t len;
    snprintf(name, sizeof name, "\"%s\":", key);
    begin = strstr(job, name);
    if (begin == NULL)
        fail(key, NULL);
    begin += strlen(name);
    begin += *begin == '"';
    len = strcspn(begin, "\",}");
    value = malloc(len + 1);
    if (value == NULL)
        abort();
    memcpy(value, begin, len);
    value[len] = 0;
    return value;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static unsigned long long peak_memory(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[128];
    unsigned long long kib = 0;
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmHWM: %llu", &kib) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return kib * 1024;
}

/* Each message is made anew, as a program has it. */
static everpost_message *message(void)
{
    everpost_message *made = NULL;
    everpost_error *error = NULL;
    check(everpost_message_new(mail, mail_len, &made, &error), "message", error);
    return made;
}

static void *blocking(void *unused)
{
    (void)unused;
    while (now() < end) {
        everpost_message *made = message();
        everpost_receipt *receipt = NULL;
        everpost_error *error = NULL;
        check(everpost_mailer_send(mailer, made, &receipt, &error), "send", error);
        everpost_receipt_free(receipt);
        everpost_message_free(made);
        atomic_fetch_add(&sent, 1);
    }
    return NULL;
}

static void done(void *user_data, everpost_receipt *receipt, everpost_error *error);

static void start(void)
{
    everpost_message *made = message();
    everpost_error *error = NULL;
    if (everpost_mailer_send_start(mailer, made, done, NULL, &error) == 0)
        fail("start", error);
    everpost_message_free(made);
}

/* Runs on a thread of the library, which may start a send as any other may. */
static void done(void *user_data, everpost_receipt *receipt, everpost_error *error)
{
    (void)user_data;
    if (error != NULL)
        fail("send", error);
    everpost_receipt_free(receipt);
    atomic_fetch_add(&sent, 1);
    if (now() < end) {
        start();
        return;
    }
    pthread_mutex_lock(&mutex);
    under_way--;
    pthread_cond_signal(&idle);
    pthread_mutex_unlock(&mutex);
}

/* Sends for some time, and returns how many messages. */
static unsigned long long run(double seconds, int connections, int waits)
{
    pthread_t threads[MOST];
    int index;
    end = now() + seconds;
    atomic_store(&sent, 0);
    if (waits) {
        for (index = 1; index < connections; index++)
            if (pthread_create(&threads[index], NULL, blocking, NULL) != 0)
                abort();
        blocking(NULL);
        for (index = 1; index < connections; index++)
            pthread_join(threads[index], NULL);
    } else {
        under_way = connections;
        for (index = 0; index < connections; index++)
            start();
        pthread_mutex_lock(&mutex);
        while (under_way > 0)
            pthread_cond_wait(&idle, &mutex);
        pthread_mutex_unlock(&mutex);
    }
    return atomic_load(&sent);
}

static void read_mail(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail(path, NULL);
    fseek(file, 0, SEEK_END);
    mail_len = (size_t)ftell(file);
    rewind(file);
    mail = malloc(mail_len);
    if (mail == NULL || fread(mail, 1, mail_len, file) != mail_len)
        fail(path, NULL);
    fclose(file);
}

int main(int argc, char **argv)
{
    everpost_config *config = NULL;
    everpost_error *error = NULL;
    unsigned long long warm, messages;
    double begin, begin_cpu, seconds;
    char url[256];
    int connections, waits;

    if (argc != 2)
        return EXIT_FAILURE;
    job = argv[1];
    connections = atoi(field("connections"));
    if (connections < 1 || connections > MOST)
        fail("connections", NULL);
    waits = strcmp(field("how"), "blocking") == 0;
    read_mail(field("message"));
    snprintf(url, sizeof url, "smtps://%s:%s", field("host"), field("port"));
    check(everpost_config_new(url, EVERPOST_NUL, &config, &error), "config", error);
    check(everpost_config_credentials(config, field("user"), EVERPOST_NUL, field("password"), EVERPOST_NUL, &error),
          "credentials", error);
    check(everpost_config_set(config, "trust", EVERPOST_NUL, field("ca"), EVERPOST_NUL, &error), "trust", error);
    check(everpost_config_set(config, "max_connections", EVERPOST_NUL, field("connections"), EVERPOST_NUL, &error),
          "max_connections", error);
    check(everpost_mailer_new(config, &mailer, &error), "mailer", error);
    everpost_config_free(config);

    warm = run(atof(field("warm")), connections, waits);
    begin = now();
    begin_cpu = cpu();
    messages = run(atof(field("seconds")), connections, waits);
    seconds = now() - begin;
    printf("{\"messages\":%llu,\"total\":%llu,\"seconds\":%.6f,\"cpu\":%.6f,\"peak_memory\":%llu}\n",
           messages, messages + warm, seconds, cpu() - begin_cpu, peak_memory());

    check(everpost_mailer_close(mailer, &error), "close", error);
    everpost_mailer_free(mailer);
    everpost_shutdown(1000);
    return EXIT_SUCCESS;
}
