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
 * callback with that `user_data`, and may release it; if the function that was
 * given it fails, it is not called.
 *
 * A callback may call any function of this library. Those that wait would have
 * the library wait for itself, and return EVERPOST_WRONG_THREAD instead: use
 * their twins. A callback should return soon, must not throw a C++ exception,
 * and must not end its thread. One that wakes another thread, such as an event
 * loop, can have it woken once for many results: see everpost_gather().
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

/** Nothing is known against it. */
#define EVERPOST_HEALTHY 0

/** It works, but something is near its end, or not as it should be. */
#define EVERPOST_DEGRADED 1

/** It cannot be used. */
#define EVERPOST_UNHEALTHY 2

/** It could not be found out. */
#define EVERPOST_UNKNOWN 3

/**
 * The version of this ABI, raised when a program built against the header
 * before would break.
 */
#define EVERPOST_ABI_VERSION 1

/**
 * One certificate. It belongs to the file or report that it was asked of,
 * and lives as long; it never changes, and may be used from many threads.
 */
typedef struct everpost_certificate everpost_certificate;

/**
 * Certificates, and perhaps a private key, from PEM, DER or PFX (PKCS#12). It
 * never changes, and may be used from many threads.
 */
typedef struct everpost_certificate_file everpost_certificate_file;

/** A message that is being put together. To be used by one thread at a time. */
typedef struct everpost_compose everpost_compose;

/** How a mailer shall be. To be used by one thread at a time. */
typedef struct everpost_config everpost_config;

/**
 * A walk from DNS to the recipient with the settings of a mailer. Setting its
 * options is for one thread; running it is for many at the same time, once
 * they are set.
 */
typedef struct everpost_diagnosis everpost_diagnosis;

/** An envelope that is being put together. To be used by one thread at a time. */
typedef struct everpost_envelope everpost_envelope;

/**
 * Why something failed: what happened, where, what is known of the message,
 * and what to do. It never changes, and may be used from many threads.
 */
typedef struct everpost_error everpost_error;

/** Something that happened in a mailer. */
typedef struct everpost_event everpost_event;

/**
 * Sends mail through pooled connections that survive every rotation of the
 * server's certificate. Made once and kept for the life of the process; may
 * be used from many threads. In a forked child it has connections of its own.
 */
typedef struct everpost_mailer everpost_mailer;

/**
 * A message to send, any number of times. Sending only reads it; to change it
 * nothing else may use it.
 */
typedef struct everpost_message everpost_message;

/**
 * Probes servers; made once, used for many. Setting its options is for one
 * thread; running it is for many at the same time, once they are set.
 */
typedef struct everpost_probe everpost_probe;

/**
 * Proof that the server took responsibility for a message. It never changes,
 * and may be used from many threads.
 */
typedef struct everpost_receipt everpost_receipt;

#if defined(EVERPOST_REHEARSAL)
/**
 * A mail server on loopback that rotates its certificate and misbehaves on
 * command. May be used from many threads, and not in a forked child.
 */
typedef struct everpost_rehearsal everpost_rehearsal;
#endif

/**
 * What was found. It never changes, and may be used from many threads; what
 * its accessors return lives as long as it does.
 */
typedef struct everpost_report everpost_report;

/** Text or bytes that the caller owns, such as JSON or PEM. */
typedef struct everpost_text everpost_text;

/** A token that is waited for; its answer takes it. */
typedef struct everpost_token_request everpost_token_request;

/**
 * What became of a call: `EVERPOST_OK` (0), or one of the other constants.
 * Later versions of the library may return numbers that are not known yet.
 */
typedef int32_t everpost_status;

/**
 * Called once for each message of a batch, with its position, in any order;
 * never at the same time as itself. Of `receipt` and `error` exactly one is
 * not NULL, and it belongs to the callee.
 */
typedef void (*everpost_batch_fn)(void *user_data,
                                  size_t index,
                                  everpost_receipt *receipt,
                                  everpost_error *error);

/**
 * Called once at the end: `error` is NULL if it went well, and otherwise
 * belongs to the callee.
 */
typedef void (*everpost_done_fn)(void *user_data, everpost_error *error);

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

/**
 * A view of bytes, valid as long as the object it was asked of; absent is
 * `{NULL, 0}`.
 */
typedef struct {
  /** The first byte; NULL if absent. */
  const uint8_t *data;
  /** The number of bytes. */
  size_t len;
} everpost_bytes;

/**
 * Asks for an OAuth 2.0 access token. The callee answers `request` exactly
 * once, by `everpost_token_answer` or `everpost_token_refuse`, during the
 * call or later, from any thread. It must not wait for the network itself:
 * it is called from a thread that drives other work.
 */
typedef void (*everpost_token_fn)(void *user_data, everpost_token_request *request);

/**
 * Called once when `user_data` is needed no more; NULL if nothing is to be
 * done then.
 */
typedef void (*everpost_drop_fn)(void *user_data);

/** Takes an event, which lives during the call. It must not wait for long. */
typedef void (*everpost_event_fn)(void *user_data, const everpost_event *event);

/**
 * Called once with what was found: exactly one of `report` and `error` is
 * not NULL, and belongs to the callee.
 */
typedef void (*everpost_report_fn)(void *user_data,
                                   everpost_report *report,
                                   everpost_error *error);

/**
 * Called once with the result of a send: of `receipt` and `error` exactly one
 * is not NULL, and it belongs to the callee.
 */
typedef void (*everpost_send_fn)(void *user_data,
                                 everpost_receipt *receipt,
                                 everpost_error *error);

/**
 * Takes a line of the log: `level` from 1 (error) to 5 (trace), the part of
 * the library it comes from, and what it says. Both texts live during the
 * call. It is called from many threads at once, and must not wait.
 */
