/* The smallest harness that tells where and why a test failed.
 *
 * A test is a function without arguments; main() names it with RUN. A check
 * that fails ends the process at once: a test that went wrong cannot know what
 * else is, and valgrind would only report its leaks. */

#ifndef EVERPOST_CHECK_H
#define EVERPOST_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "everpost.h"

static inline void check_failed(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(EXIT_FAILURE);
}

#define CHECK(condition)                                           \
    do {                                                           \
        if (!(condition))                                          \
            check_failed(__FILE__, __LINE__, "not so: " #condition); \
    } while (0)

/* The status is EVERPOST_OK, or the error is told. */
#define CHECK_OK(call, error) check_status((call), EVERPOST_OK, (error), __FILE__, __LINE__, #call)

/* The status is the one expected, the error says the same and is freed. */
#define CHECK_FAILS(call, status, error) \
    check_status((call), (status), (error), __FILE__, __LINE__, #call)

/* The two are the same number. */
#define CHECK_EQ(left, right) \
    check_equal((intmax_t)(left), (intmax_t)(right), __FILE__, __LINE__, #left " == " #right)

/* The view holds exactly this text, NULL for an absent one. */
#define CHECK_STR(view, text) check_str((view), (text), __FILE__, __LINE__, #view)

/* The view holds this text somewhere. */
#define CHECK_HAS(view, part) check_has((view), (part), __FILE__, __LINE__, #view)

#define RUN(test)                     \
    do {                              \
        (void)printf("  %s\n", #test); \
        (void)fflush(stdout);         \
        test();                       \
    } while (0)

/* For printf("%.*s"): the length, then the text. */
#define SHOWN(view) (view).data == NULL ? 6 : (int)(view).len, (view).data == NULL ? "absent" : (view).data

/* Takes the error: frees it and makes the variable NULL. */
static inline void drop_error(everpost_error **error)
{
    everpost_error_free(*error);
    *error = NULL;
}

static inline void check_status(everpost_status got, everpost_status expected,
                                everpost_error **error, const char *file, int line,
                                const char *call)
{
    char what[2048];
    if (got != expected) {
        everpost_str why = everpost_error_message(error == NULL ? NULL : *error);
        (void)snprintf(what, sizeof what, "%s is %" PRId32 " and not %" PRId32 ", error: %.*s", call,
                       got, expected, SHOWN(why));
        check_failed(file, line, what);
    }
    if (error == NULL)
        return;
    if ((*error != NULL) != (expected != EVERPOST_OK))
        check_failed(file, line, "status and error contradict each other");
    if (*error != NULL) {
        if (everpost_error_status(*error) != expected)
            check_failed(file, line, "the error has another status than the call");
        drop_error(error);
    }
}

static inline void check_equal(intmax_t left, intmax_t right, const char *file, int line,
                               const char *what)
{
    char text[512];
    if (left == right)
        return;
    (void)snprintf(text, sizeof text, "not so: %s (%" PRIdMAX " and %" PRIdMAX ")", what, left,
                   right);
    check_failed(file, line, text);
}

static inline bool str_is(everpost_str view, const char *text)
{
    if (text == NULL || view.data == NULL)
        return text == NULL && view.data == NULL && view.len == 0;
    return view.len == strlen(text) && memcmp(view.data, text, view.len) == 0;
}

static inline bool str_has(everpost_str view, const char *part)
{
    size_t len = strlen(part), at;
    for (at = 0; view.data != NULL && at + len <= view.len; at++)
        if (memcmp(view.data + at, part, len) == 0)
            return true;
    return false;
}

static inline void check_str(everpost_str view, const char *text, const char *file, int line,
                             const char *what)
{
    char message[1024];
    if (str_is(view, text))
        return;
    (void)snprintf(message, sizeof message, "%s is %.*s and not %s", what, SHOWN(view),
                   text == NULL ? "absent" : text);
    check_failed(file, line, message);
}

static inline void check_has(everpost_str view, const char *part, const char *file, int line,
                             const char *what)
{
    char message[4096];
    if (str_has(view, part))
        return;
    (void)snprintf(message, sizeof message, "%s does not hold \"%s\": %.*s", what, part,
                   SHOWN(view));
    check_failed(file, line, message);
}

#endif
