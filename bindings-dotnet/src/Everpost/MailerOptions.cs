using System;
using System.Collections.Generic;
using System.Globalization;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Everpost.Interop;

namespace Everpost;

/// <summary>What to do with a message that was handed over and never answered.</summary>
public enum UnknownDelivery
{
    /// <summary>Report it with an <see cref="EverpostDeliveryUnknownException"/>.</summary>
    Report = 0,

    /// <summary>Send it again: rather twice than not at all.</summary>
    Resend,
}

/// <summary>When a connection turns to TLS.</summary>
public enum TlsMode
{
    /// <summary>At once; port 465.</summary>
    Implicit = 0,

    /// <summary>By STARTTLS, or there is no connection; port 587.</summary>
    StartTls,

    /// <summary>By STARTTLS where it is offered: <b>who stands in between can read the mail</b>; port 25.</summary>
    Opportunistic,

    /// <summary>Never: <b>anybody on the way can read the mail</b>; port 25.</summary>
    None,
}

/// <summary>At most so many messages in a time.</summary>
public readonly struct RateLimit
{
    /// <summary>Creates a limit.</summary>
    /// <param name="messages">How many messages.</param>
    /// <param name="per">In what time.</param>
    public RateLimit(int messages, TimeSpan per)
    {
        Messages = messages;
        Per = per;
    }

    /// <summary>How many messages.</summary>
    public int Messages { get; }

    /// <summary>In what time.</summary>
    public TimeSpan Per { get; }
}

/// <summary>
/// How to reach a server and how to send. What is null stays as the URL has it, or
/// as it is by default. The options are read when a <see cref="Mailer"/> is made;
/// they are not thread-safe.
/// </summary>
public sealed class MailerOptions
{
    private readonly string url;

    /// <summary>Creates options.</summary>
    /// <param name="url">
    /// <c>smtps://host</c> for implicit TLS on port 465, <c>smtp://host</c> for STARTTLS on port 587; with a user,
    /// a password and options where wanted, percent-encoded.
    /// </param>
    /// <exception cref="ArgumentNullException">There is no URL.</exception>
    public MailerOptions(string url) => this.url = url ?? throw new ArgumentNullException(nameof(url));

    /// <summary>User and password, where they are not in the URL.</summary>
    public NetworkCredential? Credentials { get; set; }

    /// <summary>The user whom <see cref="Token"/> or <see cref="TokenProvider"/> is for.</summary>
    public string? TokenUser { get; set; }

    /// <summary>
    /// One OAuth token for <see cref="TokenUser"/>. Such tokens live about an hour: what runs longer needs a
    /// <see cref="TokenProvider"/>.
    /// </summary>
    public string? Token { get; set; }

    /// <summary>
    /// Gives an OAuth token for <see cref="TokenUser"/>, whenever a connection logs in. It runs on the thread pool; its
    /// cancellation token is cancelled when the mailer is gone, and what it throws fails the login.
    /// </summary>
    public Func<CancellationToken, Task<string>>? TokenProvider { get; set; }

    /// <summary>Roots to trust besides <see cref="Trust"/>, as PEM.</summary>
    public IList<byte[]> TrustedPem { get; } = new List<byte[]>();

    /// <summary>A certificate with its key to log in with.</summary>
    public CertificateFile? ClientCertificate { get; set; }

    /// <summary>When to turn to TLS. Default: as the URL begins. The port follows, unless the URL has one.</summary>
    public TlsMode? Tls { get; set; }

    /// <summary>What to trust: <c>system</c>, <c>mozilla</c> or the path of a PEM file. Empty: <c>system</c>.</summary>
    public IList<string> Trust { get; } = new List<string>();

    /// <summary>SHA-256 of public keys, one of which must be in the chain, besides trust. Empty: none.</summary>
    public IList<string> Pins { get; } = new List<string>();

    /// <summary>The oldest TLS: <c>1.2</c> or <c>1.3</c>. Default: 1.2.</summary>
    public string? MinimumTls { get; set; }

    /// <summary>The host name to ask for. Default: the host.</summary>
    public string? ServerNameIndication { get; set; }

    /// <summary>The host name that the certificate must have. Default: the host.</summary>
    public string? VerifyName { get; set; }

    /// <summary>Whether to accept any certificate: <b>anybody can read the mail</b>. Default: no.</summary>
    public bool? DangerAcceptAnyCertificate { get; set; }