typedef void (*everpost_log_fn)(void *user_data,
                                int32_t level,
                                everpost_str target,
                                everpost_str message);

/**
 * Called once with the text that was asked for: of `text` and `error` exactly
 * one is not NULL, and it belongs to the callee.
 */
typedef void (*everpost_text_fn)(void *user_data,
                                 everpost_text *text,
                                 everpost_error *error);

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
 * Calls `gathered` once, on a thread of the library, when no more callbacks of
 * operations are about to come. To be called from such a callback, by what
 * then wakes another thread: to wake it for many results at once costs a
 * fraction of waking it for each. Nothing waits for time to pass: what is put
 * off is put off until the library has done what it could do at once, and for
 * 16 callbacks or a millisecond at the most. From any other thread, `gathered`
 * is called before this function returns.
 *
 * The call comes also when the library is shut down. It is no callback of an
 * operation: `everpost_cancel` does not know of it.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_gather(everpost_drop_fn gathered,
                                void *user_data,
                                everpost_error **error);

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

/** Frees it. NULL is allowed. */
void everpost_error_free(everpost_error *error);

/**
 * Whether the server's answer to the message is still listened for, or has
 * come since: then there is a verdict to ask for. False of NULL.
 */
bool everpost_error_has_late_verdict(const everpost_error *error);

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

/**
 * Waits for the same verdict in the background, and for all of it: `done` is
 * called once, with the receipt or the refusal that the send would have
 * ended in, or with this error again if the connection ended without one.
 * That may take as long as the deadline for an answer. Returns the operation,
 * for `everpost_cancel`, or 0 if it was not started, which `error` explains.
 * When it is cancelled, a verdict that has come by then is told nevertheless.
 * The error may be freed meanwhile.
 *
 * Errors: `EVERPOST_INVALID_ARGUMENT` if there is no verdict to wait for;
 * `EVERPOST_NULL_ARGUMENT`.
 */
uint64_t everpost_error_late_verdict_start(const everpost_error *of,
                                           everpost_send_fn done,
                                           void *user_data,
                                           everpost_error **error);

/* ----------------------------------------------------------- Configuration */

/**
 * Makes a configuration from an SMTP URL, such as
 * `smtps://user:password@mail.example.org` (implicit TLS) or
 * `smtp://user:password@mail.example.org` (STARTTLS), with options in its
 * query.
 *
 * Errors: `EVERPOST_INVALID_CONFIG`, `EVERPOST_INVALID_ARGUMENT`,
 * `EVERPOST_NULL_ARGUMENT`. None repeats any part of the URL.
 */
everpost_status everpost_config_new(const char *url,
                                    size_t url_len,
                                    everpost_config **out,
                                    everpost_error **error);

/**
 * Sets an option by its key in an SMTP URL, such as "max_connections", to a
 * value such as "8", not percent-encoded. "trust" and "pin" add; "tls" moves
 * the port with it, unless that was set.
 *
 * Errors: `EVERPOST_INVALID_ARGUMENT` if the key is not known,
 * `EVERPOST_INVALID_CONFIG` if the value is not one of its own,
 * `EVERPOST_NULL_ARGUMENT`. The configuration stays as it was.
 */
everpost_status everpost_config_set(everpost_config *config,
                                    const char *key,
                                    size_t key_len,
                                    const char *value,
                                    size_t value_len,
                                    everpost_error **error);

/**
 * Sets who logs in, with a password, in place of the URL's.
 *
 * Errors: `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_config_credentials(everpost_config *config,
                                            const char *user,
                                            size_t user_len,
                                            const char *password,
                                            size_t password_len,
                                            everpost_error **error);

/**
 * Sets who logs in, with one OAuth 2.0 access token. Such tokens live about
 * an hour: what runs longer needs `everpost_config_token_provider`.
 *
 * Errors: `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_config_token(everpost_config *config,
                                      const char *user,
                                      size_t user_len,
                                      const char *token,
                                      size_t token_len,
                                      everpost_error **error);

/**
 * Sets who logs in, with OAuth 2.0 access tokens that `ask` is asked for: for
 * each new session, and again after a refusal. `drop` (NULL allowed) runs
 * once with `user_data`, when no more requests come: after the configuration
 * and all mailers made of it are freed. Not if this call fails.
 *
 * Errors: `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_config_token_provider(everpost_config *config,
                                               const char *user,
                                               size_t user_len,
                                               everpost_token_fn ask,
                                               everpost_drop_fn drop,
                                               void *user_data,
                                               everpost_error **error);

/**
 * Trusts the roots in a PEM text (or one certificate in DER), beside those
 * given before; with any given, the system's are not trusted.
 *
 * Errors: `EVERPOST_INVALID_CONFIG` if it holds no readable certificate,
 * `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_config_trust_pem(everpost_config *config,
                                          const uint8_t *pem,
                                          size_t pem_len,
                                          everpost_error **error);

/**
 * Shows this certificate to servers that ask for one: its chain, own
 * certificate first, and its private key, without a password, both as PEM.
 *
 * Errors: `EVERPOST_INVALID_CONFIG` if either is unreadable, or if they do
 * not belong together; `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_config_client_identity(everpost_config *config,
                                                const uint8_t *chain,
                                                size_t chain_len,
                                                const uint8_t *key,
                                                size_t key_len,
                                                everpost_error **error);

/**
 * Tells `told` what happens in the mailers made of this configuration: for
 * each of them in order, from one thread at a time. `drop` (NULL allowed)
 * runs once with `user_data`, when no more calls come: after the
 * configuration and all mailers made of it are freed. Not if this call fails.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_config_events(everpost_config *config,
                                       everpost_event_fn told,
                                       everpost_drop_fn drop,
                                       void *user_data,
                                       everpost_error **error);

/** Frees it. NULL is allowed. Mailers made of it stay. */
void everpost_config_free(everpost_config *config);

