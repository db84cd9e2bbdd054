/* What came of a call, in the words of every language. */

#include "runner.h"

json_t *seen_text(everpost_str text)
{
    return text.data == NULL ? json_null() : json_stringn(text.data, text.len);
}

json_t *seen_json(everpost_str text)
{
    return text.data == NULL ? NULL : json_loadb(text.data, text.len, 0, NULL);
}

json_t *seen_health(int32_t status)
{
    switch (status) {
    case EVERPOST_HEALTHY: return json_string("healthy");
    case EVERPOST_DEGRADED: return json_string("degraded");
    case EVERPOST_UNHEALTHY: return json_string("unhealthy");
    default: return json_null();
    }
}

json_t *seen_offered(everpost_str capabilities)
{
    json_t *all = seen_json(capabilities), *extension, *by_keyword = json_object();
    size_t index;
    json_array_foreach(json_object_get(all, "extensions"), index, extension) {
        (void)json_object_set(by_keyword,
                              json_string_value(json_object_get(extension, "keyword")),
                              json_object_get(extension, "parameters"));
    }
    json_decref(all);
    return by_keyword;
}

/* 0 says that there was none. */
static json_t *seen_code(uint16_t code)
{
    return code == 0 ? json_null() : json_integer(code);
}

static json_t *rejected(everpost_str address, uint16_t code)
{
    return json_pack("{s:o, s:o}", "address", seen_text(address), "reply", seen_code(code));
}

/* The names of what was found against a certificate; null without one. */
static json_t *findings_of(everpost_str certificate)
{
    json_t *report = seen_json(certificate), *names, *finding;
    size_t index;
    if (report == NULL)
        return json_null();
    names = json_array();
    json_array_foreach(json_object_get(report, "findings"), index, finding) {
        (void)json_array_append(names, json_object_get(finding, "id"));
    }
    json_decref(report);
    return names;
}

json_t *seen_error(const everpost_error *error)
{
    json_t *refusals = json_array();
    size_t index;
    for (index = 0; index < everpost_error_rejected_count(error); index++)
        (void)json_array_append_new(refusals, rejected(everpost_error_rejected_address(error, index),
                                                       everpost_error_rejected_code(error, index)));
    return json_pack("{s:o, s:o, s:o, s:b, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}",
                     "kind", seen_text(everpost_error_kind(error)),
                     "stage", seen_text(everpost_error_stage(error)),
                     "delivery", seen_text(everpost_error_delivery(error)),
                     "retryable", (int)everpost_error_retryable(error),
                     "attempts", (json_int_t)everpost_error_attempts(error),
                     "message", seen_text(everpost_error_message(error)),
                     "hint", seen_text(everpost_error_hint(error)),
                     "message_id", seen_text(everpost_error_message_id(error)),
                     "reply", seen_code(everpost_error_reply_code(error)),
                     "enhanced", seen_text(everpost_error_reply_enhanced(error)),
                     "rejected", refusals,
                     "findings", findings_of(everpost_error_certificate_json(error)),
                     "late_verdict", (int)everpost_error_has_late_verdict(error));
}

json_t *seen_receipt(const everpost_receipt *receipt)
{
    json_t *accepted = json_array(), *refusals = json_array();
    size_t index;
    for (index = 0; index < everpost_receipt_accepted_count(receipt); index++)
        (void)json_array_append_new(accepted, seen_text(everpost_receipt_accepted(receipt, index)));
    for (index = 0; index < everpost_receipt_rejected_count(receipt); index++)
        (void)json_array_append_new(refusals,
                                    rejected(everpost_receipt_rejected_address(receipt, index),
                                             everpost_receipt_rejected_code(receipt, index)));
    return json_pack("{s:s, s:o, s:o, s:I, s:o, s:o, s:o}",
                     "delivery", "accepted",
                     "message_id", seen_text(everpost_receipt_message_id(receipt)),
                     "reply", seen_code(everpost_receipt_reply_code(receipt)),
                     "attempts", (json_int_t)everpost_receipt_attempts(receipt),
                     "accepted", accepted,
                     "rejected", refusals,
                     "leaf", seen_text(everpost_receipt_leaf(receipt)));
}
