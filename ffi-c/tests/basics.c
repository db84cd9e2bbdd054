/* What needs no server. */

#include "check.h"

static void the_library_is_the_one_of_the_header(void)
{
    CHECK_EQ(everpost_abi_version(), EVERPOST_ABI_VERSION);
    CHECK_STR(everpost_version(), EVERPOST_VERSION);
}

static void every_status_has_a_name_and_other_numbers_have_none(void)
{
    CHECK_STR(everpost_status_name(EVERPOST_OK), "ok");
    CHECK_STR(everpost_status_name(EVERPOST_CERTIFICATE), "certificate");
    CHECK_STR(everpost_status_name(EVERPOST_INTERNAL), "internal");
    CHECK_STR(everpost_status_name(1), NULL);
    CHECK_STR(everpost_status_name(-1), NULL);
}

static void text_that_is_not_utf_8_is_refused_and_not_repeated(void)
{
    everpost_config *config = NULL;
    everpost_error *error = NULL;
    CHECK_EQ(everpost_config_new("smtp://\xff\xfe", EVERPOST_NUL, &config, &error),
             EVERPOST_INVALID_ARGUMENT);
    CHECK(config == NULL);
    CHECK_HAS(everpost_error_message(error), "UTF-8");
    CHECK_STR(everpost_error_kind(error), "invalid_config");
    CHECK_STR(everpost_error_delivery(error), "not_sent");
    CHECK(!str_has(everpost_error_report(error), "\xff"));
    drop_error(&error);
}

static void a_length_is_believed_and_not_the_nul(void)
{
    everpost_config *config = NULL;
    everpost_error *error = NULL;
    /* The end of the literal is not looked at. */
    CHECK_OK(everpost_config_new("smtps://localhost:465@@@@", 21, &config, &error), &error);
    CHECK(config != NULL);
    everpost_config_free(config);
}

static void a_config_that_cannot_work_says_what_is_wrong(void)
{
    everpost_config *config = NULL;
    everpost_error *error = NULL;
    CHECK_EQ(everpost_config_new("smtps://localhost?bogus=1", EVERPOST_NUL, &config, &error),
             EVERPOST_INVALID_CONFIG);
    CHECK(config == NULL);
    CHECK_HAS(everpost_error_message(error), "parameter 1 of the URL is not known");
    drop_error(&error);
    CHECK_OK(everpost_config_new("smtps://localhost", EVERPOST_NUL, &config, &error), &error);
    CHECK_FAILS(everpost_config_set(config, "bogus", EVERPOST_NUL, "1", EVERPOST_NUL, &error),
                EVERPOST_INVALID_ARGUMENT, &error);
    CHECK_FAILS(everpost_config_set(config, "max_connections", EVERPOST_NUL, "many", EVERPOST_NUL,
                                    &error),
                EVERPOST_INVALID_CONFIG, &error);
    CHECK_OK(everpost_config_set(config, "max_connections", 15, "8", 1, &error), &error);
    everpost_config_free(config);
}

static void a_message_without_sender_cannot_be_sent(void)
{
    everpost_message *message = NULL;
    everpost_error *error = NULL;
    const char *mail = "Subject: no addresses\r\n\r\nHello.\r\n";
    everpost_status status =
        everpost_message_new((const uint8_t *)mail, strlen(mail), &message, &error);
    if (status == EVERPOST_OK) {
        /* Its envelope may still come. */
        everpost_config *config = NULL;
        everpost_mailer *mailer = NULL;
        everpost_receipt *receipt = NULL;
        CHECK_OK(everpost_config_new("smtps://localhost:1", EVERPOST_NUL, &config, &error), &error);
        CHECK_OK(everpost_mailer_new(config, &mailer, &error), &error);
        status = everpost_mailer_send(mailer, message, &receipt, &error);
        CHECK(receipt == NULL);
        everpost_mailer_free(mailer);
        everpost_config_free(config);
    }
    CHECK_EQ(status, EVERPOST_INVALID_MESSAGE);
    CHECK_EQ(everpost_error_status(error), EVERPOST_INVALID_MESSAGE);
    everpost_message_free(message);
    drop_error(&error);
}

static void an_operation_that_is_unknown_is_not_cancelled(void)
{
    CHECK(!everpost_cancel(0));
    CHECK(!everpost_cancel(UINT64_MAX));
}

static void an_error_that_nobody_wants_is_not_made(void)
{
    everpost_config *config = NULL;
    CHECK_EQ(everpost_config_new("smtp://\xff", EVERPOST_NUL, &config, NULL),
             EVERPOST_INVALID_ARGUMENT);
}

int main(void)
{
    RUN(the_library_is_the_one_of_the_header);
    RUN(every_status_has_a_name_and_other_numbers_have_none);
    RUN(text_that_is_not_utf_8_is_refused_and_not_repeated);
    RUN(a_length_is_believed_and_not_the_nul);
    RUN(a_config_that_cannot_work_says_what_is_wrong);
    RUN(a_message_without_sender_cannot_be_sent);
    RUN(an_operation_that_is_unknown_is_not_cancelled);
    RUN(an_error_that_nobody_wants_is_not_made);
    CHECK_EQ(everpost_shutdown(30000), EVERPOST_OK);
    return 0;
}