/* ------------------------------------------ Answers to requests for tokens */

/**
 * Whether the server has refused the last token, so that one that is kept
 * must not be given again. False of NULL.
 */
bool everpost_token_request_refresh(const everpost_token_request *request);

/**
 * Answers with a token, and takes the request. A token that is NULL or not
 * UTF-8 counts as refused. NULL as request is allowed.
 */
void everpost_token_answer(everpost_token_request *request,
                           const char *token,
                           size_t token_len);

/**
 * Answers that there is no token, and why, and takes the request. The reason
 * becomes part of an error: it must not hold secrets; it may be absent. NULL
 * as request is allowed.
 */
void everpost_token_refuse(everpost_token_request *request,
                           const char *reason,
                           size_t reason_len);

/* ------------------------------------------------------------------ Events */

/** Its stable name, such as "rotated". Lives as long as the process. */
everpost_str everpost_event_name(const everpost_event *event);

/** One line for a log. */
everpost_str everpost_event_message(const everpost_event *event);

/** All of it as JSON: schema "everpost.event/1". */
everpost_str everpost_event_json(const everpost_event *event);

/** The Message-ID of the message it is about; absent if it is about none. */
everpost_str everpost_event_message_id(const everpost_event *event);

/**
 * How many events of this mailer the callback has missed by being slow. 0 of
 * NULL.
 */
uint64_t everpost_event_missed(const everpost_event *event);

/* ---------------------------------------------------------------- Messages */

/**
 * Makes a message of its bytes (RFC 5322), which are copied. Lines may end in
 * LF; Bcc is stripped when it is sent. Without an envelope the recipients are
 * those of its header. What is wrong with it is told when it is sent.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`.
 */
everpost_status everpost_message_new(const uint8_t *rfc5322,
                                     size_t len,
                                     everpost_message **out,
                                     everpost_error **error);

/**
 * Makes a message of a file, which is read when it is sent, and again for
 * each retry; never as a whole. That it cannot be read is told then.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`.
 */
everpost_status everpost_message_from_file(const char *path,
                                           size_t path_len,
                                           everpost_message **out,
                                           everpost_error **error);

/**
 * Sets the envelope of the message, whatever its header says. The envelope is
 * copied.
 *
 * Errors: `EVERPOST_INVALID_MESSAGE` if the envelope has no recipient or
 * cannot be sent, `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_message_set_envelope(everpost_message *message,
                                              const everpost_envelope *envelope,
                                              everpost_error **error);

/** Frees it. NULL is allowed. What is being sent goes on. */
void everpost_message_free(everpost_message *message);

/* --------------------------------------------------------------- Envelopes */

/**
 * Makes an envelope from an address; absent: from `<>`, so that no failure is
 * ever reported back, for bounces and automatic replies.
 *
 * Errors: `EVERPOST_INVALID_MESSAGE` if it is no address,
 * `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_envelope_new(const char *from,
                                      size_t from_len,
                                      everpost_envelope **out,
                                      everpost_error **error);

/**
 * Adds a recipient, by its address alone.
 *
 * Errors: `EVERPOST_INVALID_MESSAGE` if it is no address,
 * `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_envelope_add(everpost_envelope *envelope,
                                      const char *recipient,
                                      size_t recipient_len,
                                      everpost_error **error);

/**
 * Sets an option: "envid", the identifier in delivery reports; "return" to
 * "full" or "hdrs", what a report of failure shall bring back; "notify" to
 * "never", or some of "success,failure,delay", for all recipients;
 * "require_tls" to "true" or "false" (RFC 8689). The server must offer what
 * is asked for: DSN, REQUIRETLS.
 *
 * Errors: `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`. An "envid"
 * that cannot be sent is told by `everpost_message_set_envelope`.
 */
everpost_status everpost_envelope_set(everpost_envelope *envelope,
                                      const char *key,
                                      size_t key_len,
                                      const char *value,
                                      size_t value_len,
                                      everpost_error **error);

/** Frees it. NULL is allowed. Messages that have it keep it. */
void everpost_envelope_free(everpost_envelope *envelope);

/* ----------------------------------------------- Composing simple messages */

/**
 * Makes a message without any part yet.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_compose_new(everpost_compose **out, everpost_error **error);

/**
 * Sets a field: "from", "sender", "reply_to", "to", "cc" and "bcc" take one
 * mailbox (`ann@example.org` or `Ann <ann@example.org>`), and all of these
 * but "sender" add; "subject", "text", "html" and "message_id" take text. A
 * name that begins with a capital, such as "X-Mailer", is that header field.
 * What is not ASCII is encoded.
 *
 * Errors: `EVERPOST_INVALID_MESSAGE` if it is no mailbox,
 * `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`. Header fields are
 * checked by `everpost_compose_build`.
 */
everpost_status everpost_compose_set(everpost_compose *compose,
                                     const char *field,
                                     size_t field_len,
                                     const char *value,
                                     size_t value_len,
                                     everpost_error **error);

/**
 * Adds an attachment with a media type, such as "application/pdf". Its bytes
 * are copied, and arrive as they are.
 *
 * Errors: `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`; a name or a
 * type that is none is told by `everpost_compose_build`.
 */
everpost_status everpost_compose_attach(everpost_compose *compose,
                                        const char *file_name,
                                        size_t file_name_len,
                                        const char *content_type,
                                        size_t content_type_len,
                                        const uint8_t *content,
                                        size_t content_len,
                                        everpost_error **error);

