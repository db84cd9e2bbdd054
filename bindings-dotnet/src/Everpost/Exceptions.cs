using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Everpost.Interop;

namespace Everpost;

/// <summary>What every exception of Everpost carries, whichever class of .NET it derives from.</summary>
public interface IEverpostException
{
    /// <summary>All that is known of the failure.</summary>
    EverpostError Error { get; }
}

/// <summary>
/// The base of the exceptions for failures of sending and looking. Wrong options
/// are an <see cref="EverpostConfigException"/>, a cancelled call an
/// <see cref="EverpostCanceledException"/>, and a closed mailer an
/// <see cref="EverpostClosedException"/>, which derive from what .NET has for them.
/// </summary>
public abstract class EverpostException : Exception, IEverpostException
{
    private protected EverpostException(EverpostError error) : base(error.Message) => Error = error;

    /// <inheritdoc/>
    public EverpostError Error { get; }

    /// <inheritdoc cref="EverpostError.Kind"/>
    public EverpostErrorKind Kind => Error.Kind;

    /// <inheritdoc cref="EverpostError.Stage"/>
    public string Stage => Error.Stage;

    /// <inheritdoc cref="EverpostError.Delivery"/>
    public Delivery Delivery => Error.Delivery;

    /// <inheritdoc cref="EverpostError.IsRetryable"/>
    public bool IsRetryable => Error.IsRetryable;

    /// <inheritdoc cref="EverpostError.Hint"/>
    public string? Hint => Error.Hint;

    /// <inheritdoc cref="EverpostError.Report"/>
    public string Report => Error.Report;

    /// <inheritdoc cref="EverpostError.MessageId"/>
    public string? MessageId => Error.MessageId;

    /// <inheritdoc cref="EverpostError.Attempts"/>
    public int Attempts => Error.Attempts;

    /// <inheritdoc cref="EverpostError.Reply"/>
    public Reply? Reply => Error.Reply;

    /// <inheritdoc cref="EverpostError.CertificateJson"/>
    public string? CertificateJson => Error.CertificateJson;

    /// <inheritdoc cref="EverpostError.Sender"/>
    public string? Sender => Error.Sender;

    /// <inheritdoc cref="EverpostError.Recipients"/>
    public IReadOnlyList<string> Recipients => Error.Recipients;

    /// <inheritdoc cref="EverpostError.Rejected"/>
    public IReadOnlyList<RejectedRecipient> Rejected => Error.Rejected;

    /// <inheritdoc cref="EverpostError.Cause"/>
    public string? Cause => Error.Cause;

    /// <inheritdoc cref="EverpostError.Json"/>
    public string Json => Error.Json;
}

/// <summary>The message or its envelope cannot be sent by anybody.</summary>
public sealed class EverpostMessageException : EverpostException
{
    internal EverpostMessageException(EverpostError error) : base(error) { }
}

/// <summary>The name did not resolve, no connection came about, or it broke before the message was handed over.</summary>
public sealed class EverpostConnectException : EverpostException
{
    internal EverpostConnectException(EverpostError error) : base(error) { }
}

/// <summary>A deadline passed while the message was provably not sent.</summary>
public sealed class EverpostTimeoutException : EverpostException
{
    internal EverpostTimeoutException(EverpostError error) : base(error) { }
}

/// <summary>TLS failed, other than by the certificate.</summary>
public sealed class EverpostTlsException : EverpostException
{
    internal EverpostTlsException(EverpostError error) : base(error) { }
}

/// <summary>The server's certificate is not acceptable: <see cref="EverpostException.Hint"/> says what to do, <see cref="EverpostException.CertificateJson"/> what it showed.</summary>
public sealed class EverpostCertificateException : EverpostException
{
    internal EverpostCertificateException(EverpostError error) : base(error) { }
}

/// <summary>The login failed, or the token provider did.</summary>
public sealed class EverpostAuthenticationException : EverpostException
{
    internal EverpostAuthenticationException(EverpostError error) : base(error) { }
}

/// <summary>The server refused; <see cref="EverpostException.Reply"/> says why. A 4yz may work later.</summary>
public sealed class EverpostRejectedException : EverpostException
{
    internal EverpostRejectedException(EverpostError error) : base(error) { }
}

