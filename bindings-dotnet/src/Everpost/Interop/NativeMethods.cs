using System;
using System.Runtime.InteropServices;

namespace Everpost.Interop;

/// <summary>
/// The functions of <c>everpost.h</c> for sending, under their own names. Strings
/// and bytes go in as arrays that are pinned for the call, handles as
/// <see cref="SafeHandle"/>s that are held for it; callbacks go in as pointers to
/// delegates that live as long as the process.
/// </summary>
internal static unsafe partial class NativeMethods
{
    internal const string LibraryName = "everpost";

    private const CallingConvention C = CallingConvention.Cdecl;

    // The library.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern uint everpost_abi_version();
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_version();
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_status_name(int status);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_shutdown(ulong timeoutMilliseconds);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern byte everpost_cancel(ulong operation);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_gather(IntPtr gathered, IntPtr userData, IntPtr noError);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_text_view(TextHandle text);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_text_free(IntPtr text);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_log_set(int level, IntPtr log, IntPtr drop, IntPtr userData, out ErrorHandle error);

    // Errors.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_error_status(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_kind(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_stage(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_delivery(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern byte everpost_error_retryable(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_message(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_report(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_hint(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_message_id(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern uint everpost_error_attempts(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ushort everpost_error_reply_code(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_reply_enhanced(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_reply_text(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_certificate_json(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_sender(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern UIntPtr everpost_error_recipient_count(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_recipient(ErrorHandle error, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern UIntPtr everpost_error_rejected_count(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_rejected_address(ErrorHandle error, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ushort everpost_error_rejected_code(ErrorHandle error, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_rejected_reply(ErrorHandle error, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_source(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_error_json(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern byte everpost_error_has_late_verdict(ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_error_late_verdict(ErrorHandle error, ulong timeoutMilliseconds, out NativeString delivery, out ErrorHandle failure);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ulong everpost_error_late_verdict_start(ErrorHandle error, IntPtr done, IntPtr userData, out IntPtr failure);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_error_free(IntPtr error);

    // Configuration.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_config_new(byte[] url, UIntPtr urlLength, out ConfigHandle config, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_config_set(ConfigHandle config, byte[] key, UIntPtr keyLength, byte[] value, UIntPtr valueLength, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_config_credentials(ConfigHandle config, byte[] user, UIntPtr userLength, byte[] password, UIntPtr passwordLength, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_config_token(ConfigHandle config, byte[] user, UIntPtr userLength, byte[] token, UIntPtr tokenLength, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_config_token_provider(ConfigHandle config, byte[] user, UIntPtr userLength, IntPtr ask, IntPtr drop, IntPtr userData, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern byte everpost_token_request_refresh(IntPtr request);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_token_answer(IntPtr request, byte[] token, UIntPtr tokenLength);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_token_refuse(IntPtr request, byte[] reason, UIntPtr reasonLength);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_config_trust_pem(ConfigHandle config, byte[] pem, UIntPtr length, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_config_client_identity(ConfigHandle config, byte[] chainPem, UIntPtr chainLength, byte[] keyPem, UIntPtr keyLength, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_config_events(ConfigHandle config, IntPtr happened, IntPtr drop, IntPtr userData, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_config_free(IntPtr config);

    // Events, alive during their callback only.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_event_name(IntPtr happened);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_event_message(IntPtr happened);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_event_json(IntPtr happened);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_event_message_id(IntPtr happened);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ulong everpost_event_missed(IntPtr happened);

    // The mailer.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_mailer_new(ConfigHandle config, out MailerHandle mailer, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_mailer_free(IntPtr mailer);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_mailer_send(MailerHandle mailer, MessageHandle message, out IntPtr receipt, out IntPtr error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ulong everpost_mailer_send_start(MailerHandle mailer, MessageHandle message, IntPtr done, IntPtr userData, out IntPtr error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_mailer_send_all(MailerHandle mailer, IntPtr[] messages, UIntPtr count, IntPtr each, IntPtr userData, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ulong everpost_mailer_send_all_start(MailerHandle mailer, IntPtr[] messages, UIntPtr count, IntPtr each, IntPtr done, IntPtr userData, out IntPtr error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_mailer_verify(MailerHandle mailer, out TextHandle text, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ulong everpost_mailer_verify_start(MailerHandle mailer, IntPtr done, IntPtr userData, out IntPtr error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_mailer_close(MailerHandle mailer, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ulong everpost_mailer_close_start(MailerHandle mailer, IntPtr done, IntPtr userData, out IntPtr error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_mailer_health(MailerHandle mailer);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_mailer_health_json(MailerHandle mailer, out TextHandle text, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_mailer_stats_json(MailerHandle mailer, out TextHandle text, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_mailer_stats_prometheus(MailerHandle mailer, out TextHandle text, out ErrorHandle error);

    // Messages.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_message_new(byte* message, UIntPtr length, out MessageHandle handle, out IntPtr error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_message_from_file(byte[] path, UIntPtr length, out MessageHandle handle, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_message_set_envelope(MessageHandle message, EnvelopeHandle envelope, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_message_free(IntPtr message);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_envelope_new(byte[]? from, UIntPtr length, out EnvelopeHandle envelope, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_envelope_add(EnvelopeHandle envelope, byte[] recipient, UIntPtr length, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_envelope_set(EnvelopeHandle envelope, byte[] key, UIntPtr keyLength, byte[] value, UIntPtr valueLength, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_envelope_free(IntPtr envelope);

    // Composing, which .NET has classes of its own for; here so that the lists of functions are the same.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_compose_new(out IntPtr compose, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_compose_set(IntPtr compose, byte[] field, UIntPtr fieldLength, byte[] value, UIntPtr valueLength, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_compose_attach(IntPtr compose, byte[] fileName, UIntPtr fileNameLength, byte[] contentType, UIntPtr contentTypeLength, byte[] content, UIntPtr contentLength, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_compose_attach_inline(IntPtr compose, byte[] contentId, UIntPtr contentIdLength, byte[] contentType, UIntPtr contentTypeLength, byte[] content, UIntPtr contentLength, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_compose_build(IntPtr compose, out MessageHandle message, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_compose_free(IntPtr compose);

    // Receipts.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_receipt_message_id(IntPtr receipt);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ushort everpost_receipt_reply_code(IntPtr receipt);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_receipt_reply_enhanced(IntPtr receipt);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_receipt_reply_text(IntPtr receipt);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern UIntPtr everpost_receipt_accepted_count(IntPtr receipt);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_receipt_accepted(IntPtr receipt, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern UIntPtr everpost_receipt_rejected_count(IntPtr receipt);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_receipt_rejected_address(IntPtr receipt, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ushort everpost_receipt_rejected_code(IntPtr receipt, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_receipt_rejected_reply(IntPtr receipt, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern uint everpost_receipt_attempts(IntPtr receipt);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_receipt_server(IntPtr receipt);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_receipt_leaf(IntPtr receipt);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_receipt_json(IntPtr receipt);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_receipt_free(IntPtr receipt);
}