/**
 * Adds a part that the HTML shows, as `<img src="cid:content_id">`.
 *
 * Errors: as `everpost_compose_attach`.
 */
everpost_status everpost_compose_attach_inline(everpost_compose *compose,
                                               const char *content_id,
                                               size_t content_id_len,
                                               const char *content_type,
                                               size_t content_type_len,
                                               const uint8_t *content,
                                               size_t content_len,
                                               everpost_error **error);

/**
 * Builds the message as it stands. Its envelope is that of its fields, unless
 * another is set.
 *
 * Errors: `EVERPOST_INVALID_MESSAGE` if it has no author, or for the first
 * part that was wrong; `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_compose_build(const everpost_compose *compose,
                                       everpost_message **out,
                                       everpost_error **error);

/** Frees it. NULL is allowed. Messages built of it stay. */
void everpost_compose_free(everpost_compose *compose);

/* ------------------------------------------------------------------ Mailer */

/**
 * Sends many messages over the pool, back-to-back ones on a connection in one
 * round trip each. `each` runs once for each message, on the calling thread,
 * as results come; the call returns after the last. It fails only if no
 * message was looked at: `each` does not run then.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`; `EVERPOST_WRONG_THREAD` inside a
 * callback.
 */
everpost_status everpost_mailer_send_all(const everpost_mailer *mailer,
                                         const everpost_message *const *messages,
                                         size_t count,
                                         everpost_batch_fn each,
                                         void *user_data,
                                         everpost_error **error);

/**
 * Starts to send many messages, which are copied. `each` runs once for each
 * of them, and `done` after the last; both on threads of the library. When it
 * is cancelled, `each` still runs for every message, and says what is known
 * of it.
 *
 * Returns the operation, or 0 with an error: `EVERPOST_NULL_ARGUMENT`.
 */
uint64_t everpost_mailer_send_all_start(const everpost_mailer *mailer,
                                        const everpost_message *const *messages,
                                        size_t count,
                                        everpost_batch_fn each,
                                        everpost_done_fn done,
                                        void *user_data,
                                        everpost_error **error);

/**
 * Looks at the server afresh, compares with what the mailer's connections
 * carry, and waits for the report: who is at fault, and what to do. `file` is
 * the file that the server's certificate is installed from; it may be NULL.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_WRONG_THREAD`. What goes wrong
 * on the way is in the report.
 */
everpost_status everpost_mailer_explain(const everpost_mailer *mailer,
                                        const everpost_certificate_file *file,
                                        everpost_report **out,
                                        everpost_error **error);

/**
 * As `everpost_mailer_explain`, without waiting: `done` is called once.
 * Returns the operation, for `everpost_cancel`, or 0 if it was not started,
 * which `error` explains. Mailer and file may be freed meanwhile.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`.
 */
uint64_t everpost_mailer_explain_start(const everpost_mailer *mailer,
                                       const everpost_certificate_file *file,
                                       everpost_report_fn done,
                                       void *user_data,
                                       everpost_error **error);

/**
 * Makes a mailer. Opens no connection. The configuration may be used again,
 * or freed.
 *
 * Errors: `EVERPOST_INVALID_CONFIG` if an option cannot work, such as roots
 * that cannot be loaded; `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_mailer_new(const everpost_config *config,
                                    everpost_mailer **out,
                                    everpost_error **error);

/**
 * Sends a message, and returns when the server has accepted it.
 *
 * Errors: any. `everpost_error_delivery` says what is known of the message.
 * `EVERPOST_WRONG_THREAD` inside a callback.
 */
everpost_status everpost_mailer_send(const everpost_mailer *mailer,
                                     const everpost_message *message,
                                     everpost_receipt **out,
                                     everpost_error **error);

/**
 * Starts to send a message, which is copied. `done` runs exactly once, on a
 * thread of the library, perhaps before this returns; not if this returns 0.
 * When it is cancelled, `done` is told at once what is known:
 * `EVERPOST_CANCELLED` if the message was not sent,
 * `EVERPOST_DELIVERY_UNKNOWN` if it had been handed over.
 *
 * Returns the operation, or 0 with an error: `EVERPOST_NULL_ARGUMENT`.
 */
uint64_t everpost_mailer_send_start(const everpost_mailer *mailer,
                                    const everpost_message *message,
                                    everpost_send_fn done,
                                    void *user_data,
                                    everpost_error **error);

/**
 * Takes no more messages, waits until those that were taken are answered, and
 * closes all connections.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`; `EVERPOST_WRONG_THREAD` inside a
 * callback.
 */
everpost_status everpost_mailer_close(const everpost_mailer *mailer,
                                      everpost_error **error);

/**
 * Starts what `everpost_mailer_close` does. Cancelling it ends the waiting;
 * the mailer stays closed.
 *
 * Returns the operation, or 0 with an error: `EVERPOST_NULL_ARGUMENT`.
 */
uint64_t everpost_mailer_close_start(const everpost_mailer *mailer,
                                     everpost_done_fn done,
                                     void *user_data,
                                     everpost_error **error);

/**
 * Whether the server can be used, from what has been seen: one of
 * `EVERPOST_HEALTHY`, `EVERPOST_DEGRADED` and `EVERPOST_UNHEALTHY`. Asks
 * nothing of the network. `EVERPOST_UNKNOWN` of NULL.
 */
int32_t everpost_mailer_health(const everpost_mailer *mailer);