    /// <summary>The login mechanisms to use, in this order. Empty: the strongest offered.</summary>
    public IList<string> AuthMechanisms { get; } = new List<string>();

    /// <summary>The login mechanisms not to use. Empty: none.</summary>
    public IList<string> ExcludedAuthMechanisms { get; } = new List<string>();

    /// <summary>Whether to log in without TLS. Default: no.</summary>
    public bool? AllowPlaintextAuth { get; set; }

    /// <summary>For the name and all addresses together. Default: 30 s.</summary>
    public TimeSpan? ConnectTimeout { get; set; }

    /// <summary>For the TLS handshake. Default: 30 s.</summary>
    public TimeSpan? HandshakeTimeout { get; set; }

    /// <summary>For the server's greeting. Default: 60 s.</summary>
    public TimeSpan? GreetingTimeout { get; set; }

    /// <summary>For the reply to a command. Default: 60 s.</summary>
    public TimeSpan? CommandTimeout { get; set; }

    /// <summary>For a free connection. Default: 60 s.</summary>
    public TimeSpan? CheckoutTimeout { get; set; }

    /// <summary>For each block of the message, to be read and to be written. Default: 180 s.</summary>
    public TimeSpan? DataTimeout { get; set; }

    /// <summary>For the verdict on the message; a shorter one makes duplicates (RFC 5321 §4.5.3.2.6). Default: 600 s.</summary>
    public TimeSpan? EndOfDataTimeout { get; set; }

    /// <summary>For the whole send with its retries. Default: none.</summary>
    public TimeSpan? SendTimeout { get; set; }

    /// <summary>How many connections are open at once. Default: 5.</summary>
    public int? MaxConnections { get; set; }

    /// <summary>How long a connection is parked. Default: 60 s.</summary>
    public TimeSpan? MaxIdle { get; set; }

    /// <summary>How long a connection is kept. Default: 300 s.</summary>
    public TimeSpan? MaxAge { get; set; }

    /// <summary>How many messages a connection takes. Default: no limit.</summary>
    public int? MaxMessages { get; set; }

    /// <summary>Whether each message gets a connection of its own. Default: no.</summary>
    public bool? FreshConnections { get; set; }

    /// <summary>How many messages in a time. Default: no limit.</summary>
    public RateLimit? Rate { get; set; }

    /// <summary>How many connections are tried for one message. Default: 3.</summary>
    public int? MaxAttempts { get; set; }

    /// <summary>Whether 4yz replies are retried too. Default: no.</summary>
    public bool? RetryTransient { get; set; }

    /// <summary>What to do with a message that was handed over and never answered. Default: report it.</summary>
    public UnknownDelivery? OnUnknown { get; set; }

    /// <summary>The largest message, in bytes. Default: 50 MiB.</summary>
    public long? MaxMessageSize { get; set; }

    /// <summary>The largest attachment, in bytes. Default: 25 MiB.</summary>
    public long? MaxAttachmentSize { get; set; }

    /// <summary>Whether to use PIPELINING where it is offered. Default: yes.</summary>
    public bool? Pipelining { get; set; }

    /// <summary>Whether to use CHUNKING where it is offered. Default: no.</summary>
    public bool? Chunking { get; set; }

    /// <summary>Whether to send only if every recipient is accepted. Default: no.</summary>
    public bool? RequireAllRecipients { get; set; }

    /// <summary>How long before its certificate ends a connection retires. Default: 60 s.</summary>
    public TimeSpan? ExpiryMargin { get; set; }

    /// <summary>Whether TLS sessions are resumed; a resumed one does not show the present certificate. Default: no.</summary>
    public bool? Resumption { get; set; }

    /// <summary>The oldest handshake that a resumed session may rest on. Default: 60 min.</summary>
    public TimeSpan? FullHandshakeInterval { get; set; }

    /// <summary>How often to look at the server between sends. Default: never.</summary>
    public TimeSpan? ProbeInterval { get; set; }

    /// <summary>The name given with EHLO. Default: the local address.</summary>
    public string? EhloName { get; set; }

    /// <summary><c>socks5://…</c> or <c>http://…</c>. Default: none.</summary>
    public string? Proxy { get; set; }

    /// <summary>The local IP address to connect from. Default: the system's choice.</summary>
    public string? BindAddress { get; set; }

