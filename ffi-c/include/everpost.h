/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Everpost: mail submission that survives certificate rotations, and probes
 * that say what is wrong with a mail server's certificate.
 *
 * A program, whole but for the reading of `mail`:
 *
 *     everpost_config *config = NULL;
 *     everpost_mailer *mailer = NULL;
 *     everpost_message *message = NULL;
 *     everpost_receipt *receipt = NULL;
 *     everpost_error *error = NULL;
 *
 *     if (everpost_config_new("smtps://user:password@mail.example.org", EVERPOST_NUL, &config, &error) == EVERPOST_OK
 *         && everpost_mailer_new(config, &mailer, &error) == EVERPOST_OK
 *         && everpost_message_new(mail, mail_len, &message, &error) == EVERPOST_OK
 *         && everpost_mailer_send(mailer, message, &receipt, &error) == EVERPOST_OK)
 *         puts("accepted");
 *     else {
 *         everpost_str why = everpost_error_message(error);
 *         fprintf(stderr, "%.*s\n", (int)why.len, why.data);
 *     }
 *
 *     everpost_error_free(error);
 *     everpost_receipt_free(receipt);
 *     everpost_message_free(message);
 *     everpost_mailer_free(mailer);
 *     everpost_config_free(config);
 *
 * Keep the mailer: one for the process is right, and all threads may use it.
 *
 *
 * OWNERSHIP
 *
 * Every struct without visible fields is a handle. Who gets one through an out
 * parameter or in a callback's result owns it and releases it with the `_free`
 * function of its type, once. `_free(NULL)` does nothing. A `const` handle that
 * a function returns is borrowed: it lives as long as what it was taken from,
 * and is not freed.
 *
 * What a function is given it copies or shares: a config may be freed as soon
 * as its mailer exists, a message as soon as `_send` or `_send_start` has
 * returned. Out parameters are written whatever happens: on failure with NULL.
 * NULL where a handle or an out parameter is needed is an error like others,
 * EVERPOST_NULL_ARGUMENT, and never a crash; a function that only reads a field
 * answers NULL with 0, false or an absent string. A handle that has been freed
 * is not NULL, though: using it is undefined, as in all of C.
 *
 *
 * STRINGS
 *
 * Text goes in as a pointer and a length in bytes, in UTF-8. EVERPOST_NUL as
 * the length says that the text ends at its first NUL. NULL with length 0 is
 * "absent", where the function allows it. Bytes, such as a message or a PEM
 * file, go in as `const uint8_t *` and a length.
 *
 * Text comes out as an `everpost_str`, a view that lives as long as the handle
 * it was asked of. It does not end with a NUL: print it with "%.*s" and its
 * length. Its `data` is NULL if the text is absent. Long texts that are made
 * anew, such as JSON, come as `everpost_text`, which is a handle.
 *
 * Times are seconds since 1970 in UTC, durations are milliseconds.
 *
 *
 * THREADS
 *
 * A function that takes a handle as pointer to `const` may be called from many
 * threads at once. A handle that is passed without `const`, to set something or
 * to free it, must be used by nobody else in the meantime: build a config, a
 * message or an envelope in one thread, then share it. Freeing a mailer or a
 * probe while operations are under way is allowed: they run to their end, and
 * their callbacks are called.
 *
 * The library starts a few threads when it first needs them. After fork() the
 * child begins with threads and connections of its own; handles made before
 * the fork may be used and freed there, but operations that were under way
 * belong to the parent. everpost_shutdown() ends the threads; a later call
 * starts them again. No signal handler, logger or TLS setting of the process is
 * touched.
 *
 *
 * CALLBACKS
 *
 * Every function that waits has a twin named `_start` which does not. It
 * returns the number of the operation, or 0 if there is none: then the callback
 * is never called, and `*error` says why. Otherwise the callback is called
 * exactly once, from a thread of the library, perhaps before `_start` returns.
 * It gets `user_data` as it was given, and owns the handles it is given: of
 * result and error, one is NULL.
 *
 * everpost_cancel() stops an operation by its number, which is never used
 * again and needs no release. The callback is still called, once: with
 * EVERPOST_CANCELLED, or with what had happened already. A message that was
 * handed over when its send was cancelled is EVERPOST_DELIVERY_UNKNOWN.
 *
 * Callbacks for events and logs borrow what they are given for the time of the
 * call. Where there is a `drop`, it is called exactly once, after the last
 * callback with that `user_data`, and may release it; it is also called if the
 * function that was given it fails.
 *
 * A callback may call any function of this library. Those that wait would have
 * the library wait for itself, and return EVERPOST_WRONG_THREAD instead: use
 * their twins. A callback should return soon, must not throw a C++ exception,
 * and must not end its thread.
 *
 *
 * ERRORS
 *
 * Functions that can fail return an `everpost_status`, which is EVERPOST_OK or
 * one of the numbers below, and take an `everpost_error **`, last. If that is
 * not NULL it is set: to NULL on success, otherwise to an error which the
 * caller owns. It has all there is to know: what happened, at which stage, the
 * server's reply, the certificate and the reasons against it, and a hint what
 * to do. There is no "last error" of the thread.
 *
 * After a failed send ask everpost_error_delivery(), never guess from the
 * status: "not_sent" is safe to send again, "refused" was the server's answer,
 * and "unknown" may or may not have arrived. docs/errors.md has all statuses,
 * what they mean and what to do. No error, event or log holds a password, a
 * token or the text of a message.
 *
 *
 * VERSIONS
 *
 * EVERPOST_VERSION is the version of this header, everpost_version() that of
 * the library. Within one EVERPOST_ABI_VERSION functions and numbers are only
 * added: a program runs with every library whose everpost_abi_version() is the
 * EVERPOST_ABI_VERSION that it was compiled with. A program that loads the
 * library itself should compare them first.
 *
 * Generated by `cargo xtask header`: change the sources in ffi-c/src.
 */