/**
 * The same with its reasons, as JSON: schema "everpost.health/1".
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_mailer_health_json(const everpost_mailer *mailer,
                                            everpost_text **out,
                                            everpost_error **error);

/**
 * The counters as JSON: schema "everpost.stats/1".
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_mailer_stats_json(const everpost_mailer *mailer,
                                           everpost_text **out,
                                           everpost_error **error);

/**
 * The counters in Prometheus' text exposition format (0.0.4), labelled with
 * the endpoint.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_mailer_stats_prometheus(const everpost_mailer *mailer,
                                                 everpost_text **out,
                                                 everpost_error **error);

/**
 * Frees it. NULL is allowed. Does not wait: operations under way go on, and
 * call back.
 */
void everpost_mailer_free(everpost_mailer *mailer);

/**
 * Asks whether mail could be sent: opens a connection beside those of the
 * pool, logs in, and says QUIT. Nothing is sent. Gives what the server offers
 * after the login as JSON, as reports of probes have it: "domain",
 * "extensions" (each with "keyword" and "parameters"), "auth", "starttls" and
 * "max_size".
 *
 * Errors: those of a send as far as the login; `EVERPOST_CLOSED`;
 * `EVERPOST_NULL_ARGUMENT`; `EVERPOST_WRONG_THREAD` inside a callback.
 */
everpost_status everpost_mailer_verify(const everpost_mailer *mailer,
                                       everpost_text **out,
                                       everpost_error **error);

/**
 * As `everpost_mailer_verify`, without waiting: `done` is called once.
 * Returns the operation, for `everpost_cancel`, or 0 if it was not started,
 * which `error` explains. The mailer may be freed meanwhile.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`.
 */
uint64_t everpost_mailer_verify_start(const everpost_mailer *mailer,
                                      everpost_text_fn done,
                                      void *user_data,
                                      everpost_error **error);

/* ---------------------------------------------------------------- Receipts */

/** The Message-ID, in angle brackets. */
everpost_str everpost_receipt_message_id(const everpost_receipt *receipt);

/** The code of the server's reply to the message. 0 of NULL. */
uint16_t everpost_receipt_reply_code(const everpost_receipt *receipt);

/** The enhanced status code of that reply, such as "2.0.0"; may be absent. */
everpost_str everpost_receipt_reply_enhanced(const everpost_receipt *receipt);

/** The lines of that reply, joined by LF; they often hold the queue id. */
everpost_str everpost_receipt_reply_text(const everpost_receipt *receipt);

/** The number of recipients that the server accepted: at least one. 0 of NULL. */
size_t everpost_receipt_accepted_count(const everpost_receipt *receipt);

/** The address of one of them; absent beyond the last. */
everpost_str everpost_receipt_accepted(const everpost_receipt *receipt, size_t index);

/** The number of recipients that the server refused one by one. 0 of NULL. */
size_t everpost_receipt_rejected_count(const everpost_receipt *receipt);

/** The address of one of them; absent beyond the last. */
everpost_str everpost_receipt_rejected_address(const everpost_receipt *receipt,
                                               size_t index);

/** The code of the reply to one of them; 0 beyond the last. */
uint16_t everpost_receipt_rejected_code(const everpost_receipt *receipt, size_t index);

/** The lines of the reply to one of them, joined by LF; absent beyond the last. */
everpost_str everpost_receipt_rejected_reply(const everpost_receipt *receipt,
                                             size_t index);

/** How many connections it took: 1 unless there was a retry. 0 of NULL. */
uint32_t everpost_receipt_attempts(const everpost_receipt *receipt);

/** The address of the server that took it, as "ip:port". */
everpost_str everpost_receipt_server(const everpost_receipt *receipt);

/**
 * The SHA-256 fingerprint, in hexadecimal, of the certificate that server had
 * shown; absent in plain text.
 */
everpost_str everpost_receipt_leaf(const everpost_receipt *receipt);

/** All of it as JSON: schema "everpost.receipt/1". */
everpost_str everpost_receipt_json(const everpost_receipt *receipt);

/** Frees it. NULL is allowed. */
void everpost_receipt_free(everpost_receipt *receipt);

/* --------------------------------------------------------- Probing servers */

/**
 * Makes a probe with every default.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_probe_new(everpost_probe **out, everpost_error **error);

/**
 * Sets one option:
 *
 * - "trust": "system", "mozilla" or the path of a PEM file; several add up.
 * The system's roots unless set, with what Mozilla's say beside them.
 * - "pin": SHA-256 of a public key, as "sha256/BASE64" or in hexadecimal;
 * several are alternatives.
 * - "fingerprint": SHA-256 of a certificate, in hexadecimal; likewise.
 * - "compare": path of a certificate file, read by the first run;
 * "compare_password": what opens it.
 * - "judge_after": how much later to judge for, such as "14d".
 * - "warn", "crit": when an approaching end is a warning, or critical: a
 * time, a share of the lifetime or both, as "30d,25%" and "7d,10%".
 * - "sni", "verify_name", "ehlo": names other than the host's.
 * - "connect_to": an IP address in place of the host's own.
 * - "all_addresses", "dane", "mta_sts": "true" or "false".
 * - "deadline": how long an address may take in all, such as "30s".
 *
 * Errors: `EVERPOST_INVALID_ARGUMENT` if the key is not known,
 * `EVERPOST_INVALID_CONFIG` if the value is not what it takes,
 * `EVERPOST_NULL_ARGUMENT`. The options stay as they were.
 */
everpost_status everpost_probe_set(everpost_probe *probe,
                                   const char *key,
                                   size_t key_len,
                                   const char *value,
                                   size_t value_len,
                                   everpost_error **error);

/**
 * Trusts the certificates in this PEM too; it is copied.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`. PEM that holds none fails the first run.
 */