    /// <summary>The class alone: the URL may have a password in it.</summary>
    public override string ToString() => nameof(MailerOptions);

    /// <summary>The library's form of the options.</summary>
    internal ConfigHandle ToNative()
    {
        Library.Require();
        var address = new Utf8(url);
        int status = NativeMethods.everpost_config_new(address.Bytes, address.Length, out ConfigHandle config, out ErrorHandle error);
        address.Wipe();
        Errors.Check(status, error);
        try
        {
            foreach (KeyValuePair<string, string> setting in Settings()) Set(config, setting.Key, setting.Value);
            SetCredentials(config);
            foreach (byte[] pem in TrustedPem)
                Errors.Check(NativeMethods.everpost_config_trust_pem(config, pem, (UIntPtr)(uint)pem.Length, out error), error);
            return config;
        }
        catch
        {
            config.Dispose();
            throw;
        }
    }

    /// <summary>What is set, by its key in the URL, written the same in every culture.</summary>
    internal IEnumerable<KeyValuePair<string, string>> Settings()
    {
        if (Tls is { } tls) yield return Setting("tls", Name(tls));
        foreach (string value in Trust) yield return Setting("trust", value);
        foreach (string value in Pins) yield return Setting("pin", value);
        if (MinimumTls is not null) yield return Setting("min_tls", MinimumTls);
        if (ServerNameIndication is not null) yield return Setting("sni", ServerNameIndication);
        if (VerifyName is not null) yield return Setting("verify_name", VerifyName);
        if (DangerAcceptAnyCertificate is { } dangerAcceptAnyCertificate) yield return Setting("danger_accept_any_certificate", dangerAcceptAnyCertificate ? "true" : "false");
        if (AuthMechanisms.Count > 0) yield return Setting("auth", string.Join(",", AuthMechanisms));
        if (ExcludedAuthMechanisms.Count > 0) yield return Setting("auth_exclude", string.Join(",", ExcludedAuthMechanisms));
        if (AllowPlaintextAuth is { } allowPlaintextAuth) yield return Setting("allow_plaintext_auth", allowPlaintextAuth ? "true" : "false");
        if (ConnectTimeout is { } connectTimeout) yield return Setting("connect_timeout", Milliseconds(connectTimeout));
        if (HandshakeTimeout is { } handshakeTimeout) yield return Setting("handshake_timeout", Milliseconds(handshakeTimeout));
        if (GreetingTimeout is { } greetingTimeout) yield return Setting("greeting_timeout", Milliseconds(greetingTimeout));
        if (CommandTimeout is { } commandTimeout) yield return Setting("command_timeout", Milliseconds(commandTimeout));
        if (CheckoutTimeout is { } checkoutTimeout) yield return Setting("checkout_timeout", Milliseconds(checkoutTimeout));
        if (DataTimeout is { } dataTimeout) yield return Setting("data_timeout", Milliseconds(dataTimeout));
        if (EndOfDataTimeout is { } endOfDataTimeout) yield return Setting("end_of_data_timeout", Milliseconds(endOfDataTimeout));
        if (SendTimeout is { } sendTimeout) yield return Setting("send_timeout", Milliseconds(sendTimeout));
        if (MaxConnections is { } maxConnections) yield return Setting("max_connections", maxConnections.ToString(CultureInfo.InvariantCulture));
        if (MaxIdle is { } maxIdle) yield return Setting("max_idle", Milliseconds(maxIdle));
        if (MaxAge is { } maxAge) yield return Setting("max_age", Milliseconds(maxAge));
        if (MaxMessages is { } maxMessages) yield return Setting("max_messages", maxMessages.ToString(CultureInfo.InvariantCulture));
        if (FreshConnections is { } freshConnections) yield return Setting("fresh", freshConnections ? "true" : "false");
        if (Rate is { } rate)
            yield return Setting("rate", rate.Messages.ToString(CultureInfo.InvariantCulture) + "/" + Milliseconds(rate.Per));
        if (MaxAttempts is { } maxAttempts) yield return Setting("max_attempts", maxAttempts.ToString(CultureInfo.InvariantCulture));
        if (RetryTransient is { } retryTransient) yield return Setting("retry_transient", retryTransient ? "true" : "false");
        if (OnUnknown is { } onUnknown) yield return Setting("on_unknown", onUnknown == UnknownDelivery.Resend ? "resend" : "report");
        if (MaxMessageSize is { } maxMessageSize) yield return Setting("max_message_size", maxMessageSize.ToString(CultureInfo.InvariantCulture));
        if (MaxAttachmentSize is { } maxAttachmentSize) yield return Setting("max_attachment_size", maxAttachmentSize.ToString(CultureInfo.InvariantCulture));
        if (Pipelining is { } pipelining) yield return Setting("pipelining", pipelining ? "true" : "false");
        if (Chunking is { } chunking) yield return Setting("chunking", chunking ? "true" : "false");
        if (RequireAllRecipients is { } requireAllRecipients) yield return Setting("require_all_recipients", requireAllRecipients ? "true" : "false");
        if (ExpiryMargin is { } expiryMargin) yield return Setting("expiry_margin", Milliseconds(expiryMargin));
        if (Resumption is { } resumption) yield return Setting("resumption", resumption ? "true" : "false");
        if (FullHandshakeInterval is { } fullHandshakeInterval) yield return Setting("full_handshake_interval", Milliseconds(fullHandshakeInterval));
        if (ProbeInterval is { } probeInterval) yield return Setting("probe_interval", Milliseconds(probeInterval));
        if (EhloName is not null) yield return Setting("ehlo", EhloName);
        if (Proxy is not null) yield return Setting("proxy", Proxy);
        if (BindAddress is not null) yield return Setting("bind", BindAddress);
    }