#ifndef EVERPOST_H
#define EVERPOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The version of this header. */
#define EVERPOST_VERSION "0.1.0"
#define EVERPOST_VERSION_MAJOR 0
#define EVERPOST_VERSION_MINOR 1
#define EVERPOST_VERSION_PATCH 0

/** As a length: the text ends at its NUL. */
#define EVERPOST_NUL SIZE_MAX

/**
 * The version of this ABI, raised when a program built against the header
 * before would break.
 */
#define EVERPOST_ABI_VERSION 1

/**
 * Why something failed: what happened, where, what is known of the message,
 * and what to do. It never changes, and may be used from many threads.
 */
typedef struct everpost_error everpost_error;

/** Text or bytes that the caller owns, such as JSON or PEM. */
typedef struct everpost_text everpost_text;

/**
 * What became of a call: `EVERPOST_OK` (0), or one of the other constants.
 * Later versions of the library may return numbers that are not known yet.
 */
typedef int32_t everpost_status;

/**
 * A view of UTF-8 text that is not NUL-terminated, valid as long as the
 * object it was asked of; absent is `{NULL, 0}`.
 */
typedef struct {
  /** The first byte; NULL if absent. */
  const char *data;
  /** The number of bytes. */
  size_t len;
} everpost_str;

/** It worked. */
#define EVERPOST_OK 0

/** The configuration cannot work. */
#define EVERPOST_INVALID_CONFIG 10

/** The message or its envelope cannot be sent as it is. */
#define EVERPOST_INVALID_MESSAGE 11

/** An argument that must be given is NULL. */
#define EVERPOST_NULL_ARGUMENT 20

/**
 * An argument is not UTF-8, not a known key, or not one of the numbers it
 * may be.
 */
#define EVERPOST_INVALID_ARGUMENT 21

/**
 * The call would wait, on a thread that runs callbacks: use the form of it
 * that ends in `_start`.
 */
#define EVERPOST_WRONG_THREAD 22

/** The server's name does not resolve. */
#define EVERPOST_DNS 100

/** No connection, or it was lost before the message was handed over. */
#define EVERPOST_CONNECT 101

/** A deadline passed. */
#define EVERPOST_TIMEOUT 110

/** TLS failed for a reason other than the certificate. */
#define EVERPOST_TLS 200

/** The server's certificate was not accepted. */
#define EVERPOST_CERTIFICATE 201

/** The credentials were refused, or no mechanism fits. */
#define EVERPOST_AUTH 300

/** The server refused with a 4yz or 5yz reply. */
#define EVERPOST_REJECTED 310

/** The message needs an extension that the server does not offer. */
#define EVERPOST_UNSUPPORTED 320

/** The server broke the protocol. */
#define EVERPOST_PROTOCOL 330

/** The message may or may not have been delivered. */
#define EVERPOST_DELIVERY_UNKNOWN 340

/** The operation was cancelled. */
#define EVERPOST_CANCELLED 400

/** The mailer is closed. */
#define EVERPOST_CLOSED 410

/** A defect of the library. */
#define EVERPOST_INTERNAL 900

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ------------------------------------------------------------- The library */

/**
 * Cancels an operation: true if it was still under way. Its callback runs
 * all the same, once, with `EVERPOST_CANCELLED`, or with what had happened by
 * then: of a message that was already handed over, `EVERPOST_DELIVERY_UNKNOWN`
 * or a receipt. Any number is allowed; from any thread, also from a callback.
 */
bool everpost_cancel(uint64_t operation);