everpost_status everpost_probe_trust_pem(everpost_probe *probe,
                                         const uint8_t *pem,
                                         size_t pem_len,
                                         everpost_error **error);

/**
 * Holds what is served against this file, which may be freed afterwards.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_probe_compare(everpost_probe *probe,
                                       const everpost_certificate_file *file,
                                       everpost_error **error);

/**
 * Probes one target and waits for the report. A target is "host" (port 465),
 * "host:port", "[v6]:port", "smtps://host", "smtp://host" (STARTTLS),
 * "lmtp://host", or "mx://domain" for every mail exchanger of a domain.
 *
 * Errors: `EVERPOST_INVALID_CONFIG` if the options cannot work, such as roots
 * that cannot be loaded; `EVERPOST_NULL_ARGUMENT`,
 * `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_WRONG_THREAD`. What is wrong with
 * the server is in the report.
 */
everpost_status everpost_probe_run(const everpost_probe *probe,
                                   const char *target,
                                   size_t target_len,
                                   everpost_report **out,
                                   everpost_error **error);

/**
 * As `everpost_probe_run`, without waiting: `done` is called once. Returns
 * the operation, for `everpost_cancel`, or 0 if it was not started, which
 * `error` explains. The probe may be freed meanwhile.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`; those of the
 * run go to `done`.
 */
uint64_t everpost_probe_run_start(const everpost_probe *probe,
                                  const char *target,
                                  size_t target_len,
                                  everpost_report_fn done,
                                  void *user_data,
                                  everpost_error **error);

/** Frees it. Runs under way come to their end. NULL is allowed. */
void everpost_probe_free(everpost_probe *probe);

/* --------------------------------------------- Diagnosing a failing server */

/**
 * Makes a diagnosis of what a mailer with this configuration would meet. The
 * configuration may be changed or freed afterwards.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_diagnosis_new(const everpost_config *config,
                                       everpost_diagnosis **out,
                                       everpost_error **error);

/**
 * Sets one option:
 *
 * - "from": ask whether this sender is taken. No message is sent.
 * - "to": ask whether this recipient is taken; several add up. Needs "from".
 * - "size": ask whether a message of so many bytes is taken, as in "1000000",
 * "500KB" or "50MB".
 * - "looks": "true" or "false": whether a failure may be followed by short
 * looks at the usual ports of the host, without credentials; true unless
 * set.
 *
 * Errors: `EVERPOST_INVALID_ARGUMENT` if the key is not known,
 * `EVERPOST_INVALID_CONFIG` if the value is not what it takes,
 * `EVERPOST_NULL_ARGUMENT`. The options stay as they were.
 */
everpost_status everpost_diagnosis_set(everpost_diagnosis *diagnosis,
                                       const char *key,
                                       size_t key_len,
                                       const char *value,
                                       size_t value_len,
                                       everpost_error **error);

/**
 * Walks from DNS to the first step that fails, and waits for the report.
 * Credentials go only to a server whose certificate the mailer would accept.
 *
 * Errors: `EVERPOST_INVALID_CONFIG` if the settings cannot work;
 * `EVERPOST_NULL_ARGUMENT`, `EVERPOST_WRONG_THREAD`. What goes wrong on the
 * way is in the report.
 */
everpost_status everpost_diagnosis_run(const everpost_diagnosis *diagnosis,
                                       everpost_report **out,
                                       everpost_error **error);

/**
 * As `everpost_diagnosis_run`, without waiting: `done` is called once.
 * Returns the operation, for `everpost_cancel`, or 0 if it was not started,
 * which `error` explains. The diagnosis may be freed meanwhile.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`; those of the run go to `done`.
 */
uint64_t everpost_diagnosis_run_start(const everpost_diagnosis *diagnosis,
                                      everpost_report_fn done,
                                      void *user_data,
                                      everpost_error **error);

/** Frees it. Runs under way come to their end. NULL is allowed. */
void everpost_diagnosis_free(everpost_diagnosis *diagnosis);

/* ----------------- Reports of probes, diagnoses, explanations and verdicts */

/**
 * How it is doing: `EVERPOST_HEALTHY`, `EVERPOST_DEGRADED` or
 * `EVERPOST_UNHEALTHY`; `EVERPOST_UNKNOWN` of NULL.
 */
int32_t everpost_report_status(const everpost_report *report);

/** One line: what is wrong before all, or that all is well. Absent of NULL. */
everpost_str everpost_report_summary(const everpost_report *report);

/**
 * What is behind the status, in one line: of a diagnosis the cause of the
 * step that failed, of an explanation the error that a fresh look met, else
 * the worst finding. Absent if there is nothing.
 */
everpost_str everpost_report_cause(const everpost_report *report);

/** What to do about it, in one sentence. Absent if nothing is to be done. */
everpost_str everpost_report_remedy(const everpost_report *report);

/**
 * Of an explanation, who is at fault: "none", "pool_stale", "certificate",
 * "not_loaded", "some_addresses", "clock", "network", "server" or
 * "credentials". Of a diagnosis, the step that failed, such as "auth"; absent
 * if none did. Of other reports absent.
 */
everpost_str everpost_report_fault(const everpost_report *report);

/** The number of findings; the one that says most comes first. 0 of NULL. */
size_t everpost_report_finding_count(const everpost_report *report);

/**
 * What a finding is about, by its stable name in kebab case, such as
 * "expired". Absent beyond the last.
 */
everpost_str everpost_report_finding_id(const everpost_report *report, size_t index);

/** What it speaks about, such as "time" or "name". Absent beyond the last. */
everpost_str everpost_report_finding_axis(const everpost_report *report, size_t index);

/** How bad it is: "info", "warning" or "critical". Absent beyond the last. */
everpost_str everpost_report_finding_severity(const everpost_report *report,
                                              size_t index);

