/* Waiting for callbacks without sleeping. */

#ifndef EVERPOST_LATCH_H
#define EVERPOST_LATCH_H

#include <pthread.h>

#include "check.h"

/* Counts down; whoever waits goes on at zero. */
typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int left;
} latch;

static inline void latch_begin(latch *it, int count)
{
    CHECK(pthread_mutex_init(&it->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&it->changed, NULL) == 0);
    it->left = count;
}

static inline void latch_add(latch *it, int count)
{
    CHECK(pthread_mutex_lock(&it->mutex) == 0);
    it->left += count;
    if (it->left <= 0)
        CHECK(pthread_cond_broadcast(&it->changed) == 0);
    CHECK(pthread_mutex_unlock(&it->mutex) == 0);
}

static inline void latch_down(latch *it)
{
    latch_add(it, -1);
}

static inline void latch_wait(latch *it)
{
    CHECK(pthread_mutex_lock(&it->mutex) == 0);
    while (it->left > 0)
        CHECK(pthread_cond_wait(&it->changed, &it->mutex) == 0);
    CHECK(pthread_mutex_unlock(&it->mutex) == 0);
}

static inline int latch_left(latch *it)
{
    int left;
    CHECK(pthread_mutex_lock(&it->mutex) == 0);
    left = it->left;
    CHECK(pthread_mutex_unlock(&it->mutex) == 0);
    return left;
}

static inline void latch_end(latch *it)
{
    CHECK(pthread_mutex_destroy(&it->mutex) == 0);
    CHECK(pthread_cond_destroy(&it->changed) == 0);
}

#endif