/// <summary>The server lacks an extension that the message or the options need.</summary>
public sealed class EverpostUnsupportedException : EverpostException
{
    internal EverpostUnsupportedException(EverpostError error) : base(error) { }
}

/// <summary>The server does not speak as SMTP has it.</summary>
public sealed class EverpostProtocolException : EverpostException
{
    internal EverpostProtocolException(EverpostError error) : base(error) { }
}

/// <summary>A caught fault of the library itself. Please report it.</summary>
public sealed class EverpostInternalException : EverpostException
{
    internal EverpostInternalException(EverpostError error) : base(error) { }
}

/// <summary>
/// The message was handed over, and the connection ended before the server's
/// verdict. Sending again may duplicate it.
/// </summary>
public sealed class EverpostDeliveryUnknownException : EverpostException
{
    private readonly ErrorHandle handle;

    internal EverpostDeliveryUnknownException(EverpostError error, ErrorHandle handle) : base(error) => this.handle = handle;

    /// <summary>Whether the server's answer is still listened for, or has come since.</summary>
    public bool HasLateVerdict => NativeMethods.everpost_error_has_late_verdict(handle) != 0;

    /// <summary>
    /// Waits for a verdict that may still come, where a connection was kept open
    /// for it after a deadline or a cancellation. No thread waits with it.
    /// </summary>
    /// <param name="patience">How long to wait; a verdict that has come is told whatever this is.</param>
    /// <param name="cancellationToken">Stops waiting. The verdict may be asked for again.</param>
    /// <returns><see cref="Delivery.Accepted"/>, <see cref="Delivery.Refused"/>, or null if none came.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public Task<Delivery?> LateVerdictAsync(TimeSpan patience, CancellationToken cancellationToken = default)
    {
        if (patience < TimeSpan.Zero) throw new ArgumentOutOfRangeException(nameof(patience));
        if (cancellationToken.IsCancellationRequested) return Task.FromCanceled<Delivery?>(cancellationToken);
        return HasLateVerdict ? WaitAsync(patience, cancellationToken) : Task.FromResult<Delivery?>(null);
    }

    private async Task<Delivery?> WaitAsync(TimeSpan patience, CancellationToken token)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(token);
        try
        {
            Task<Receipt> verdict = new Operation<Receipt>().RunAsync(
                (IntPtr userData, out IntPtr failure) =>
                    NativeMethods.everpost_error_late_verdict_start(handle, Callbacks.Send, userData, out failure),
                enough.Token);
            // Not before it has started, so that no time at all still finds what is there. A timer cannot be set
            // for longer than this, nor does the library listen for so long.
            if (patience.TotalMilliseconds < int.MaxValue) enough.CancelAfter(patience);
            await verdict.ConfigureAwait(false);
            return Delivery.Accepted;
        }
        catch (OperationCanceledException)
        {
            token.ThrowIfCancellationRequested();
            return null;
        }
        catch (EverpostException verdict) when (verdict.Kind != EverpostErrorKind.Internal)
        {
            return verdict.Delivery == Delivery.Unknown ? null : verdict.Delivery;
        }
    }
}

/// <summary>The options or arguments cannot work: the message says which, and what would.</summary>
public sealed class EverpostConfigException : ArgumentException, IEverpostException
{
    internal EverpostConfigException(EverpostError error) : base(error.Message) => Error = error;

    /// <inheritdoc/>
    public EverpostError Error { get; }
}

/// <summary>
/// The call was cancelled, and the message was not sent. Where that is not certain
/// it is an <see cref="EverpostDeliveryUnknownException"/> instead.
/// </summary>
public sealed class EverpostCanceledException : OperationCanceledException, IEverpostException
{
    internal EverpostCanceledException(EverpostError error, CancellationToken token) : base(error.Message, token) => Error = error;

    /// <inheritdoc/>
    public EverpostError Error { get; }
}

/// <summary>The mailer is closed or disposed.</summary>
public sealed class EverpostClosedException : ObjectDisposedException, IEverpostException
{
    internal EverpostClosedException(EverpostError error) : base(nameof(Mailer), error.Message) => Error = error;

    /// <inheritdoc/>
    public EverpostError Error { get; }
}

/// <summary>The native library is missing, cannot be loaded, or is of another version than this assembly.</summary>
public sealed class EverpostLibraryException : InvalidOperationException
{
    internal EverpostLibraryException(string message, Exception? inner) : base(message, inner) { }
}