/** What was seen, with dates and names, in one line. Absent beyond the last. */
everpost_str everpost_report_finding_message(const everpost_report *report, size_t index);

/** What to do about it, in one sentence. Absent beyond the last. */
everpost_str everpost_report_finding_remedy(const everpost_report *report, size_t index);

/**
 * The number of certificates that came from the first address that showed
 * any, or that are in the file; of a mailer's explanation those of a chain
 * that was refused. 0 of NULL.
 */
size_t everpost_report_certificate_count(const everpost_report *report);

/**
 * One of them, the server's own first; it belongs to the report and must not
 * be freed. NULL beyond the last.
 */
const everpost_certificate *everpost_report_certificate(const everpost_report *report,
                                                        size_t index);

/**
 * All of it as JSON: schema "everpost.probe/1", "everpost.diagnosis/1" or
 * "everpost.explanation/1"; the verdict on a file is `certificate_report` of
 * the first. Absent of NULL.
 */
everpost_str everpost_report_json(const everpost_report *report);

/** Frees it, with its certificates. NULL is allowed. */
void everpost_report_free(everpost_report *report);

/**
 * The number of rungs of a diagnosis, which come in order, those after the
 * one that failed too. What is behind that one is the first of the findings.
 * 0 of other reports, and of NULL.
 */
size_t everpost_report_rung_count(const everpost_report *report);

/**
 * What a rung tried, by its stable name: "dns", "tcp", "greeting", "ehlo",
 * "starttls", "handshake", "certificate", "ehlo_in_tls", "auth_offered",
 * "auth", "size", "sender" or "recipients". Absent beyond the last.
 */
everpost_str everpost_report_rung_step(const everpost_report *report, size_t index);

/**
 * How it ended: "held", "failed" or "skipped", which is not tried. Absent
 * beyond the last.
 */
everpost_str everpost_report_rung_outcome(const everpost_report *report, size_t index);

/** What was seen, or why it was skipped, in one line. Absent beyond the last. */
everpost_str everpost_report_rung_detail(const everpost_report *report, size_t index);

/** How long it took, in milliseconds, rounded up. 0 beyond the last. */
uint64_t everpost_report_rung_elapsed_ms(const everpost_report *report, size_t index);

/* ------------------------------------------------------------ Certificates */

/** Whom it is for, as a distinguished name. Absent of NULL. */
everpost_str everpost_certificate_subject(const everpost_certificate *certificate);

/** Who issued it, as a distinguished name. Absent of NULL. */
everpost_str everpost_certificate_issuer(const everpost_certificate *certificate);

/** Its serial number, in hexadecimal. Absent of NULL. */
everpost_str everpost_certificate_serial(const everpost_certificate *certificate);

/** When it becomes valid, in seconds from the Unix epoch. 0 of NULL. */
int64_t everpost_certificate_not_before(const everpost_certificate *certificate);

/** When it ends being valid, in seconds from the Unix epoch. 0 of NULL. */
int64_t everpost_certificate_not_after(const everpost_certificate *certificate);

/** The kind of its key, such as "ECDSA P-256". Absent of NULL. */
everpost_str everpost_certificate_key_algorithm(const everpost_certificate *certificate);

/** The bits of its key; 0 if not known. */
uint32_t everpost_certificate_key_bits(const everpost_certificate *certificate);

/** How it is signed. Absent of NULL. */
everpost_str everpost_certificate_signature_algorithm(const everpost_certificate *certificate);

/** SHA-256 over its DER, in hexadecimal. Absent of NULL. */
everpost_str everpost_certificate_fingerprint(const everpost_certificate *certificate);

/**
 * SHA-256 of its public key, as a pin is written: "sha256/BASE64". Absent of
 * NULL.
 */
everpost_str everpost_certificate_spki_pin(const everpost_certificate *certificate);

/** The number of DNS names that it is for. 0 of NULL. */
size_t everpost_certificate_dns_name_count(const everpost_certificate *certificate);

/** One of them; absent beyond the last. */
everpost_str everpost_certificate_dns_name(const everpost_certificate *certificate,
                                           size_t index);

/** Whether it is that of an authority. False of NULL. */
bool everpost_certificate_is_ca(const everpost_certificate *certificate);

/** The certificate itself, in DER. Absent of NULL. */
everpost_bytes everpost_certificate_der(const everpost_certificate *certificate);

/** Every fact as JSON: `certificate` in the schema of reports. Absent of NULL. */
everpost_str everpost_certificate_json(const everpost_certificate *certificate);

/* ------------------------------------------------------- Certificate files */

/**
 * Reads a file of any of the formats, told apart by content. `password` opens
 * a PFX or an encrypted key in PEM; it may be absent. Opening a PFX may take
 * a second of work.
 *
 * Errors: `EVERPOST_INVALID_CONFIG` if the file cannot be read, holds no
 * certificate, or the password does not open it; `EVERPOST_NULL_ARGUMENT`,
 * `EVERPOST_INVALID_ARGUMENT`.
 */
everpost_status everpost_certificate_file_load(const char *path,
                                               size_t path_len,
                                               const char *password,
                                               size_t password_len,
                                               everpost_certificate_file **out,
                                               everpost_error **error);

/**
 * As `everpost_certificate_file_load`, from memory.
 *
 * Errors: as there.
 */
everpost_status everpost_certificate_file_parse(const uint8_t *content,
                                                size_t content_len,
                                                const char *password,
                                                size_t password_len,
                                                everpost_certificate_file **out,
                                                everpost_error **error);

/** The number of certificates. 0 of NULL. */
size_t everpost_certificate_file_count(const everpost_certificate_file *file);

