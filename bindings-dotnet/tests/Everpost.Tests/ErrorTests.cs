using System;
using System.Globalization;
using System.Linq;
using System.Net.Mail;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Everpost.Tests;

[Collection("library")]
public sealed class ErrorTests
{
    [Theory]
    [InlineData("ftp://localhost")]
    [InlineData("smtps://localhost?max_connections=none")]
    [InlineData("smtps://localhost?no_such_key=1")]
    public void A_wrong_option_is_an_argument_exception(string url)
    {
        var error = Assert.Throws<EverpostConfigException>(() => new Mailer(url));
        Assert.True(error is ArgumentException);
        Assert.Equal(EverpostErrorKind.InvalidConfig, error.Error.Kind);
        Assert.Equal(10, error.Error.Status);
        Assert.NotEqual("", error.Message);
        Messages.NothingIsHeld();
    }

    [Fact]
    public void A_time_that_is_none_is_refused_and_not_taken_for_no_deadline()
    {
        Assert.Throws<EverpostConfigException>(() => new Mailer(new MailerOptions("smtps://localhost") { ConnectTimeout = TimeSpan.Zero }));
        Assert.Throws<EverpostConfigException>(() => new Mailer(new MailerOptions("smtps://localhost") { ConnectTimeout = TimeSpan.FromSeconds(-1) }));
    }