/**
 * Cancels what is under way, waits up to `timeout_ms` for its callbacks, and
 * ends the threads of the library. For programs that want none of them left,
 * before they unload it or exit; a later call starts them anew. No other call
 * may be under way.
 *
 * Errors: `EVERPOST_WRONG_THREAD`; `EVERPOST_TIMEOUT` if callbacks were still
 * to come. Those come while the threads end, at the latest.
 */
everpost_status everpost_shutdown(uint64_t timeout_ms);

/**
 * The version of the ABI that this library has. A program or wrapper
 * compares it with `EVERPOST_ABI_VERSION` of the header it was built with,
 * and goes on only if they are equal.
 */
uint32_t everpost_abi_version(void);

/** The version of the library, such as "0.1.0". Lives as long as the process. */
everpost_str everpost_version(void);

/**
 * The stable name of a status, such as "certificate"; absent for a number
 * that is none. Lives as long as the process.
 */
everpost_str everpost_status_name(everpost_status status);

/* ------------------------------------------------------ Text that is owned */

/** What is in it, valid until it is freed. Absent if `text` is NULL. */
everpost_str everpost_text_view(const everpost_text *text);

/** Frees it, and wipes it, as it may hold a private key. NULL is allowed. */
void everpost_text_free(everpost_text *text);

/* ------------------------------------------------------------------ Errors */

/** The status that the call returned. `EVERPOST_NULL_ARGUMENT` of NULL. */
everpost_status everpost_error_status(const everpost_error *error);

/** What went wrong, by its stable name, such as "certificate". */
everpost_str everpost_error_kind(const everpost_error *error);

/** Where in the conversation, by its stable name, such as "handshake". */
everpost_str everpost_error_stage(const everpost_error *error);

/**
 * What is known of the message: "not_sent" (safe to send again), "refused",
 * or "unknown" (may or may not have been delivered).
 */
everpost_str everpost_error_delivery(const everpost_error *error);

/**
 * Whether the same call may succeed later without a change. Says nothing of
 * duplicates: see `everpost_error_delivery`. False of NULL.
 */
bool everpost_error_retryable(const everpost_error *error);

/** One line for a log. Never holds a secret. */
everpost_str everpost_error_message(const everpost_error *error);

/** A report of many lines, the certificate included. Never holds a secret. */
everpost_str everpost_error_report(const everpost_error *error);

/** What to do about it, in one sentence; may be absent. */
everpost_str everpost_error_hint(const everpost_error *error);

/** The Message-ID of the message concerned; absent if there is none. */
everpost_str everpost_error_message_id(const everpost_error *error);

/** How many connections were tried for the message. 0 of NULL. */
uint32_t everpost_error_attempts(const everpost_error *error);

/** The code of the server's reply; 0 if no reply was the cause. */
uint16_t everpost_error_reply_code(const everpost_error *error);

/** The enhanced status code of that reply, such as "5.7.8"; may be absent. */
everpost_str everpost_error_reply_enhanced(const everpost_error *error);

/** The lines of that reply, joined by LF; absent if there is none. */
everpost_str everpost_error_reply_text(const everpost_error *error);

/**
 * The report on the server's certificate as JSON; absent if the certificate
 * was not the cause.
 */
everpost_str everpost_error_certificate_json(const everpost_error *error);

/**
 * The sender in the envelope of the message; absent if there is no message,
 * or it has none.
 */
everpost_str everpost_error_sender(const everpost_error *error);

/** The number of recipients in that envelope. 0 of NULL. */
size_t everpost_error_recipient_count(const everpost_error *error);

/** One of them; absent beyond the last. */
everpost_str everpost_error_recipient(const everpost_error *error, size_t index);

/** The number of recipients that the server refused one by one. 0 of NULL. */
size_t everpost_error_rejected_count(const everpost_error *error);

/** The address of one of them; absent beyond the last. */
everpost_str everpost_error_rejected_address(const everpost_error *error, size_t index);

/** The code of the reply to one of them; 0 beyond the last. */
uint16_t everpost_error_rejected_code(const everpost_error *error, size_t index);

/** The lines of the reply to one of them, joined by LF; absent beyond the last. */
everpost_str everpost_error_rejected_reply(const everpost_error *error, size_t index);

/** The causes beneath, joined by ": "; absent if there are none. */
everpost_str everpost_error_source(const everpost_error *error);

/** All of it as JSON: schema "everpost.error/1". */
everpost_str everpost_error_json(const everpost_error *error);

/**
 * Waits up to `timeout_ms` for the verdict on a message whose delivery was
 * unknown. `delivery_out` becomes "accepted" or "refused", or absent if there
 * is none (yet); it lives as long as the process.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_WRONG_THREAD`.
 */
everpost_status everpost_error_late_verdict(const everpost_error *of,
                                            uint64_t timeout_ms,
                                            everpost_str *delivery_out,
                                            everpost_error **error);

/** Frees it. NULL is allowed. */
void everpost_error_free(everpost_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EVERPOST_H */