/**
 * One of them: the server's own first, each followed by its issuer. It belongs
 * to the file and must not be freed. NULL beyond the last.
 */
const everpost_certificate *everpost_certificate_file_certificate(const everpost_certificate_file *file,
                                                                  size_t index);

/** What it was read as: "pem", "der" or "pfx". Absent of NULL. */
everpost_str everpost_certificate_file_format(const everpost_certificate_file *file);

/** Whether it holds a private key. False of NULL. */
bool everpost_certificate_file_has_key(const everpost_certificate_file *file);

/**
 * Whether the private key belongs to the first certificate: 1 yes, 0 no, -1
 * if there is no key, or one of a kind that cannot be compared.
 */
int32_t everpost_certificate_file_key_matches(const everpost_certificate_file *file);

/**
 * Judges what a server that loads this file would show as `host`. `at_unix`
 * is the moment to judge for, in seconds from the Unix epoch, in the years
 * 1601 to 9999; 0 is now.
 * `trust` is "system", "mozilla" or the path of a PEM file; absent, the
 * system's roots. May read files.
 *
 * Errors: `EVERPOST_INVALID_CONFIG` if the roots cannot be loaded;
 * `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`. What is wrong with
 * the certificates is in the report.
 */
everpost_status everpost_certificate_file_judge(const everpost_certificate_file *file,
                                                const char *host,
                                                size_t host_len,
                                                int64_t at_unix,
                                                const char *trust,
                                                size_t trust_len,
                                                everpost_report **out,
                                                everpost_error **error);

/**
 * The certificates in PEM, with `with_key` after their private key.
 *
 * Errors: `EVERPOST_INVALID_ARGUMENT` if a key is wanted and there is none;
 * `EVERPOST_NULL_ARGUMENT`.
 */
everpost_status everpost_certificate_file_to_pem(const everpost_certificate_file *file,
                                                 bool with_key,
                                                 everpost_text **out,
                                                 everpost_error **error);

/**
 * All of it as PFX, under a password, which may be empty and not absent.
 * `legacy` encrypts for Windows before Server 2019 and Java before 8u301:
 * weakly. The text is bytes.
 *
 * Errors: `EVERPOST_INVALID_CONFIG` if the password has characters that a PFX
 * cannot have; `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`.
 */
everpost_status everpost_certificate_file_to_pfx(const everpost_certificate_file *file,
                                                 const char *password,
                                                 size_t password_len,
                                                 bool legacy,
                                                 everpost_text **out,
                                                 everpost_error **error);

/** Frees it, with its certificates, and wipes its key. NULL is allowed. */
void everpost_certificate_file_free(everpost_certificate_file *file);

/* -------------------------------------------------------------------- Logs */

/**
 * Sends what this library logs, up to `level` (1 error, 2 warn, 3 info,
 * 4 debug, 5 trace), to `log`, in place of the callback before; none with
 * level 0 or a `log` that is NULL, when `drop` and `user_data` are not looked
 * at. Holds for the process; a forked child begins without. `drop` (NULL
 * allowed) runs once, when no more calls come; not if this call fails.
 *
 * Errors: `EVERPOST_INVALID_ARGUMENT`.
 */
everpost_status everpost_log_set(int32_t level,
                                 everpost_log_fn log,
                                 everpost_drop_fn drop,
                                 void *user_data,
                                 everpost_error **error);

/* ---------------- Rehearsal server, in builds with the feature `rehearsal` */

#if defined(EVERPOST_REHEARSAL)

/**
 * Starts a server on free ports, unless told otherwise. `options` is an
 * object of JSON, or absent; docs/rehearsal.md lists its keys, such as
 * {"credentials": {"app": "secret"}}.
 *
 * Errors: `EVERPOST_INVALID_CONFIG` if the options are no such object, or a
 * port cannot be listened on; `EVERPOST_NULL_ARGUMENT`,
 * `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_WRONG_THREAD`.
 */
everpost_status everpost_rehearsal_start(const char *options,
                                         size_t options_len,
                                         everpost_rehearsal **out,
                                         everpost_error **error);

/**
 * Asks the server for one thing: a request of docs/rehearsal.md, such as
 * {"do": "rotate"}. The answer is an object of JSON; a request that fails has
 * "ok": false in it and says why.
 *
 * Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`,
 * `EVERPOST_WRONG_THREAD`.
 */
everpost_status everpost_rehearsal_control(const everpost_rehearsal *rehearsal,
                                           const char *request,
                                           size_t request_len,
                                           everpost_text **answer,
                                           everpost_error **error);

/**
 * What it was when it started, as an object of JSON: its addresses, its root
 * and its certificate. It is the first line of `everpost rehearse --serve`,
 * which docs/rehearsal.md shows. Absent of NULL.
 */
everpost_str everpost_rehearsal_listening(const everpost_rehearsal *rehearsal);

/** The root that its certificates lead to, in PEM. Absent of NULL. */
everpost_str everpost_rehearsal_ca_pem(const everpost_rehearsal *rehearsal);

/** Its port with TLS from the first byte. 0 of NULL. */
uint16_t everpost_rehearsal_implicit_port(const everpost_rehearsal *rehearsal);

/** Its port with STARTTLS. 0 of NULL. */
uint16_t everpost_rehearsal_starttls_port(const everpost_rehearsal *rehearsal);

/** Its port without TLS. 0 of NULL. */
uint16_t everpost_rehearsal_plain_port(const everpost_rehearsal *rehearsal);

/** Stops it: connections end. NULL is allowed. */
void everpost_rehearsal_free(everpost_rehearsal *rehearsal);

#endif

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EVERPOST_H */