    [Fact]
    public async Task A_message_that_nobody_can_send_is_a_message_exception()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        var error = await Assert.ThrowsAsync<EverpostMessageException>(
            () => mailer.SendAsync(Messages.Simple(), new Envelope("app@example.org")));
        Assert.Equal(EverpostErrorKind.InvalidMessage, error.Kind);
        Assert.Equal(Delivery.NotSent, error.Delivery);
    }

    [Fact]
    public async Task A_closed_port_is_a_connect_exception()
    {
        var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        int port = ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        using var mailer = new Mailer(FormattableString.Invariant($"smtps://127.0.0.1:{port}?max_attempts=1"));
        var error = await Assert.ThrowsAsync<EverpostConnectException>(() => mailer.SendAsync(Messages.Simple()));
        Assert.Equal(EverpostErrorKind.Connect, error.Kind);
        Assert.Equal("connect", error.Stage);
        Assert.True(error.IsRetryable);
        Assert.NotNull(error.Cause);
        Assert.Equal("app@example.org", error.Sender);
        Assert.Equal("ann@example.com", Assert.Single(error.Recipients));
    }

    [Theory]
    [InlineData("\"greeting\"", "\"stall\"", typeof(EverpostTimeoutException), EverpostErrorKind.Timeout)]
    [InlineData("\"mail\"", "{\"reply\":\"550 5.7.1 no mail of yours\\r\\n\"}", typeof(EverpostRejectedException), EverpostErrorKind.Rejected)]
    [InlineData("\"mail\"", "{\"reply\":\"what?\\r\\n\"}", typeof(EverpostProtocolException), EverpostErrorKind.Protocol)]
    [InlineData("\"end_of_data\"", "{\"cut\":\"rst\"}", typeof(EverpostDeliveryUnknownException), EverpostErrorKind.DeliveryUnknown)]
    public async Task A_fault_of_the_server_has_its_exception(string at, string action, Type type, EverpostErrorKind kind)
    {
        using var server = new Rehearsal();
        MailerOptions options = server.Options();
        options.MaxAttempts = 1;
        options.GreetingTimeout = TimeSpan.FromMilliseconds(300);
        using var mailer = new Mailer(options);
        server.Inject(at, action);
        var error = await Assert.ThrowsAnyAsync<EverpostException>(() => mailer.SendAsync(Messages.Simple()));
        Assert.Equal(type, error.GetType());
        Assert.Equal(kind, error.Kind);
        Assert.Equal(kind == EverpostErrorKind.DeliveryUnknown ? Delivery.Unknown : kind == EverpostErrorKind.Rejected ? Delivery.Refused : Delivery.NotSent, error.Delivery);
        Assert.StartsWith("{", error.Json);
        Assert.NotEqual("", error.Report);
        Assert.DoesNotContain("secret", error.ToString() + error.Json + error.Report);
        Assert.Equal(1, error.Attempts);
    }

    [Fact]
    public async Task A_refusal_tells_the_reply_and_who_was_refused()
    {
        using var server = new Rehearsal();
        server.Do("\"settings\",\"set\":{\"refuse_recipients\":[{\"pattern\":\"no@*\",\"reply\":\"550 5.1.1 nobody\"}]}");
        using Mailer mailer = server.Mailer();
        var some = await mailer.SendAsync(Messages.Simple(), new Envelope("app@example.org", "no@example.com", "ann@example.com"));
        RejectedRecipient refused = Assert.Single(some.Rejected);
        Assert.Equal("no@example.com", refused.Address);
        Assert.Equal(550, refused.Code);
        Assert.Contains("nobody", refused.Reply);
        var error = await Assert.ThrowsAsync<EverpostRejectedException>(
            () => mailer.SendAsync(Messages.Simple(), new Envelope("app@example.org", "no@example.com")));
        Assert.Equal("no@example.com", Assert.Single(error.Rejected).Address);
        Assert.Equal(550, error.Reply!.Code);
        Assert.Equal("5.1.1", error.Reply.EnhancedCode);
        Assert.Contains("nobody", error.Reply.ToString());
    }

    [Fact]
    public async Task A_bad_certificate_is_named_with_its_remedy()
    {
        using var server = new Rehearsal();
        server.Do("\"present\",\"chain\":\"expired\"");
        using Mailer mailer = server.Mailer();
        var error = await Assert.ThrowsAsync<EverpostCertificateException>(() => mailer.SendAsync(Messages.Simple()));
        Assert.Contains("expired", error.Message);
        Assert.Contains("renew", error.Hint);
        Assert.Contains("expired", error.CertificateJson);
        Assert.Equal("handshake", error.Stage);
    }

    [Fact]
    public async Task A_wrong_password_is_an_authentication_exception()
    {
        using var server = new Rehearsal();
        using var mailer = new Mailer(new MailerOptions(server.Url.Replace("app:secret@", ""))
        {
            TrustedPem = { server.CaPem },
            Credentials = new System.Net.NetworkCredential("app", "wröng"),
        });
        var error = await Assert.ThrowsAsync<EverpostAuthenticationException>(() => mailer.SendAsync(Messages.Simple()));
        Assert.Equal(535, error.Reply!.Code);
        Assert.DoesNotContain("wröng", error + error.Json + error.Report);
    }

    [Fact]
    public async Task A_missing_extension_is_an_unsupported_exception()
    {
        using var server = new Rehearsal();
        server.Do("\"settings\",\"set\":{\"capabilities\":{\"smtp_utf8\":false}}");
        using Mailer mailer = server.Mailer();
        var error = await Assert.ThrowsAsync<EverpostUnsupportedException>(
            () => mailer.SendAsync(Messages.Simple(), new Envelope("app@example.org", "jürgen@example.com")));
        Assert.Contains("SMTPUTF8", error.Message);
    }

    [Fact]
    public async Task Tls_that_fails_is_a_tls_exception()
    {
        using var server = new Rehearsal(",\"tls\":\"1.2\"");
        MailerOptions options = server.Options();
        options.MinimumTls = "1.3";
        using var mailer = new Mailer(options);
        var error = await Assert.ThrowsAsync<EverpostTlsException>(() => mailer.SendAsync(Messages.Simple()));
        Assert.Equal(EverpostErrorKind.Tls, error.Kind);
        Assert.Equal(Delivery.NotSent, error.Delivery);
    }

    [Fact]
    public async Task A_late_verdict_can_be_waited_for()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        EverpostDeliveryUnknownException error = await Unknown(server, mailer);
        Assert.Equal(1, server.Copies(error.MessageId!));
        Assert.True(error.HasLateVerdict, "nothing is listened for");
        Task<Delivery?> verdict = error.LateVerdictAsync(TimeSpan.FromSeconds(20));
        server.Do("\"release\"");
        Assert.Equal<Delivery?>(Delivery.Accepted, await verdict);
        Assert.Equal<Delivery?>(Delivery.Accepted, await error.LateVerdictAsync(TimeSpan.Zero));
        Assert.Equal<Delivery?>(Delivery.Accepted, await error.LateVerdictAsync(TimeSpan.MaxValue));
    }

    [Fact]
    public async Task Waiting_for_a_late_verdict_ends_when_the_time_is_over_or_it_is_cancelled()
    {
        using var server = new Rehearsal();
        using (Mailer mailer = server.Mailer())
        {
            EverpostDeliveryUnknownException error = await Unknown(server, mailer);
            Assert.Equal<Delivery?>(null, await error.LateVerdictAsync(TimeSpan.Zero));
            Assert.Equal<Delivery?>(null, await error.LateVerdictAsync(TimeSpan.FromMilliseconds(20)));
            using var source = new CancellationTokenSource();
            Task<Delivery?> verdict = error.LateVerdictAsync(TimeSpan.FromMinutes(10), source.Token);
            source.Cancel();
            var cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => verdict);
            Assert.Equal(source.Token, cancelled.CancellationToken);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => error.LateVerdictAsync(TimeSpan.Zero, source.Token));
            // It is none of these waits' doing what becomes of the message.
            server.Do("\"release\"");
            Assert.Equal<Delivery?>(Delivery.Accepted, await error.LateVerdictAsync(TimeSpan.FromSeconds(20)));
        }
        Messages.NothingIsHeld();
    }

    /// <summary>What a send throws that is cancelled after the handover, with its verdict still to come.</summary>
    private static async Task<EverpostDeliveryUnknownException> Unknown(Rehearsal server, Mailer mailer)
    {
        server.Inject("\"end_of_data\"", "\"stall\"");
        using var source = new CancellationTokenSource();
        Task<Receipt> send = mailer.SendAsync(Messages.Simple(), null, source.Token);
        server.Do("\"wait\",\"messages\":1");
        source.Cancel();
        return await Assert.ThrowsAsync<EverpostDeliveryUnknownException>(() => send);
    }
}
