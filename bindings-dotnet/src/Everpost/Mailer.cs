using System;
using System.Collections.Generic;
using System.Linq;
using System.Net.Mail;
using System.Threading;
using System.Threading.Tasks;
using Everpost.Interop;

namespace Everpost;

/// <summary>
/// Sends mail through one server, for as long as the application lives: it keeps
/// connections, and renews them when the server renews its certificate. Make one,
/// keep it, and use it from any number of threads at once.
/// </summary>
/// <remarks>
/// A message is tried again by itself only while it is provably not sent. Every
/// exception is an <see cref="IEverpostException"/> that says what is known of the
/// message.
/// </remarks>
public sealed partial class Mailer : IDisposable
#if NETCOREAPP3_0_OR_GREATER
    , IAsyncDisposable
#endif
{
    private readonly MailerHandle handle;
    private int disposed;

    /// <summary>Creates a mailer. It connects when the first message is sent.</summary>
    /// <param name="url">The server: <c>smtps://user:password@host</c>; see <see cref="MailerOptions"/>.</param>
    /// <exception cref="ArgumentNullException">There is no URL.</exception>
    /// <exception cref="EverpostConfigException">The URL or an option in it cannot work.</exception>
    /// <exception cref="EverpostLibraryException">The native library cannot be used.</exception>
    public Mailer(string url) : this(new MailerOptions(url)) { }

    /// <summary>Creates a mailer. It connects when the first message is sent.</summary>
    /// <param name="options">How to reach the server and how to send; later changes have no effect.</param>
    /// <exception cref="ArgumentNullException">There are no options.</exception>
    /// <exception cref="EverpostConfigException">An option cannot work.</exception>
    /// <exception cref="EverpostLibraryException">The native library cannot be used.</exception>
    public Mailer(MailerOptions options)
    {
        if (options is null) throw new ArgumentNullException(nameof(options));
        using ConfigHandle config = options.ToNative();
        var relay = new EventRelay(this);
        IntPtr userData = relay.Plant();
        int status = NativeMethods.everpost_config_events(config, Callbacks.Happened, Callbacks.EventsDropped, userData, out ErrorHandle error);
        if (status != 0) relay.Pull();
        Errors.Check(status, error);
        Errors.Check(NativeMethods.everpost_mailer_new(config, out handle, out error), error);
    }

    /// <summary>Raised when the mailer notices something, in order, on a thread of the pool.</summary>
    public event EventHandler<MailerEventArgs>? Happened;

    /// <summary>Sends a message, and waits for the server's verdict.</summary>
    /// <param name="message">The message. It is read before this returns, and may be disposed or changed then.</param>
    /// <param name="cancellationToken">Cancels the send; its task still waits until it is known what happened.</param>
    /// <returns>The receipt: the server has taken responsibility.</returns>
    /// <exception cref="ArgumentNullException">There is no message.</exception>
    /// <exception cref="EverpostException">The message was not sent, was refused, or its fate is unknown.</exception>
    /// <exception cref="EverpostCanceledException">It was cancelled, and not sent.</exception>
    /// <exception cref="EverpostClosedException">The mailer was closed meanwhile.</exception>
    /// <exception cref="ObjectDisposedException">The mailer is disposed.</exception>
    public Task<Receipt> SendAsync(MailMessage message, CancellationToken cancellationToken = default) =>
        SendAsync(Convert(message, null), cancellationToken);

    /// <inheritdoc cref="SendAsync(MailMessage, CancellationToken)"/>
    /// <param name="message">The message.</param>
    /// <param name="envelope">Who it is from and to; null for what the message says.</param>
    /// <param name="cancellationToken">Cancels the send.</param>
    public Task<Receipt> SendAsync(MailMessage message, Envelope? envelope, CancellationToken cancellationToken = default) =>
        SendAsync(Convert(message, envelope), cancellationToken);

    /// <inheritdoc cref="SendAsync(MailMessage, CancellationToken)"/>
    /// <param name="message">The message, RFC 5322; its lines may end in any way.</param>
    /// <param name="envelope">Who it is from and to; null for what its header says, without <c>Bcc</c> then.</param>
    /// <param name="cancellationToken">Cancels the send.</param>
    public Task<Receipt> SendAsync(byte[] message, Envelope? envelope = null, CancellationToken cancellationToken = default) =>
        SendAsync(Wrap(message ?? throw new ArgumentNullException(nameof(message)), envelope), cancellationToken);

    /// <inheritdoc cref="SendAsync(byte[], Envelope?, CancellationToken)"/>
    public Task<Receipt> SendAsync(ReadOnlyMemory<byte> message, Envelope? envelope = null, CancellationToken cancellationToken = default) =>
        SendAsync(Wrap(message.Span, envelope), cancellationToken);

    /// <inheritdoc cref="SendAsync(byte[], Envelope?, CancellationToken)"/>
    /// <param name="message">The message, RFC 5322, from where the stream stands; it is read to its end, and not closed.</param>
    /// <param name="envelope">Who it is from and to; null for what its header says.</param>
    /// <param name="cancellationToken">Cancels the send.</param>
    public async Task<Receipt> SendAsync(System.IO.Stream message, Envelope? envelope = null, CancellationToken cancellationToken = default)
    {
        if (message is null) throw new ArgumentNullException(nameof(message));
        MessageHandle native = await ReadAsync(message, envelope, cancellationToken).ConfigureAwait(false);
        return await SendAsync(native, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc cref="SendAsync(byte[], Envelope?, CancellationToken)"/>
    /// <summary>Sends a message from a file, which need not fit into memory.</summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="envelope">Who it is from and to; null for what its header says.</param>
    /// <param name="cancellationToken">Cancels the send.</param>
    public Task<Receipt> SendFileAsync(string path, Envelope? envelope = null, CancellationToken cancellationToken = default)
    {
        var text = new Utf8(path ?? throw new ArgumentNullException(nameof(path)));
        int status = NativeMethods.everpost_message_from_file(text.Bytes, text.Length, out MessageHandle native, out ErrorHandle error);
        Errors.Check(status, error);
        return SendAsync(Enclose(native, envelope), cancellationToken);
    }

    /// <summary>Sends a message, and holds the thread until the server's verdict.</summary>
    /// <param name="message">The message.</param>
    /// <param name="envelope">Who it is from and to; null for what the message says.</param>
    /// <inheritdoc cref="SendAsync(MailMessage, CancellationToken)"/>
    public Receipt Send(MailMessage message, Envelope? envelope = null) => Send(Convert(message, envelope));

    /// <inheritdoc cref="Send(MailMessage, Envelope?)"/>
    /// <param name="message">The message, RFC 5322.</param>
    /// <param name="envelope">Who it is from and to; null for what its header says.</param>
    public Receipt Send(byte[] message, Envelope? envelope = null) =>
        Send(Wrap(message ?? throw new ArgumentNullException(nameof(message)), envelope));

    /// <summary>Sends many messages, as fast as the connections take them.</summary>
    /// <param name="messages">The messages; all are read before this returns.</param>
    /// <param name="progress">Is told of each result as it comes, from any thread.</param>
    /// <param name="cancellationToken">Cancels what is not sent yet; those results say so.</param>
    /// <returns>One result for each message, in their order. A message that fails does not keep others from being sent.</returns>
    /// <exception cref="ArgumentNullException">There are no messages.</exception>
    /// <exception cref="EverpostMessageException">A message cannot be sent by anybody; none is sent.</exception>
    /// <exception cref="ObjectDisposedException">The mailer is disposed.</exception>
    public Task<IReadOnlyList<SendResult>> SendAllAsync(
        IEnumerable<MailMessage> messages, IProgress<SendResult>? progress = null, CancellationToken cancellationToken = default)
    {
        if (messages is null) throw new ArgumentNullException(nameof(messages));
        return SendAllAsync(Convert(messages, message => Convert(message, null)), progress, cancellationToken);
    }

    /// <inheritdoc cref="SendAllAsync(IEnumerable{MailMessage}, IProgress{SendResult}?, CancellationToken)"/>
    public Task<IReadOnlyList<SendResult>> SendAllAsync(
        IEnumerable<RawMessage> messages, IProgress<SendResult>? progress = null, CancellationToken cancellationToken = default)
    {
        if (messages is null) throw new ArgumentNullException(nameof(messages));
        return SendAllAsync(Convert(messages, message => Wrap(message.Content.Span, message.Envelope)), progress, cancellationToken);
    }

    /// <summary>Asks whether mail could be sent: connects, logs in, and says goodbye. Nothing is sent.</summary>
    /// <param name="cancellationToken">Cancels the asking.</param>
    /// <returns>What the server offers after the login.</returns>
    /// <remarks>The connection is one of its own, beside those of the pool.</remarks>
    /// <exception cref="EverpostException">What a send would fail with, as far as the login.</exception>
    /// <exception cref="EverpostCanceledException">It was cancelled.</exception>
    /// <exception cref="EverpostClosedException">The mailer is closed.</exception>
    /// <exception cref="ObjectDisposedException">The mailer is disposed.</exception>
    public Task<Capabilities> VerifyAsync(CancellationToken cancellationToken = default) => new Operation<Capabilities>().RunAsync(
        (IntPtr userData, out IntPtr error) =>
            NativeMethods.everpost_mailer_verify_start(handle, Callbacks.Offered, userData, out error),
        cancellationToken);

    /// <summary>Asks whether mail could be sent, and holds the thread until it is known.</summary>
    /// <inheritdoc cref="VerifyAsync"/>
    public Capabilities Verify() => new(Text(NativeMethods.everpost_mailer_verify));

    /// <summary>Says how the mailer does, from what it has seen; asks nothing of the network.</summary>
    /// <exception cref="ObjectDisposedException">The mailer is disposed.</exception>
    public Health GetHealth()
    {
        var status = (HealthStatus)NativeMethods.everpost_mailer_health(handle);
        return new Health(status, Text(NativeMethods.everpost_mailer_health_json));
    }

    /// <summary><see cref="GetHealth"/> as a task, for interfaces that want one; it is done already.</summary>
    /// <param name="cancellationToken">Not needed.</param>
    /// <exception cref="ObjectDisposedException">The mailer is disposed.</exception>
    public Task<Health> GetHealthAsync(CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested ? Task.FromCanceled<Health>(cancellationToken) : Task.FromResult(GetHealth());

    /// <summary>The counters.</summary>
    /// <exception cref="ObjectDisposedException">The mailer is disposed.</exception>
    public Stats GetStats() =>
        new(Text(NativeMethods.everpost_mailer_stats_json), Text(NativeMethods.everpost_mailer_stats_prometheus));

    /// <summary>Answers "is it the server, or is it us?": looks at the server afresh and compares with what the mailer holds.</summary>
    /// <param name="compare">What the server should show, such as the file that was renewed on disk; null for nothing.</param>
    /// <param name="cancellationToken">Cancels the look.</param>
    /// <exception cref="EverpostException">The look could not be taken. A server that cannot be reached is a report.</exception>
    /// <exception cref="ObjectDisposedException">The mailer is disposed.</exception>
    public async Task<Report> ExplainAsync(CertificateFile? compare = null, CancellationToken cancellationToken = default)
    {
        bool held = false;
        try
        {
            compare?.Handle.DangerousAddRef(ref held);
            IntPtr file = compare?.Handle.DangerousGetHandle() ?? IntPtr.Zero;
            return await new Operation<Report>().RunAsync(
                (IntPtr userData, out IntPtr error) =>
                    NativeMethods.everpost_mailer_explain_start(handle, file, Callbacks.Report, userData, out error),
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (held) compare!.Handle.DangerousRelease();
        }
    }

    /// <summary>
    /// Ends the mailer in order: takes no more messages, waits for those under way, and says goodbye to the server.
    /// </summary>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="EverpostCanceledException">It was cancelled; the mailer takes no messages all the same.</exception>
    /// <exception cref="ObjectDisposedException">The mailer is disposed.</exception>
    public Task CloseAsync(CancellationToken cancellationToken = default) => new Operation<bool>().RunAsync(
        (IntPtr userData, out IntPtr error) =>
            NativeMethods.everpost_mailer_close_start(handle, Callbacks.Close, userData, out error),
        cancellationToken);

    /// <summary>
    /// Lets go of the mailer without waiting. Messages under way are sent to their end, and their tasks end with
    /// what happened.
    /// </summary>
    public void Dispose()
    {
        Volatile.Write(ref disposed, 1);
        handle.Dispose();
    }

#if NETCOREAPP3_0_OR_GREATER
    /// <summary>Closes the mailer as <see cref="CloseAsync"/> does, and lets go of it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0) return;
        try
        {
            await CloseAsync().ConfigureAwait(false);
        }
        finally
        {
            handle.Dispose();
        }
    }
#endif

    internal void Raise(MailerEventArgs arguments) => Happened?.Invoke(this, arguments);
}