    private static string Name(TlsMode mode) => mode switch
    {
        TlsMode.Implicit => "implicit",
        TlsMode.StartTls => "required",
        TlsMode.Opportunistic => "opportunistic",
        _ => "none",
    };

    private static KeyValuePair<string, string> Setting(string key, string value) => new(key, value);

    /// <summary>A time as options have it, rounded up: no deadline becomes none.</summary>
    internal static string Milliseconds(TimeSpan time) =>
        Math.Ceiling(time.TotalMilliseconds).ToString("F0", CultureInfo.InvariantCulture) + "ms";

    private static void Set(ConfigHandle config, string key, string value)
    {
        Utf8 name = new(key), text = new(value);
        int status = NativeMethods.everpost_config_set(config, name.Bytes, name.Length, text.Bytes, text.Length, out ErrorHandle error);
        text.Wipe(); // A proxy's address may have a password in it.
        Errors.Check(status, error);
    }

    private void SetCredentials(ConfigHandle config)
    {
        int ways = (Credentials is null ? 0 : 1) + (Token is null ? 0 : 1) + (TokenProvider is null ? 0 : 1);
        if (ways > 1) throw new ArgumentException("of Credentials, Token and TokenProvider only one can log in");
        ErrorHandle error;
        if (Credentials is not null)
        {
            Utf8 user = new(Credentials.UserName), password = new(Credentials.Password);
            int status = NativeMethods.everpost_config_credentials(
                config, user.Bytes, user.Length, password.Bytes, password.Length, out error);
            password.Wipe();
            Errors.Check(status, error);
        }
        if (Token is not null)
        {
            Utf8 user = TokenOwner(), token = new(Token);
            int status = NativeMethods.everpost_config_token(config, user.Bytes, user.Length, token.Bytes, token.Length, out error);
            token.Wipe();
            Errors.Check(status, error);
        }
        if (TokenProvider is not null)
        {
            Utf8 user = TokenOwner();
            var relay = new TokenRelay(TokenProvider);
            IntPtr userData = relay.Plant();
            int status = NativeMethods.everpost_config_token_provider(
                config, user.Bytes, user.Length, Callbacks.TokenAsked, Callbacks.TokensDropped, userData, out error);
            if (status != 0) relay.Pull();
            Errors.Check(status, error);
        }
        if (ClientCertificate is not null)
        {
            Utf8 chain = new(ClientCertificate.ToPem()), key = new(ClientCertificate.ToPem(withKey: true));
            int status = NativeMethods.everpost_config_client_identity(
                config, chain.Bytes, chain.Length, key.Bytes, key.Length, out error);
            key.Wipe();
            Errors.Check(status, error);
        }
    }

    private Utf8 TokenOwner() => new(TokenUser ?? throw new ArgumentException("a token needs a TokenUser", nameof(TokenUser)));
}
